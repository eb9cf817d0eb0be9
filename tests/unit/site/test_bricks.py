"""A brick that is rebuilt: when it counts as whole, and when it is not even begun."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from chaosjc.drivers.gluster import Gluster, Refused
from chaosjc.drivers.gluster_values import BrickEntries, BrickInfo, BrickStatus, VolumeInfo
from chaosjc.errors import RemoteError, StageError
from chaosjc.site.context import Context
from chaosjc.site.stages import volumes
from chaosjc.site.stages.bricks import STUCK, Bricks
from tests.unit.site.fakes import lab_site

VMS = ("brick-001", "brick-002", "brick-003")
LOST = "brick-003:/data/homes"
INFO = VolumeInfo("homes", "id", "Started", 3, 0, tuple(BrickInfo(vm, "/data/homes") for vm in VMS), {})


@dataclass
class FakePool:
    """Says what it is told to, one answer after the other, the last one for ever."""

    heals: list[list[int | None] | None]
    down: set[str] = field(default_factory=set[str])
    acts: list[str] = field(default_factory=list[str])
    refusals: int = 0

    def volumes(self) -> tuple[VolumeInfo, ...]:
        return (INFO,)

    def bricks(self, volume: str) -> tuple[BrickStatus, ...]:
        return tuple(BrickStatus(vm, f"/data/{volume}", vm not in self.down, 1, 1) for vm in VMS)

    def heal(self, volume: str) -> tuple[BrickEntries, ...]:
        now = self.heals.pop(0) if len(self.heals) > 1 else self.heals[0]
        if now is None:
            raise RemoteError("gluster volume heal: no answer")
        return tuple(BrickEntries(vm, f"/data/{volume}", each) for vm, each in zip(VMS, now, strict=True))

    def heal_full(self, volume: str) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Refused(f"heal {volume}", "brick-001", "Self-heal daemon is not running")
        self.acts.append(f"full {volume}")

    def reset_brick_start(self, volume: str, brick: str) -> None:
        self.acts.append(f"reset {volume} {brick}")

    def reset_brick_commit(self, volume: str, brick: str) -> None:
        self.acts.append(f"commit {volume} {brick}")


class FakeBricks(Bricks):
    """Brick VMs whose directories hold `held`, what the lost one has being told file by file."""

    def __init__(self, context: Context, back: list[dict[str, str]]) -> None:
        super().__init__(context)
        self.back = back
        self.facts: dict[str, Any] = {"volume": "id", "rebuilding": False}
        self.pending = 0
        self.asked: list[str] = []

    def ask(self, vm: str, request: dict[str, Any], timeout: float = 0) -> dict[str, Any]:
        self.asked.append(f"{vm} {next(iter(request))}")
        if "look" in request:
            return {path: self.facts for path in request["look"]}
        if "pending" in request:
            return {"entries": self.pending}
        if "files" in request:
            if vm != "brick-003":
                return {"a": "1", "b": "2"}
            return self.back.pop(0) if len(self.back) > 1 else self.back[0]
        return {}


def pool(fake: FakePool) -> Gluster:
    return cast("Gluster", fake)


def use(monkeypatch: pytest.MonkeyPatch, fake: FakePool) -> None:
    def pool_of(*_: object) -> Gluster:
        return pool(fake)

    monkeypatch.setattr(volumes, "pool_of", pool_of)


WHOLE = {"a": "1", "b": "2", "new": "3"}


def test_nothing_to_heal_is_no_proof_while_files_are_missing_or_differ(context: Context) -> None:
    bricks, fake = FakeBricks(context, [{"a": "1"}, {"a": "1", "b": "0"}, WHOLE]), FakePool([[0, 0, 0]])
    bricks.wait_whole(pool(fake), INFO, LOST, 0.0)
    assert fake.acts == ["full homes", "full homes"]
    assert bricks.asked[-1] == "brick-003 mark"


def test_a_healing_daemon_that_is_away_for_a_while_is_waited_for(context: Context) -> None:
    bricks, fake = FakeBricks(context, [{"a": "1"}, WHOLE]), FakePool([[0, 0, 0]], refusals=3)
    bricks.wait_whole(pool(fake), INFO, LOST, 0.0)
    assert fake.acts == ["full homes"]


def test_a_brick_that_does_not_tell_is_not_healed(context: Context) -> None:
    fake = FakePool([[0, 0, None], None, [0, 0, 4], [0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]])
    bricks = FakeBricks(context, [WHOLE])
    bricks.wait_whole(pool(fake), INFO, LOST, 0.0)
    assert len(fake.heals) == 1, "three zeros running came last"


def test_gluster_is_not_asked_to_look_at_each_of_many_entries(context: Context) -> None:
    bricks, fake = FakeBricks(context, [WHOLE]), FakePool([[0, 0, 0], [0, 0, 0]])
    bricks.pending = 1000
    with pytest.raises(StageError, match="homes: brick-003:/data/homes: 3000 files not healed"):
        bricks.wait_whole(pool(fake), INFO, LOST, 0.0)
    assert len(fake.heals) == 2, "it was never asked"


def test_what_never_heals_is_given_up_and_stays_marked(context: Context) -> None:
    bricks, began = FakeBricks(context, [{}]), context.clock.monotonic()
    with pytest.raises(StageError, match="2 files not healed, such as a, and no progress"):
        bricks.wait_whole(pool(FakePool([[0, 0, 0]])), INFO, LOST, 0.0)
    assert context.clock.monotonic() - began > STUCK
    assert "brick-003 mark" not in bricks.asked


def test_a_reset_is_announced_on_the_disk_first(context: Context) -> None:
    bricks, fake = FakeBricks(context, [WHOLE]), FakePool([[0, 0, 0]], down={"brick-003"})
    bricks.reset(pool(fake), INFO, LOST)
    assert bricks.asked[-1] == "brick-003 mark"
    assert fake.acts == [f"reset homes {LOST}", f"commit homes {LOST}"]


@pytest.mark.parametrize(
    ("down", "facts", "why"),
    [
        ({"brick-002"}, {"volume": "id", "rebuilding": False}, "brick-002:/data/homes has no process"),
        (set[str](), {"volume": "id", "rebuilding": True}, "brick-001:/data/homes is not whole itself"),
        (set[str](), {"volume": "", "rebuilding": False}, "brick-001:/data/homes is not whole itself"),
    ],
)
def test_nothing_is_rebuilt_from_what_is_not_whole(
    context: Context, down: set[str], facts: dict[str, Any], why: str
) -> None:
    bricks, fake = FakeBricks(context, [WHOLE]), FakePool([[0, 0, 0]], down=down)
    bricks.facts = facts
    with pytest.raises(StageError, match=why):
        bricks.reset(pool(fake), INFO, LOST)
    assert fake.acts == []


@pytest.mark.parametrize(
    ("heal", "down", "lost", "why"),
    [
        ([0, 0, 0], set[str](), False, ""),
        ([0, 3, 0], set[str](), False, "it is not healed"),
        ([0, None, 0], set[str](), False, "it is not healed"),
        ([0, 0, 0], {"brick-001"}, False, "brick-001 is down"),
        ([None, 9, None], {"brick-003"}, True, ""),
        ([0, 0, None], {"brick-001", "brick-003"}, True, "brick-001 is down"),
    ],
)
def test_a_brick_vm_is_replaced_only_while_its_copies_are_whole(
    context: Context, monkeypatch: pytest.MonkeyPatch, heal: list[int | None], down: set[str], lost: bool, why: str
) -> None:
    use(monkeypatch, FakePool([heal], down=down))
    site = replace(context, site=lab_site())
    if not why:
        volumes.check_expendable(site, "brick-003", lost=lost)
        return
    with pytest.raises(StageError, match=f"replacing brick-003 loses its bricks, .* cannot spare them: {why}"):
        volumes.check_expendable(site, "brick-003", lost=lost)


def test_a_brick_vm_that_the_file_forgot_is_not_deleted(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakePool([[0, 0, 0]]))
    site = replace(context, site=lab_site())
    volumes.check_carries_nothing(site, "brick-004")
    with pytest.raises(StageError, match="brick-003 is no longer in the site file, and carries bricks of homes"):
        volumes.check_carries_nothing(site, "brick-003")
