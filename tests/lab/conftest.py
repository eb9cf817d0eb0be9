"""One lab for all end-to-end tests of a session, under its own name and state."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosjc.drivers.prometheus import Prometheus
from chaosjc.lab.layout import Lab
from chaosjc.site import endpoints
from tests.lab.cloud import Cloud, lab_command, measured
from tests.lab.runs import Stage
from tests.lab.site import DeployedSite

RANGE = "10.231.71.0/24"


@pytest.fixture(scope="session")
def state() -> Iterator[Path]:
    """The root of all state: a directory that other users may pass through, unlike pytest's own."""
    root = Path(tempfile.mkdtemp(prefix="chaosjc-test-", dir="/var/tmp"))
    root.chmod(0o711)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def lab(state: Path) -> Iterator[Lab]:
    """A lab that is up; nothing of it is left afterwards."""
    lab = Lab.of("test", state)
    try:
        with measured("lab up"):
            lab_command(lab, "up")
        yield lab
    finally:
        lab_command(lab, "reset")


@pytest.fixture(scope="session")
def key(state: Path) -> Path:
    """An SSH key; the public one beside it."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(state / "key")], check=True)
    return state / "key"


@pytest.fixture(scope="session")
def cloud(lab: Lab, key: Path) -> Cloud:
    """The lab's cloud as its project user, with a network and a security group."""
    cloud = Cloud.connect(lab, key)
    cloud.furnish(RANGE)
    return cloud


@pytest.fixture(scope="session")
def storage_site(lab: Lab) -> Iterator[Stage]:
    """A site with bricks, volumes and canaries, for all test_storage_*: who breaks it mends it. They come last."""
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


@pytest.fixture(scope="session")
def prometheus(storage_site: Stage) -> Iterator[Prometheus]:
    """Of that site."""
    with endpoints.prometheus(storage_site.site.context().state) as url:
        client = Prometheus.connect(url)
        yield client
        client.close()
