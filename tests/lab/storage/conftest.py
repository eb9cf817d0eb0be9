"""One site with bricks for all tests of this directory: who breaks it mends it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosjc.drivers.prometheus import Prometheus
from chaosjc.lab.layout import Lab
from chaosjc.site import endpoints
from tests.lab.cloud import measured
from tests.lab.runs import Stage
from tests.lab.site import DeployedSite


@pytest.fixture(scope="package")
def storage_site(lab: Lab) -> Iterator[Stage]:
    """Deployed from nothing: bricks, volumes and canaries."""
    directory = Path(tempfile.mkdtemp(prefix="chaosjc-storage-", dir="/var/tmp"))
    site = DeployedSite.on(lab, directory, storage=True)
    try:
        with measured("site deploy with storage, from nothing"):
            site.run("deploy")
        yield Stage(site)
    finally:
        site.run("destroy")
        shutil.rmtree(directory)


@pytest.fixture
def storage(storage_site: Stage) -> Stage:
    """That site, put back where a test before this one failed, so that it fails alone."""
    if storage_site.owes():
        storage_site.recover()
    return storage_site


@pytest.fixture(scope="package")
def prometheus(storage_site: Stage) -> Iterator[Prometheus]:
    """Of that site."""
    with endpoints.prometheus(storage_site.site.context().state) as url:
        client = Prometheus.connect(url)
        yield client
        client.close()
