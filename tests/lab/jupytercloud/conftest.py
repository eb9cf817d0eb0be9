"""One whole JupyterCloud for all tests of this directory: who breaks it mends it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosjc.drivers.kubernetes import Cluster
from chaosjc.lab.layout import Lab
from chaosjc.site import endpoints
from tests.lab.cloud import lab_command, measured
from tests.lab.conftest import Building
from tests.lab.jupytercloud.hub import cell_executed
from tests.lab.runs import Stage
from tests.lab.site import DeployedSite


@pytest.fixture(scope="package")
def jupytercloud(lab: Lab, node_image: Building) -> Iterator[Stage]:
    """Deployed from nothing, and used: a first cell was executed."""
    node_image.wait()
    lab_command(lab, "up", "--kubernetes")
    directory = Path(tempfile.mkdtemp(prefix="chaosjc-jupytercloud-", dir="/var/tmp"))
    stage = Stage(DeployedSite.whole(lab, directory))
    try:
        with measured("JupyterCloud from no servers to the first executed cell"):
            stage.site.run("deploy")
            cell_executed(stage, within=60)
        yield stage
    finally:
        stage.site.run("destroy")
        shutil.rmtree(directory)


@pytest.fixture
def stage(jupytercloud: Stage) -> Stage:
    """That site, put back where a test before this one failed, so that it fails alone."""
    if jupytercloud.owes():
        jupytercloud.recover()
    return jupytercloud


@pytest.fixture
def kubernetes(stage: Stage) -> Iterator[Cluster]:
    """Its cluster."""
    with endpoints.kubernetes(stage.site.context().state) as cluster:
        yield cluster
