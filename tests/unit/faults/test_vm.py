"""`vm.delete` is undone by a deploy, and a site has one writer."""

from __future__ import annotations

import threading
import time

import pytest

from chaosjc.drivers.openstack import Cloud, NotFound
from chaosjc.faults import vm
from chaosjc.faults.world import World
from chaosjc.journal.events import Context, StepPlan, Target
from chaosjc.site.model import SiteFile


class Gone(Cloud):
    """A cloud that has lost every server."""

    def __init__(self) -> None:
        super().__init__(None, "test")

    def server(self, uuid: str) -> object:  # type: ignore[override]
        raise NotFound(uuid)


class Lost(World):
    """A world with that cloud."""

    @property
    def cloud(self) -> Cloud:
        return Gone()

    @property
    def site(self) -> SiteFile:
        return SiteFile.model_construct()


def test_two_undos_of_one_run_deploy_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    under_way: list[int] = []
    most: list[int] = []

    def deploy(_: object) -> None:
        under_way.append(1)
        most.append(len(under_way))
        time.sleep(0.05)
        under_way.pop()

    def open_site(*_: object, **__: object) -> None:
        return

    monkeypatch.setattr(vm.deploy, "deploy", deploy)
    monkeypatch.setattr(vm, "open_site", open_site)
    world = Lost(Context())
    steps = [StepPlan(id=f"f1.{name}", fault="vm.delete", target=Target(id=name, name=name)) for name in ("a", "b")]
    threads = [threading.Thread(target=vm.DELETE.undo, args=(step, world)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1]
