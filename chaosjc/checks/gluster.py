"""`check: gluster.*`: whether a volume is healed and takes writes, its bricks are online, its machines together.

A brick is called `brick-001:/data/homes`, a replica set `homes/0`. What nobody can tell is no data, never good news.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import Field, JsonValue

from chaosjc.checks.entry import CheckEntry, Names, text
from chaosjc.checks.sources import Deadline, Sources, need
from chaosjc.drivers.gluster import Gluster
from chaosjc.drivers.gluster_values import (
    BrickClients,
    BrickEntries,
    BrickInfo,
    BrickStatus,
    Peer,
    VolumeInfo,
)
from chaosjc.errors import ChaosJCError, RemoteError
from chaosjc.journal.events import CheckPlan, Outcome, Reading
from chaosjc.spec import expect
from chaosjc.spec.expect import Expectation
from chaosjc.spec.scalars import Duration

T = TypeVar("T")
U = TypeVar("U")

IN_TIME = 0.7  # the part of a check's timeout after which it says what it has


class VolumeCheck(CheckEntry, ABC):
    """A question about one volume."""

    volume: str = Field(min_length=1)
    """The volume's name."""

    def title(self, names: Names) -> str:
        """See CheckEntry."""
        return f"{self.kind} {self.volume}"

    def options(self, names: Names) -> dict[str, JsonValue]:
        """See CheckEntry."""
        return {"volume": self.volume}


class HealedCheck(VolumeCheck):
    """`whole` when nothing is to be healed on any brick and every client is connected to every brick, else `broken`."""

    check: Literal["gluster.healed"]
    expect: Expectation = expect.parse("== whole")
    every: Annotated[Duration, Field(ge=0.1)] = 2.0

    @property
    def kind(self) -> str:
        """See CheckEntry."""
        return self.check


class BricksOnlineCheck(VolumeCheck):
    """For each brick, 1 or 0: whether its process serves, as its own machine sees it."""

    check: Literal["gluster.bricks_online"]
    expect: Expectation = expect.parse("== 1")

    @property
    def kind(self) -> str:
        """See CheckEntry."""
        return self.check


class SplitBrainCheck(VolumeCheck):
    """For each brick, how many entries are in split-brain. While there is much to heal, counting slows the volume."""

    check: Literal["gluster.split_brain"]
    expect: Expectation = expect.parse("== 0")
    every: Annotated[Duration, Field(ge=0.1)] = 10.0
    timeout: Annotated[Duration, Field(ge=0.1)] = 10.0

    @property
    def kind(self) -> str:
        """See CheckEntry."""
        return self.check


class WritableCheck(VolumeCheck):
    """For each replica set, `whole` or `broken`: whether the bricks that are online make a quorum."""

    check: Literal["gluster.writable"]
    expect: Expectation = expect.parse("== whole")

    @property
    def kind(self) -> str:
        """See CheckEntry."""
        return self.check


class PeersCheck(CheckEntry):
    """For each machine of the pool, 1 or 0: whether every other one that answers is connected to it."""

    check: Literal["gluster.peers"]
    expect: Expectation = expect.parse("== 1")

    @property
    def kind(self) -> str:
        """See CheckEntry."""
        return self.check

    def title(self, names: Names) -> str:
        """See CheckEntry."""
        return self.check

    def options(self, names: Names) -> dict[str, JsonValue]:
        """See CheckEntry."""
        return {}


# ------------------------------------------------------------------ what is true, purely


def settled(
    layout: VolumeInfo,
    entries: Sequence[BrickEntries],
    clients: Sequence[BrickClients],
    mounting: Mapping[str, tuple[str, ...]],
) -> tuple[Outcome, tuple[str, ...]]:
    """Whether a volume has got over whatever befell it, and all reasons why not.

    whole    every brick of the layout counts 0 entries to heal, and every client that is connected to any brick, each
             VM that ought to mount the volume (`mounting`, name → addresses) among them, is connected to every brick;
             a VM is so by any of its addresses
    broken   something is known to be wrong
    unknown  nothing is, but not all bricks told
    """
    if layout.status != "Started":
        return "broken", (f"the volume is {layout.status}",)
    wrong, silent = _to_heal(layout, entries)
    unconnected, untold = _connections(layout, clients, mounting)
    outcome = "broken" if wrong or unconnected else "unknown" if silent or untold else "whole"
    return outcome, (*wrong, *unconnected, *silent, *untold)


def _to_heal(layout: VolumeInfo, entries: Sequence[BrickEntries]) -> tuple[list[str], list[str]]:
    if layout.replica < 2:
        return [], []
    counted = {each.id: each.entries for each in entries}
    counts = {brick.id: counted.get(brick.id) for brick in layout.bricks}
    wrong = [f"{brick} counts {count} entries to heal" for brick, count in counts.items() if count]
    return wrong, [f"{brick} does not tell what is to be healed" for brick, count in counts.items() if count is None]


