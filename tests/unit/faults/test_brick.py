"""`brick.kill` is undone by a start that must never hide a lost brick."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from chaosjc.drivers.command import Completed
from chaosjc.drivers.openstack import Cloud
from chaosjc.drivers.openstack_values import Server
from chaosjc.drivers.ssh import CONNECTION_FAILED, Ssh
from chaosjc.errors import FaultError
from chaosjc.faults.brick import KILL, Kill
from chaosjc.faults.target import Chosen, TargetChoice
from chaosjc.faults.world import World
from chaosjc.journal.events import Context, Target
from chaosjc.site import discover
from chaosjc.site.topology import Brick
from tests.sites import lab_file
from tests.unit.fakes import FakeClock
from tests.unit.faults.test_held import NoCloud

ENTRY = Kill(target=TargetChoice(name="brick-001"), volume="homes", duration=20.0)
BRICK = Brick("homes", "brick-001", "/data/homes")
(STEP,) = KILL.plan(ENTRY, Chosen((Target(id="u", name="brick-001"),), (), (), 1, (BRICK,)), "f1")
VOLUMES = (Path(__file__).parents[2] / "cases" / "gluster" / "volumes.xml").read_text()


class SiteCloud(NoCloud):
    """Servers of the site lab, brick-001 at 10.0.0.1 and so on."""

    def servers(self) -> tuple[Server, ...]:
        more: dict[str, Any] = {"metadata": {discover.SITE: "lab"}}
        return tuple(replace(each, addresses=(address(each.name),), **more) for each in super().servers())


def address(name: str) -> str:
    return f"10.0.0.{int(name[-3:])}"


def by_address(*names: str) -> str:
    """The layout, with these machines named by their addresses."""
    return functools.reduce(lambda text, each: text.replace(f"{each}:", f"{address(each)}:"), names, VOLUMES)


@dataclass
class Pool(World):
    """Three machines, each with a brick of `homes`."""

    dead: set[str] = field(default_factory=set[str])
    empty: set[str] = field(default_factory=set[str])
    unreachable: set[str] = field(default_factory=set[str])
    servers: tuple[str, ...] = ("brick-001", "brick-002", "brick-003")
    layout: str = VOLUMES
    started: int = 0

    def __post_init__(self) -> None:
        super().__init__(Context(site=lab_file(storage=True)), "run", FakeClock())

    @property
    def ssh(self) -> Ssh:
        return Ssh(Path("config"), self.answer)  # type: ignore[arg-type]

    @property
    def cloud(self) -> Cloud:
        return SiteCloud(*self.servers)

    def answer(self, argv: Sequence[str], **_: object) -> Completed:
        host, words = argv[-2], shlex.split(argv[-1])
        if host in self.unreachable:
            return Completed(tuple(argv), CONNECTION_FAILED, "", "no route", 0.0)
        if "gluster" in words:
            return Completed(tuple(argv), 0, self.gluster(words), "", 0.0)
        assert words[:5] == ["sudo", "-n", "--", "python3", "-"], words
        return Completed(tuple(argv), 0, json.dumps(self.program(host, json.loads(words[-1])["verb"])), "", 0.0)

    def gluster(self, words: list[str]) -> str:
        if "info" in words:
            return self.layout
        assert words[-4:] == ["volume", "start", "homes", "force"] or "start homes force" in " ".join(words), words
        self.started += 1
        self.dead.clear()
        return "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/></cliOutput>"

    def program(self, host: str, verb: str) -> dict[str, object]:
        if verb == "kill":
            self.dead.add(host)
            return {}
        if verb == "marked":
            return {"marked": host not in self.empty}
        assert verb == "look"
        return {"left": ["no process"] if host in self.dead else []}


def test_there_and_back() -> None:
    pool = Pool()
    KILL.inject(STEP, pool)
    assert KILL.verify(STEP, pool).outcome == "broken"
    KILL.undo(STEP, pool)
    assert KILL.verify(STEP, pool).outcome == "whole"


def test_a_brick_that_runs_is_not_started() -> None:
    pool = Pool()
    KILL.undo(STEP, pool)
    assert pool.started == 0


@pytest.mark.parametrize("empty", ["brick-001", "brick-002"])
def test_nothing_is_started_while_a_brick_of_the_volume_has_lost_its_data(empty: str) -> None:
    pool = Pool(dead={"brick-001"}, empty={empty})
    with pytest.raises(FaultError, match=f"{empty}:/data/homes has lost its data"):
        KILL.undo(STEP, pool)
    assert pool.started == 0


def test_nothing_is_started_while_nobody_can_look_at_a_brick() -> None:
    pool = Pool(dead={"brick-001"}, unreachable={"brick-003"})
    with pytest.raises(FaultError, match="nobody can say whether brick-003"):
        KILL.undo(STEP, pool)
    assert pool.started == 0


def test_a_brick_whose_vm_is_gone_hinders_nobody() -> None:
    pool = Pool(dead={"brick-001"}, unreachable={"brick-003"}, servers=("brick-001", "brick-002"))
    KILL.undo(STEP, pool)
    assert pool.started == 1


@pytest.mark.parametrize(("state", "why"), [("empty", "has lost its data"), ("unreachable", "nobody can say")])
def test_a_machine_that_the_layout_names_by_its_address_is_looked_at_too(state: str, why: str) -> None:
    pool = Pool(dead={"brick-001"}, layout=by_address("brick-003"))
    getattr(pool, state).add("brick-003")
    with pytest.raises(FaultError, match=why):
        KILL.undo(STEP, pool)
    assert pool.started == 0


def test_nothing_is_started_while_a_brick_lies_on_a_machine_that_nobody_knows() -> None:
    pool = Pool(
        dead={"brick-001"},
        unreachable={"10.0.0.3", "brick-003"},
        layout=by_address("brick-003"),
        servers=("brick-001", "brick-002"),
    )
    with pytest.raises(FaultError, match=r"the brick on 10.0.0.3 .* no VM of the site"):
        KILL.undo(STEP, pool)
    assert pool.started == 0
