"""The pool is changed in an order that an interruption does not harm, and none forgets it on one machine's word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from chaosjc.drivers.gluster import Gluster
from chaosjc.drivers.gluster_values import BrickInfo, Peer, VolumeInfo
from chaosjc.drivers.openstack_values import Server
from chaosjc.errors import RemoteError, StageError
from chaosjc.site import discover
from chaosjc.site.change import Change
from chaosjc.site.context import Context
from chaosjc.site.stages import bricks, volumes
from chaosjc.site.stages.volumes import Volumes
from chaosjc.site.stages.volumes_plan import REJECTED, STAGE, WELL, VolumeFacts
from tests.unit.site.fakes import FakeCloud, lab_site

VMS = ("brick-001", "brick-002", "brick-003")


@dataclass
class FakePool:
    """Machines of which some are rejected by all others, and reject them; a silent one answers nothing."""

    rejected: set[str] = field(default_factory=set[str])
    silent: set[str] = field(default_factory=set[str])
    states: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    stubborn: bool = False
    acts: list[str] = field(default_factory=list[str])
    asked: str = "brick-001"
    broken: str = ""
    known: dict[str, list[tuple[VolumeInfo, ...]]] = field(default_factory=dict[str, list[tuple[VolumeInfo, ...]]])
    loose: list[str] = field(default_factory=list[str])
    loses: bool = False
    lost: set[str] = field(default_factory=set[str])

    def asking(self, host: str) -> FakePool:
        return replace(self, asked=host)

    def peers(self) -> tuple[Peer, ...]:
        if self.asked in self.silent:
            raise RemoteError(f"{self.asked}: no answer")
        others = [each for each in VMS if each != self.asked]
        return tuple(Peer(each, each, self._state(each), connected=True) for each in others)

    def _state(self, other: str) -> str:
        """Those that are rejected share no volumes with anybody."""
        apart = bool({self.asked, other} & self.rejected)
        return self.states.get((self.asked, other), REJECTED if apart else WELL)

    def volumes(self) -> tuple[VolumeInfo, ...]:
        """By machine, what it says from time to time; the last for ever."""
        answers = self.known.get(self.asked, [()])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def volume(self, name: str) -> None:
        del name

    def _did(self, what: str) -> None:
        self.acts.append(what)
        if what == self.broken:
            raise RemoteError(what)

    def create(self, name: str, bricks: Sequence[str], *, replica: int, arbiter: int) -> None:
        del bricks, replica, arbiter
        self._did(f"create {name}")

    def set_options(self, volume: str, options: Mapping[str, str]) -> None:
        del options
        self._did(f"set {volume}")

    def start(self, volume: str) -> None:
        self._did(f"start {volume}")

    def holds_daemon(self, volume: str) -> bool:
        """No, once for each time that the machine is among the loose ones, and from a reset on where one loses it."""
        if self.asked in self.lost:
            return False
        if self.asked in self.loose:
            self.loose.remove(self.asked)
            return False
        self._did(f"{self.asked} holds {volume}")
        return True

    def heal_full(self, volume: str) -> None:
        self._did(f"full {volume}")

    def forget(self, vm: str) -> None:
        self._did(f"forget {vm}")
        if not self.stubborn:
            self.rejected.discard(vm)


def use(monkeypatch: pytest.MonkeyPatch, fake: FakePool) -> None:
    def pool_of(context: Context, hosts: Sequence[str], timeout: float) -> Gluster:
        del context, timeout
        return cast("Gluster", replace(fake, asked=hosts[0]))

    class FakeBricks(bricks.Bricks):
        def ask(self, vm: str, request: dict[str, Any], timeout: float = 0) -> dict[str, Any]:
            del timeout
            if "forget" in request:
                fake.forget(vm)
            elif "mark" in request:
                assert not request["rebuilding"]
                fake.acts.append(f"unmark {vm}:{request['mark']}")
            return {}

        def restart_glusterd(self, vm: str) -> None:
            fake.acts.append(f"restart {vm}")
            fake.lost.discard(vm)

        def reset(self, pool: Gluster, info: VolumeInfo, brick: str) -> float:
            fake.acts.append(f"reset {info.name} {brick}")
            fake.lost |= {brick.partition(":")[0]} if fake.loses else set()
            return 0.0

        def wait_whole(self, pool: Gluster, info: VolumeInfo, brick: str, since: float) -> None:
            fake.acts.append(f"whole {info.name} {brick}")

    monkeypatch.setattr(volumes, "pool_of", pool_of)
    monkeypatch.setattr(volumes, "Bricks", FakeBricks)


def peer(vm: str, state: str = REJECTED) -> Change:
    return Change(STAGE, "peer", vm, "update", state, WELL, vm)


def apply(context: Context, *changes: Change, asked: str = "brick-001") -> None:
    seen = {vm: Peer(vm, vm, REJECTED, connected=True) for vm in VMS if vm != asked}
    facts = VolumeFacts(frozenset(VMS), asked, seen)
    Volumes().apply(replace(context, site=lab_site()), facts, changes)


def test_one_that_most_reject_forgets_the_pool(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePool(rejected={"brick-003"})
    use(monkeypatch, fake)
    apply(context, peer("brick-003"))
    assert fake.acts == ["forget brick-003"]


@pytest.mark.parametrize("fake", [FakePool(rejected={"brick-001"}), FakePool({"brick-001"}, silent={"brick-003"})])
def test_the_word_of_one_machine_is_not_enough(
    context: Context, monkeypatch: pytest.MonkeyPatch, fake: FakePool
) -> None:
    """It may be the one that is wrong."""
    use(monkeypatch, fake)
    with pytest.raises(StageError, match="brick-001 rejects brick-002, and only 1 of 3 brick VMs say so"):
        apply(context, peer("brick-002"), peer("brick-003"))
    assert fake.acts == []


def test_the_next_is_left_alone_when_the_first_does_not_come_back(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakePool(rejected={"brick-002", "brick-003"}, stubborn=True)
    use(monkeypatch, fake)
    with pytest.raises(StageError, match="brick-002 has forgotten its pool, and did not come back"):
        apply(context, peer("brick-002"), peer("brick-003"))
    assert fake.acts == ["forget brick-002"]


def test_what_passes_by_itself_is_waited_for(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, state = FakePool(), "Sent and Received peer request"
    fake.states["brick-001", "brick-003"] = state
    use(monkeypatch, fake)
    began = context.clock.monotonic()
    apply(context, peer("brick-003", state))
    assert fake.acts == []
    assert context.clock.monotonic() - began >= volumes.FORMED


def test_the_machine_with_most_others_beside_it_is_believed(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakePool(rejected={"brick-001"}))
    pool = volumes.pool_of(context, VMS, 1.0)
    seen = volumes.views(pool, VMS)
    assert volumes.believed(seen, volumes.told(pool, VMS)) == ["brick-002", "brick-003", "brick-001"]
    assert volumes.rejecting("brick-001", seen) == ["brick-002", "brick-003"]


def test_a_pool_is_told_by_one_that_the_others_do_not_reject(
    context: Context, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, FakePool(rejected={"brick-001"}))
    brought_up(cloud)
    facts = Volumes().facts(replace(context, site=lab_site()), patient=False)
    assert facts.asked == "brick-002"
    assert {vm: each.state for vm, each in facts.peers.items()} == {"brick-001": REJECTED, "brick-003": WELL}


HOMES = VolumeInfo("homes", "u", "Created", 3, 0, (), {})


def brought_up(cloud: FakeCloud) -> None:
    cloud.server_table |= {vm: Server(vm, vm, "ACTIVE", metadata={discover.SITE: "lab"}) for vm in VMS}


def test_one_that_has_just_come_back_and_knows_no_volumes_is_not_believed(
    context: Context, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its bricks would have no place, and nobody would fill them."""
    use(monkeypatch, FakePool(known={vm: [(HOMES,)] for vm in VMS[1:]}))
    brought_up(cloud)
    facts = Volumes().facts(replace(context, site=lab_site()), patient=False)
    assert (facts.asked, list(facts.volumes)) == ("brick-002", ["homes"])


