"""The cluster as a world reaches it: connected at first use, once, and let go with the world."""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import Generator

import pytest

from chaosjc.drivers.kubernetes import Cluster
from chaosjc.errors import FaultError, RemoteError
from chaosjc.faults import world as worlds
from chaosjc.faults.world import World
from chaosjc.journal.events import Context
from chaosjc.site.endpoints import Way
from chaosjc.site.sections import Kubernetes
from chaosjc.site.state import SiteState
from tests.unit.drivers.cluster import FakeApi
from tests.unit.site.fakes import lab_site


def world(*, clustered: bool) -> World:
    file = lab_site(kubernetes=Kubernetes(control_plane="monitor") if clustered else None, hub=None)
    return World(Context(site=json.loads(file.snapshot())))


def test_a_forward_lasts_as_long_as_its_world(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    failing = [False, True]  # the last one first

    @contextlib.contextmanager
    def kubernetes(_: SiteState, *, way: Way | None) -> Generator[Cluster]:
        assert way is None  # chaosjc has deployed it
        told.append("open")
        try:
            if failing.pop():
                raise RemoteError("no way")
            yield FakeApi().cluster
        finally:
            told.append("closed")

    monkeypatch.setattr(worlds.endpoints, "kubernetes", kubernetes)
    here = world(clustered=True)
    with pytest.raises(RemoteError, match="no way"):
        _ = here.kubernetes
    assert told == ["open", "closed"], "what failed is tried again"
    assert here.kubernetes is here.kubernetes
    assert told == ["open", "closed", "open"]
    del here
    gc.collect()
    assert told == ["open", "closed", "open", "closed"]


def test_a_site_without_a_cluster_has_none() -> None:
    with pytest.raises(FaultError, match="site lab has no cluster"):
        _ = world(clustered=False).kubernetes
