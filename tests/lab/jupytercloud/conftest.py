"""One whole JupyterCloud for all tests of this directory: who breaks it mends it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chaosjc.drivers.kubernetes import Cluster
from chaosjc.lab.layout import Lab
from chaosjc.site import endpoints
from tests.lab.cloud import lab_command, measured
from tests.lab.conftest import Building
from tests.lab.jupytercloud.hub import cell_executed
from tests.lab.runs import Stage
from tests.lab.site import DeployedSite, standing


@pytest.fixture(scope="package")
def jupytercloud(lab: Lab, node_image: Building) -> Iterator[Stage]:
    """Deployed from nothing, and used: a first cell was executed."""
    node_image.wait()
    lab_command(lab, "up", "--kubernetes")
    with standing("jupytercloud", lambda directory: DeployedSite.whole(lab, directory)) as site:
        stage = Stage(site)
        with measured("JupyterCloud from no servers to the first executed cell"):
            site.run("deploy")
            cell_executed(stage, within=60)
        yield stage


@pytest.fixture
def stage(jupytercloud: Stage) -> Stage:
    """That site, whole."""
    return jupytercloud.put_back()


@pytest.fixture
def kubernetes(stage: Stage) -> Iterator[Cluster]:
    """Its cluster."""
    with endpoints.kubernetes(stage.site.context().state) as cluster:
        yield cluster
