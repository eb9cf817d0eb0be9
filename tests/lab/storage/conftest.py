"""One site with bricks for all tests of this directory: who breaks it mends it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chaosjc.drivers.prometheus import Prometheus
from chaosjc.lab.layout import Lab
from chaosjc.site import endpoints
from tests.lab.cloud import measured
from tests.lab.runs import Stage
from tests.lab.site import DeployedSite, standing


@pytest.fixture(scope="package")
def storage_site(lab: Lab) -> Iterator[Stage]:
    """Deployed from nothing: bricks, volumes and canaries."""
    with standing("storage", lambda directory: DeployedSite.on(lab, directory, storage=True)) as site:
        with measured("site deploy with storage, from nothing"):
            site.run("deploy")
        yield Stage(site)


@pytest.fixture
def storage(storage_site: Stage) -> Stage:
    """That site, whole."""
    return storage_site.put_back()


@pytest.fixture(scope="package")
def prometheus(storage_site: Stage) -> Iterator[Prometheus]:
    """Of that site."""
    with endpoints.prometheus(storage_site.site.context().state) as url:
        client = Prometheus.connect(url)
        yield client
        client.close()