def test_a_deploy_waits_until_it_was_told(context: Context, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePool(known={"brick-001": [(), (), (HOMES,)], "brick-002": [(HOMES,)], "brick-003": [(HOMES,)]})
    use(monkeypatch, fake)
    brought_up(cloud)
    began = context.clock.monotonic()
    assert list(Volumes().facts(replace(context, site=lab_site()), patient=True).volumes) == ["homes"]
    assert fake.known["brick-001"] == [(HOMES,)]
    assert 0 < context.clock.monotonic() - began < volumes.FORMED


def test_it_does_not_wait_for_ever_nor_for_one_that_is_rejected(
    context: Context, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought_up(cloud)
    waits: list[float] = []
    for rejected in (set[str](), {"brick-001"}):
        fake = FakePool(rejected=rejected, known={vm: [(HOMES,)] for vm in VMS[1:]})
        use(monkeypatch, fake)
        pool, began = volumes.pool_of(context, VMS, 1.0), context.clock.monotonic()
        volumes.wait_until_told(context, pool, volumes.views(pool, VMS))
        waits.append(context.clock.monotonic() - began)
    assert waits[0] >= volumes.FORMED
    assert waits[1] == 0


UNMARKED = [f"unmark {vm}:/data/homes" for vm in VMS]


def test_a_new_volume_is_unmarked_before_anything_can_interrupt(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakePool(broken="set homes")
    use(monkeypatch, fake)
    with pytest.raises(StageError):
        apply(context, Change(STAGE, "volume", "homes", "create"))
    assert fake.acts == ["create homes", *UNMARKED, "set homes"]


def test_a_volume_that_was_never_started_has_nothing_to_bring_back(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakePool()
    use(monkeypatch, fake)
    apply(context, Change(STAGE, "volume", "homes", "start", "Created", "Started"))
    apply(context, Change(STAGE, "volume", "homes", "start", "Stopped", "Started"))
    assert fake.acts == [*UNMARKED, "start homes", "start homes"]


LOST = ("brick-003:/data/homes", "brick-003:/scratch/scratch")


def rebuild(context: Context) -> None:
    """Both bricks of a machine that came in a lost one's place."""
    layouts = {
        name: VolumeInfo(name, name, "Started", 3, 0, tuple(BrickInfo(vm, path) for vm in VMS), {})
        for name, path in (("homes", "/data/homes"), ("scratch", "/scratch/scratch"))
    }
    facts = VolumeFacts(frozenset(VMS), "brick-001", {}, layouts)
    changes = [Change(STAGE, "brick", each, "replace", vm="brick-003") for each in LOST]
    Volumes().apply(replace(context, site=lab_site()), facts, changes)


def test_a_volume_is_changed_only_while_glusterd_has_its_daemon_in_hand(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each restart and each reset; asked too early it waits 41 s with the pool's lock in its hand."""
    fake = FakePool(loose=["brick-003"] * 4)
    use(monkeypatch, fake)
    began = context.clock.monotonic()
    rebuild(context)
    ready = ["brick-003 holds homes", "brick-003 holds scratch"]
    resets = [f"reset homes {LOST[0]}", *ready, f"reset scratch {LOST[1]}", *ready]
    ends = ["full homes", "full scratch", f"whole homes {LOST[0]}", f"whole scratch {LOST[1]}"]
    assert fake.acts == ["restart brick-003", *ready, *resets, *ends]
    assert context.clock.monotonic() - began == pytest.approx(2.0)


def test_a_daemon_that_never_comes_is_not_waited_for_for_ever(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked of the volume then says so."""
    use(monkeypatch, fake := FakePool(loose=["brick-003"] * 1000, broken="full homes"))
    began = context.clock.monotonic()
    with pytest.raises(StageError, match="full homes"):
        rebuild(context)
    waits = 6  # of the first volume, after a restart and two resets, and each time again after another restart
    assert context.clock.monotonic() - began == pytest.approx(waits * bricks.DAEMON)
    assert fake.acts.count("restart brick-003") == 4


def test_a_glusterd_that_has_lost_its_daemon_is_started_anew(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes none in hand by itself however long one waits."""
    use(monkeypatch, fake := FakePool(loses=True))
    rebuild(context)
    ready = ["brick-003 holds homes", "brick-003 holds scratch"]
    again = ["restart brick-003", *ready]
    assert fake.acts[:9] == [*again, f"reset homes {LOST[0]}", *again, f"reset scratch {LOST[1]}", "restart brick-003"]


def test_a_reset_waits_until_the_others_see_the_machine(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees them before they see it, and the reset is refused: "Host brick-003 not connected"."""
    fake = FakePool()
    fake.states["brick-002", "brick-003"] = "Probe Sent to Peer"
    use(monkeypatch, fake)
    began = context.clock.monotonic()
    rebuild(context)
    assert context.clock.monotonic() - began >= volumes.FORMED
    fake.states.clear()
    began = context.clock.monotonic()
    rebuild(context)
    assert context.clock.monotonic() == began