def _connections(
    layout: VolumeInfo, clients: Sequence[BrickClients], mounting: Mapping[str, tuple[str, ...]]
) -> tuple[list[str], list[str]]:
    found = {each.id: each.clients for each in clients}
    connected = {brick.id: found[brick.id] for brick in layout.bricks if brick.id in found}
    expected = {address for addresses in mounting.values() for address in addresses}
    others = {address for each in connected.values() for address in each} - expected
    known = {name: addresses for name, addresses in mounting.items() if addresses}
    wrong = [f"{name}, which should mount it, has no address" for name in mounting if name not in known]
    for name, addresses in sorted([*known.items(), *((each, (each,)) for each in others)], key=lambda each: each[1]):
        missing = [brick for brick, there in connected.items() if not set(addresses) & set(there)]
        if missing:
            wrong.append(f"{name} is not connected to {', '.join(missing)}")
    untold = [f"{each.id} does not tell its clients" for each in layout.bricks if each.id not in connected]
    return wrong, untold


@dataclass(frozen=True)
class Quorum:
    """How many of a replica set must be up to write; of just so many the first must be one if it decides a tie."""

    needed: int
    first_decides: bool = False

    def holds(self, bricks: Sequence[BrickInfo], up: Iterable[BrickInfo]) -> bool:
        """Whether a set can be written with these; arbiters alone keep no data."""
        there = [brick for brick in bricks if brick in set(up)]
        if len(there) < self.needed or all(brick.arbiter for brick in there):
            return False
        return len(there) > self.needed or not self.first_decides or bricks[0] in there


def quorum(layout: VolumeInfo) -> Quorum:
    """By cluster.quorum-type and -count; unset, GlusterFS takes `auto` for three replicas and more, else `none`."""
    kind = layout.options.get("cluster.quorum-type", "auto" if layout.replica > 2 else "none")
    if kind == "fixed":
        return Quorum(max(int(layout.options.get("cluster.quorum-count", "1")), 1))
    if kind == "auto":
        half, odd = divmod(layout.replica, 2)
        return Quorum(half + 1) if odd else Quorum(max(half, 1), first_decides=True)
    return Quorum(1)


def writable(layout: VolumeInfo, online: Mapping[str, bool]) -> tuple[tuple[Outcome, str], ...]:
    """For each replica set: whole, broken, or unknown where it hangs on bricks of which nobody can tell; and why."""
    if layout.status != "Started":
        return tuple(("broken", f"the volume is {layout.status}") for _ in layout.replica_sets)
    return tuple(_writable(bricks, quorum(layout), online) for bricks in layout.replica_sets)


def _writable(bricks: Sequence[BrickInfo], rule: Quorum, online: Mapping[str, bool]) -> tuple[Outcome, str]:
    up = [brick for brick in bricks if online.get(brick.id)]
    maybe = [brick for brick in bricks if online.get(brick.id) is not False]
    if rule.holds(bricks, up):
        return "whole", ""
    absent = ", ".join(brick.id for brick in bricks if brick not in up)
    if rule.holds(bricks, maybe):
        return "unknown", f"it hangs on bricks that may be down: {absent}"
    return "broken", f"down: {absent}; {rule.needed} of {len(bricks)} bricks are needed"


def connected(seen: Mapping[str, Sequence[Peer]]) -> dict[str, tuple[str, ...]]:
    """By machine, which others are not connected to it; `seen` is what each that answers says of its peers."""
    names = {peer.uuid: peer.host for peers in seen.values() for peer in peers}
    return {
        name: tuple(
            sorted(host for host, peers in seen.items() if any(p.uuid == uuid and not p.connected for p in peers))
        )
        for uuid, name in names.items()
    }


# ------------------------------------------------------------------ asking


