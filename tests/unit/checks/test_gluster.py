"""`check: gluster.*`: what is whole, what is broken, and what nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosjc.checks.gluster import connected, quorum, settled, writable
from chaosjc.checks.registry import ask
from chaosjc.checks.sources import Sources
from chaosjc.drivers import gluster_xml
from chaosjc.drivers.gluster import Gluster
from chaosjc.drivers.gluster_values import BrickClients, BrickEntries, BrickInfo, Peer, VolumeInfo
from chaosjc.drivers.ssh import Unreachable
from chaosjc.errors import CommandTimeout
from chaosjc.journal.events import CheckPlan, Reading
from chaosjc.site.topology import Brick, ReplicaSet
from tests.unit.drivers.gluster import Answer, Host, Pool, said
from tests.unit.fakes import FakeClock

BRICKS = tuple(f"brick-00{n}:/data/homes" for n in (1, 2, 3))
MOUNTING = {"worker-001": ("10.0.0.21",), "worker-002": ("10.0.0.22",)}
ADDRESSES = frozenset({"10.0.0.11", "10.0.0.21", "10.0.0.22"})


def layout(replica: int = 3, arbiter: int = 0, sets: int = 1, **options: str) -> VolumeInfo:
    bricks = tuple(
        BrickInfo(f"brick-{n:03}", "/data/homes", str(n), arbiter == 1 and n % replica == 0)
        for n in range(1, replica * sets + 1)
    )
    set_options = {name.replace("__", ".").replace("_", "-"): value for name, value in options.items()}
    return VolumeInfo("homes", "u", "Started", replica, arbiter, bricks, set_options)


def entries(*counts: int | None) -> tuple[BrickEntries, ...]:
    return tuple(BrickEntries(f"brick-00{n}", "/data/homes", count) for n, count in enumerate(counts, 1))


def clients(*each: frozenset[str] | None) -> tuple[BrickClients, ...]:
    return tuple(BrickClients(f"brick-00{n}", "/data/homes", c) for n, c in enumerate(each, 1) if c is not None)


# ------------------------------------------------------------------ settled


def test_whole_is_a_zero_on_every_brick_and_every_client_on_every_brick() -> None:
    assert settled(layout(), entries(0, 0, 0), clients(*[ADDRESSES] * 3), MOUNTING) == ("whole", ())


LESS = ADDRESSES - {"10.0.0.21"}
FOREIGN = ADDRESSES | {"10.0.0.99"}


@pytest.mark.parametrize(
    ("counts", "there", "outcome", "reason"),
    [
        ((0, 7, 0), [ADDRESSES] * 3, "broken", "brick-002:/data/homes counts 7 entries to heal"),
        ((0, 0, None), [ADDRESSES] * 3, "unknown", "brick-003:/data/homes does not tell what is to be healed"),
        ((0, 0), [ADDRESSES] * 3, "unknown", "brick-003:/data/homes does not tell what is to be healed"),
        ((), [ADDRESSES] * 3, "unknown", "brick-001:/data/homes does not tell what is to be healed"),
        ((0, 0, 0), [ADDRESSES, ADDRESSES, None], "unknown", "brick-003:/data/homes does not tell its clients"),
        ((0, 0, 0), [], "unknown", "brick-001:/data/homes does not tell its clients"),
        (
            (0, 0, 0),
            [ADDRESSES, LESS, LESS],
            "broken",
            "worker-001 is not connected to brick-002:/data/homes, brick-003",
        ),
        ((0, 0, 0), [LESS] * 3, "broken", "worker-001 is not connected to brick-001:/data/homes, brick-002"),
        ((0, 0, 0), [FOREIGN, FOREIGN, ADDRESSES], "broken", "10.0.0.99 is not connected to brick-003:/data/homes"),
        ((0, 7, None), [ADDRESSES, ADDRESSES, None], "broken", "brick-003:/data/homes does not tell its clients"),
    ],
)
def test_anything_less_is_not_and_says_why(
    counts: tuple[int | None, ...], there: list[frozenset[str] | None], outcome: str, reason: str
) -> None:
    found, reasons = settled(layout(), entries(*counts), clients(*there), MOUNTING)
    assert found == outcome
    assert any(each.startswith(reason) for each in reasons), reasons


def test_a_vm_that_ought_to_mount_it_and_is_not_there() -> None:
    found = settled(layout(), entries(0, 0, 0), clients(*[ADDRESSES] * 3), {**MOUNTING, "worker-003": ()})
    assert found == ("broken", ("worker-003, which should mount it, has no address",))


SEVERAL = {"worker-001": ("192.0.2.21", "10.0.0.21"), "worker-002": ("10.0.0.22", "192.0.2.22")}


@pytest.mark.parametrize(
    ("there", "reasons"),
    [
        ([ADDRESSES] * 3, ()),
        ([ADDRESSES, ADDRESSES, LESS | {"192.0.2.21"}], ()),
        ([ADDRESSES, ADDRESSES, LESS], ("worker-001 is not connected to brick-003:/data/homes",)),
    ],
)
def test_of_several_addresses_any_is_enough_on_each_brick(
    there: list[frozenset[str]], reasons: tuple[str, ...]
) -> None:
    found = settled(layout(), entries(0, 0, 0), clients(*there), SEVERAL)
    assert found == ("broken" if reasons else "whole", reasons)


def test_a_volume_that_does_not_run_is_broken() -> None:
    stopped = replace(layout(), status="Stopped")
    assert settled(stopped, (), (), {}) == ("broken", ("the volume is Stopped",))


def test_without_replicas_there_is_nothing_to_heal() -> None:
    assert settled(layout(replica=1, sets=2), (), clients(ADDRESSES, ADDRESSES), {}) == ("whole", ())


@pytest.mark.parametrize(
    ("heal", "who", "outcome"),
    [
        ("heal.xml", "clients.xml", "whole"),
        ("heal-pending.xml", "clients.xml", "broken"),
        ("heal-split-brain.xml", "clients.xml", "broken"),
        ("heal-dead.xml", "clients-dead.xml", "broken"),
        ("heal.xml", "clients-dead.xml", "unknown"),
    ],
)
def test_settled_of_what_glusterfs_printed(heal: str, who: str, outcome: str) -> None:
    (homes,) = [each for each in gluster_xml.volumes(gluster_xml.document(said("volumes.xml"))) if each.name == "homes"]
    counted = gluster_xml.entries(gluster_xml.document(said(heal)))
    there = gluster_xml.clients(gluster_xml.document(said(who)))
    assert settled(homes, counted, there, {"worker-001": ("10.68.0.234",)})[0] == outcome


# ------------------------------------------------------------------ quorum


@pytest.mark.parametrize(
    ("volume", "needed", "first_decides"),
    [
        (layout(1), 1, False),
        (layout(2), 1, False),
        (layout(3), 2, False),
        (layout(3, arbiter=1), 2, False),
        (layout(4), 2, True),
        (layout(2, cluster__quorum_type="auto"), 1, True),
        (layout(1, cluster__quorum_type="auto"), 1, False),
        (layout(3, cluster__quorum_type="none"), 1, False),
        (layout(3, cluster__quorum_type="fixed", cluster__quorum_count="3"), 3, False),
        (layout(3, cluster__quorum_type="fixed"), 1, False),
    ],
)
def test_quorum(volume: VolumeInfo, needed: int, first_decides: bool) -> None:
    assert (quorum(volume).needed, quorum(volume).first_decides) == (needed, first_decides)


def takes_writes(kind: str, count: int, bricks: list[bool], arbiters: list[bool]) -> bool:
    """GlusterFS's rule in its own words: of N bricks more than half, of an even N also half with the first; or so many
    as `fixed` says; or any; and one that keeps data among them."""
    up = sum(bricks)
    if not any(there and not arbiter for there, arbiter in zip(bricks, arbiters, strict=True)):
        return False
    match kind:
        case "auto":
            return 2 * up > len(bricks) or (2 * up == len(bricks) and bricks[0])
        case "fixed":
            return up >= count
        case _:
            return True


@st.composite
def volumes(draw: st.DrawFn) -> tuple[VolumeInfo, str, int]:
    replica, sets = draw(st.integers(1, 7)), draw(st.integers(1, 3))
    arbiter = draw(st.integers(0, 1)) if replica == 3 else 0
    kind, count = draw(st.sampled_from(["auto", "fixed", "none"])), draw(st.integers(1, replica))
    return layout(replica, arbiter, sets, cluster__quorum_type=kind, cluster__quorum_count=str(count)), kind, count


@given(volumes(), st.data())
def test_writable_agrees_with_the_rule_and_is_unknown_only_where_it_hangs_on_the_unknown(
    made: tuple[VolumeInfo, str, int], data: st.DataObject
) -> None:
    volume, kind, count = made
    states = data.draw(st.lists(st.sampled_from([True, False, None]), min_size=len(volume.bricks), max_size=21))
    online = {each.id: state for each, state in zip(volume.bricks, states, strict=False) if state is not None}
    for bricks, (outcome, _) in zip(volume.replica_sets, writable(volume, online), strict=True):
        arbiters = [brick.arbiter for brick in bricks]
        silent = [at for at, brick in enumerate(bricks) if brick.id not in online]
        possible = {
            takes_writes(kind, count, [online.get(brick.id, at in up) for at, brick in enumerate(bricks)], arbiters)
            for size in range(len(silent) + 1)
            for up in combinations(silent, size)
        }
        assert outcome == ("unknown" if len(possible) == 2 else "whole" if possible == {True} else "broken")


@given(volumes(), st.data())
def test_the_topology_has_the_same_rule(made: tuple[VolumeInfo, str, int], data: st.DataObject) -> None:
    volume, rule = made[0], quorum(made[0])
    for bricks in volume.replica_sets:
        there = {brick: Brick("homes", brick.host, brick.path, brick.arbiter) for brick in bricks}
        found = ReplicaSet("homes/0", tuple(there.values()), rule.needed, rule.first_decides)
        up = data.draw(st.sets(st.sampled_from(bricks)))
        assert found.writable([there[each].id for each in bricks if each not in up]) == rule.holds(bricks, up)


def test_an_arbiter_alone_takes_no_writes() -> None:
    volume = layout(arbiter=1, cluster__quorum_type="none")
    only = dict.fromkeys(BRICKS, False) | {BRICKS[2]: True}
    assert writable(volume, only)[0][0] == "broken"
    assert writable(volume, only | {BRICKS[0]: True})[0][0] == "whole"


def test_a_stopped_volume_is_not_writable() -> None:
    assert writable(replace(layout(), status="Stopped"), dict.fromkeys(BRICKS, True)) == (
        ("broken", "the volume is Stopped"),
    )


# ------------------------------------------------------------------ peers


def test_a_peer_is_connected_if_every_other_that_answers_says_so() -> None:
    def peer(n: int, up: bool = True) -> Peer:
        return Peer(str(n), f"brick-00{n}", "Peer in Cluster", up)

    seen = {"brick-001": [peer(2), peer(3, up=False)], "brick-002": [peer(1), peer(3)]}
    assert connected(seen) == {"brick-001": (), "brick-002": (), "brick-003": ("brick-001",)}


# ------------------------------------------------------------------ asking


def plan(kind: str, timeout: float = 5.0) -> CheckPlan:
    return CheckPlan(id="h1", name="h", kind=kind, expect="== 1", timeout=timeout, options={"volume": "homes"})


def sources(**hosts: Host) -> Sources:
    clock = FakeClock()
    named = {name.replace("_", "-"): host for name, host in hosts.items()}
    mounting = {"worker-001": ("10.68.0.234",)}
    return Sources(
        gluster=Gluster(tuple(named), Pool(clock, named), clock=clock), mounting=lambda _: mounting, clock=clock
    )


def own(name: str, state: str = "S", pending: str = "0") -> str:
    """As that machine would say it of its own brick of homes."""
    return f"{name} /data/homes 12 {state} {pending}"


def host(name: str, **more: Answer) -> Mapping[str, Answer]:
    answers: dict[str, Answer] = {
        "volume info": said("volumes.xml"),
        "volume heal homes info summary": said("heal.xml"),
        "volume status homes clients": said("clients.xml"),
        "peer status": said("peers.xml"),
        "own": own(name),
    }
    return answers | {key.replace("_", " "): answer for key, answer in more.items()}


GONE = Unreachable("brick-003", "no route", Path("config"))


def by_series(readings: tuple[Reading, ...]) -> dict[str, Any]:
    return {each.series: each.value for each in readings}


def three(**first: Answer) -> dict[str, Host]:
    """A pool that is well, but for what its first machine says."""
    return {f"brick_00{n}": host(f"brick-00{n}", **(first if n == 1 else {})) for n in (1, 2, 3)}


def test_healed() -> None:
    (reading,) = ask(plan("gluster.healed"), sources(**three()))
    assert (reading.value, reading.why, reading.time) == ("whole", "", 1_000_000.0)
    pending = three(volume_heal_homes_info_summary=said("heal-pending.xml"))
    (reading,) = ask(plan("gluster.healed"), sources(**pending))
    assert (reading.value, "7 entries" in reading.why) == ("broken", True)


def asked(there: Sources) -> set[str]:
    """What was asked of the gluster command."""
    assert there.gluster is not None
    pool = there.gluster._run
    assert isinstance(pool, Pool)
    return {" ".join(words) for (_, argv), words in zip(pool.asked, pool.words, strict=True) if argv[4] != "sh"}


@pytest.mark.parametrize(
    ("own_brick", "value", "why"),
    [
        (own("brick-001", pending="3"), "broken", "brick-001:/data/homes counts 3 entries to heal"),
        (own("brick-001", "T"), None, "brick-001:/data/homes is offline"),
        (own("brick-001", "-", "-"), None, "brick-001:/data/homes is offline"),
        (CommandTimeout("killed"), None, "brick-001: no end after"),
    ],
)
def test_what_bricks_know_themselves_is_not_asked_of_what_hangs_or_burdens_them(
    own_brick: Answer, value: str | None, why: str
) -> None:
    there = sources(**three(own=own_brick))
    (reading,) = ask(plan("gluster.healed"), there)
    assert (reading.value, why in reading.why) == (value, True), reading
    assert asked(there) == {"volume info"}


def test_healed_has_no_data_where_the_pool_does_not_tell() -> None:
    hangs = {
        name: host(name.replace("_", "-"), volume_status_homes_clients=CommandTimeout("killed")) for name in three()
    }
    (reading,) = ask(plan("gluster.healed"), sources(**hangs))
    assert reading.value is None
    assert "brick-001:/data/homes does not tell its clients" in reading.why
    assert "no answer: brick-001: no end after" in reading.why
    (reading,) = ask(plan("gluster.healed"), sources(brick_001=GONE))
    assert (reading.value, "no route" in reading.why) == (None, True)
    (reading,) = ask(plan("gluster.healed"), Sources())
    assert (reading.value, reading.why) == (None, "this run has no storage to ask")


def test_a_volume_that_is_not_there_is_no_data() -> None:
    other = plan("gluster.healed").model_copy(update={"options": {"volume": "nix"}})
    (reading,) = ask(other, sources(brick_001=host("brick-001")))
    assert (reading.value, reading.why) == (None, "there is no volume nix")


def test_bricks_online_are_told_by_their_own_machines() -> None:
    frozen = host("brick-002", own=own("brick-002", "T"))
    there = sources(brick_001=host("brick-001"), brick_002=frozen, brick_003=GONE)
    found = ask(plan("gluster.bricks_online"), there)
    assert by_series(found) == dict(zip(BRICKS, (1.0, 0.0, None), strict=True))
    assert "no route" in found[2].why


def test_writable() -> None:
    dead = {n: host(f"brick-00{n}", own=own(f"brick-00{n}", "-")) for n in (2, 3)}
    one = host("brick-001")
    (reading,) = ask(plan("gluster.writable"), sources(brick_001=one, brick_002=host("brick-002"), brick_003=dead[3]))
    assert (reading.series, reading.value) == ("homes/0", "whole")
    (reading,) = ask(plan("gluster.writable"), sources(brick_001=one, brick_002=dead[2], brick_003=dead[3]))
    assert (reading.value, reading.why) == (
        "broken",
        "down: brick-002:/data/homes, brick-003:/data/homes; 2 of 3 bricks are needed",
    )
    (reading,) = ask(plan("gluster.writable"), sources(brick_001=one, brick_002=dead[2], brick_003=GONE))
    assert reading.value is None
    assert "it hangs on bricks that may be down" in reading.why


def test_split_brain_is_counted_by_brick_and_only_where_something_is_pending() -> None:
    there = sources(**three(volume_heal_homes_info_summary=said("heal-split-brain.xml")))
    assert by_series(ask(plan("gluster.split_brain"), there)) == dict.fromkeys(BRICKS, 0.0)
    assert asked(there) == {"volume info"}
    pending = three(volume_heal_homes_info_summary=said("heal-split-brain.xml"), own=own("brick-001", pending="9"))
    assert by_series(ask(plan("gluster.split_brain"), sources(**pending))) == dict.fromkeys(BRICKS, 1.0)
    dead = three(volume_heal_homes_info_summary=said("heal-dead.xml"), own=own("brick-001", pending="7"))
    dead["brick_003"] = GONE
    found = ask(plan("gluster.split_brain"), sources(**dead))
    assert by_series(found) == dict(zip(BRICKS, (0.0, 0.0, None), strict=True))


def test_peers() -> None:
    lost = host("brick-001", peer_status=said("peers-disconnected.xml"))
    found = ask(plan("gluster.peers"), sources(brick_001=lost, brick_003=GONE))
    assert by_series(found) == {"brick-001": None, "brick-002": 1.0, "brick-003": 0.0}
    assert found[2].why == "not connected: brick-001"
    (reading,) = ask(plan("gluster.peers"), sources(brick_003=GONE))
    assert (reading.value, "no route" in reading.why) == (None, True)
