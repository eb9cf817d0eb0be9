"""One lab for all end-to-end tests of a session, under its own name and state."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaosjc.drivers import command
from chaosjc.lab.layout import Lab
from tests.lab.cloud import Cloud, lab_command, measured
from tests.suites import BUILD

RANGE = "10.231.71.0/24"
HERE = Path(__file__).parent
ORDER = ("machines", "storage", "jupytercloud")
"""One whole site at a time; and the first mostly wait, while Kubernetes' programs may still be built."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the directories here in that order; those of others stay before them."""
    items.sort(key=lambda item: ORDER.index(item.path.parent.name) if item.path.parent.parent == HERE else -1)


@dataclass(frozen=True)
class Building:
    """A command that builds an image, and what it prints."""

    process: subprocess.Popen[str]
    log: Path

    def wait(self) -> None:
        """Until it is there."""
        assert self.process.wait() == 0, self.log.read_text()[-3000:]


@pytest.fixture(scope="session", autouse=True)
def node_image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Building | None]:
    """The image of Kubernetes' nodes, in the making where a test needs it: the first time on a machine, for minutes.

    `make test` has begun it before, and this waits for that. Whatever else wants the processor goes first.
    """
    if not any(item.path.parent == HERE / ORDER[-1] for item in request.session.items):
        yield None
        return
    log = tmp_path_factory.mktemp("image") / "log"
    process = command.spawn(BUILD, log=log)
    yield Building(process, log)
    process.terminate()
    process.wait()


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