def ask_healed(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """One reading; without a value where nobody can tell."""
    limit, volume = _limit(plan, sources), text(plan, "volume")
    layout, mounting = _both(lambda: _layout(_pool(sources, limit), volume), lambda: sources.mounting(volume))
    found = health(_pool(sources, limit), layout, mounting)
    value = None if found.outcome == "unknown" else found.outcome
    return (Reading(time=sources.clock.time(), value=value, why="; ".join(found.reasons)),)


def ask_bricks_online(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """One reading a brick."""
    layout, found, why = _own(plan, sources, _limit(plan, sources))
    now = sources.clock.time()
    return tuple(
        Reading(series=brick.id, time=now, value=float(found[brick.id].online))
        if brick.id in found
        else Reading(series=brick.id, time=now, why=why or "no machine tells of it")
        for brick in layout.bricks
    )


def ask_split_brain(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """One reading a brick. A brick whose index is empty has none; only where one is not, `heal info` is asked."""
    limit = _limit(plan, sources)
    layout, found, why = _own(plan, sources, limit)
    counted = {id: 0 for id, each in found.items() if each.pending == 0}
    if any(each.pending for each in found.values()):
        told = _pool(sources, limit).split_brain(layout.name)
        counted |= {each.id: each.entries for each in told if each.entries is not None}
    now = sources.clock.time()
    return tuple(
        Reading(series=brick.id, time=now, value=float(counted[brick.id]))
        if brick.id in counted
        else Reading(series=brick.id, time=now, why=why or "the brick cannot be asked")
        for brick in layout.bricks
    )


def ask_writable(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """One reading a replica set."""
    layout, found, silent = _own(plan, sources, _limit(plan, sources))
    now = sources.clock.time()
    return tuple(
        Reading(
            series=f"{layout.name}/{number}",
            time=now,
            value=None if outcome == "unknown" else outcome,
            why=f"{why}: {silent}" if outcome == "unknown" and silent else why,
        )
        for number, (outcome, why) in enumerate(writable(layout, {id: each.online for id, each in found.items()}))
    )


def ask_peers(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """One reading a machine: others take a dead one for connected for a while, so all are asked."""
    pool = _pool(sources, _limit(plan, sources))
    seen, why = _by_host(pool, lambda host: pool.asking(host).peers())
    if not seen:
        raise RemoteError(why)
    now, lost = sources.clock.time(), connected(seen)
    readings = [
        Reading(series=name, time=now, value=0.0 if by else 1.0, why=f"not connected: {', '.join(by)}" if by else "")
        for name, by in lost.items()
    ]
    untold = [Reading(series=host, time=now, why="no other machine answers") for host in pool.hosts if host not in lost]
    return tuple(sorted([*readings, *untold], key=lambda each: each.series))


@dataclass(frozen=True)
class Health:
    """What `settled` says of a volume, and the addresses that are connected to any of its bricks."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()
    clients: frozenset[str] = frozenset()


def health(pool: Gluster, layout: VolumeInfo, mounting: Mapping[str, tuple[str, ...]]) -> Health:
    """`settled` by what the pool says now; where it does not answer, its error is the last reason. Raises nothing.

    The bricks' own machines are asked first. `heal info` walks under locks through all that is to be healed, and it and
    `status clients` hang, with glusterd's lock held, while a brick does: they are for when no brick knows of anything.
    """
    if layout.status != "Started":
        return Health(*settled(layout, (), (), mounting))
    found, why = own(pool, [layout])
    silent = [why] if why else []

    def told(question: Callable[[str], tuple[T, ...]]) -> tuple[T, ...]:
        try:
            return question(layout.name)
        except RemoteError as error:
            silent.append(error.message)
            return ()

    entries = tuple(
        BrickEntries(each.host, each.path, each.pending if each.online else None) for each in found.values()
    )
    clients: tuple[BrickClients, ...] = ()
    if len(found) == len(layout.bricks) and all(each.online and each.pending == 0 for each in found.values()):
        replicated = layout.replica > 1
        entries, clients = _both(lambda: told(pool.heal) if replicated else (), lambda: told(pool.clients))
    offline = [f"{each.id} is offline" for each in found.values() if not each.online]
    outcome, reasons = settled(layout, entries, clients, mounting)
    return Health(outcome, (*offline, *reasons, *silent), frozenset(a for each in clients for a in each.clients))


def own(pool: Gluster, layouts: Sequence[VolumeInfo]) -> tuple[dict[str, BrickStatus], str]:
    """By brick, what its own machine says of it; and why the silent ones are silent."""
    found, why = _by_host(pool, lambda host: pool.own_bricks(host, layouts))
    return {brick.id: brick for bricks in found.values() for brick in bricks}, why


def _limit(plan: CheckPlan, sources: Sources) -> Deadline:
    return Deadline(sources.clock, plan.timeout * IN_TIME)


def _pool(sources: Sources, limit: Deadline) -> Gluster:
    return need(sources.gluster, "storage").asking(timeout=limit.left())


def _own(plan: CheckPlan, sources: Sources, limit: Deadline) -> tuple[VolumeInfo, dict[str, BrickStatus], str]:
    layout = _layout(_pool(sources, limit), text(plan, "volume"))
    return layout, *own(_pool(sources, limit), [layout])


def _layout(pool: Gluster, volume: str) -> VolumeInfo:
    layout = pool.volume(volume)
    if layout is None:
        raise RemoteError(f"there is no volume {volume}")
    return layout


def _both(first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
    """At once."""
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.submit(first), threads.submit(second)
    return one.result(), other.result()


def _by_host(pool: Gluster, question: Callable[[str], T]) -> tuple[dict[str, T], str]:
    """All hosts at once: one that hangs costs the others nothing."""

    def one(host: str) -> tuple[T | None, str]:
        try:
            return question(host), ""
        except ChaosJCError as error:
            return None, error.message

    with ThreadPoolExecutor(max(len(pool.hosts), 1)) as threads:
        answers = dict(zip(pool.hosts, threads.map(one, pool.hosts), strict=True))
    return (
        {host: found for host, (found, _) in answers.items() if found is not None},
        "; ".join(why for _, why in answers.values() if why),
    )
