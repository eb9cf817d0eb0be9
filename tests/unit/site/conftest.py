from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest

from chaosjc.drivers.ssh import Ssh
from chaosjc.site.context import Context
from chaosjc.site.keys import Keyring
from chaosjc.site.state import SiteState
from tests.unit.fakes import FakeClock
from tests.unit.site.fakes import FakeCloud, small_site
from tests.unit.site.fakes_hosts import FakeHosts


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories for sockets, whose real places must be short, go with the test."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(time.time())  # today, since ssh-keygen signs for the machine's own time


@pytest.fixture
def cloud(clock: FakeClock) -> FakeCloud:
    return FakeCloud(clock)


@pytest.fixture
def hosts(cloud: FakeCloud) -> FakeHosts:
    return FakeHosts(cloud)


@pytest.fixture
def state(tmp_path: Path) -> SiteState:
    return SiteState.of("lab", str(tmp_path / "state"))


@pytest.fixture
def context(cloud: FakeCloud, hosts: FakeHosts, state: SiteState, clock: FakeClock) -> Context:
    return Context(small_site(), cloud, state, Ssh(state.ssh_config, hosts), Keyring(state), clock=clock)
