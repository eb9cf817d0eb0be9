"""Faults of the network between VMs: `net.partition` cuts the ways from the targets to others, `net.delay` slows them.

Both act on the target alone, in both directions for a cut; a delay holds what the target sends, so that a round trip
takes that much longer. Each target takes itself back at its deadline, whether anybody can still reach it or not.
"""

from __future__ import annotations

import zlib
from typing import Annotated, Any, Literal, cast

from pydantic import Field, JsonValue

from chaosjc.errors import FaultError
from chaosjc.faults import held
from chaosjc.faults.fault import Fault, FaultEntry, Way
from chaosjc.faults.held import HeldEntry
from chaosjc.faults.target import EVERYONE, Chosen, Wants
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import StepPlan, Target
from chaosjc.site.model import BASTION
from chaosjc.spec.scalars import Duration, format_duration

AFTER = 1.0  # seconds from the answer to the cut, where the answer goes the way that is cut
CUT = 15.0  # seconds in which such a cut is seen from here
LOGIN = 3.0  # seconds that a newcomer waits at most for a session
GRACE = 30.0  # seconds past its deadline that a target may take to answer again


class _NetEntry(HeldEntry):
    """An entry about ways from the targets to others."""

    peers: Annotated[str | tuple[str, ...], Field(alias="from", min_length=1)]
    """Roles or VMs by name, or `everyone`."""

    @property
    def wants(self) -> Wants:
        """See FaultEntry."""
        return Wants(peers=(self.peers,) if isinstance(self.peers, str) else self.peers)


class Partition(_NetEntry):
    """Drop all that goes from the targets to the others, and back."""

    fault: Literal["net.partition"] = "net.partition"


class Delay(_NetEntry):
    """Hold each packet that the targets send to the others; `everyone` are all VMs of the site here."""

    fault: Literal["net.delay"] = "net.delay"
    delay: Annotated[Duration, Field(gt=0, le=60)]
    jitter: Annotated[Duration, Field(ge=0, le=60)] = 0.0
    """Up to so much more or less, drawn for each packet; none overtakes another."""


def _peers(target: Target, chosen: Chosen) -> dict[str, JsonValue]:
    return {peer.name: peer.address for peer in chosen.peers if peer.id != target.id}


def _plan_partition(entry: FaultEntry, chosen: Chosen, prefix: str) -> tuple[StepPlan, ...]:
    fault = cast("Partition", entry)
    everyone = EVERYONE in fault.wants.peers
    steps: list[StepPlan] = []
    for target in chosen.targets:
        peers = _peers(target, chosen)
        whom = EVERYONE if everyone else ", ".join(peers)
        words = (f"{prefix}.{target.name}", f"cut {target.name} off from {whom}", "take the rules away")
        cuts = everyone or any(peer.role == BASTION for peer in chosen.peers if peer.id != target.id)
        options: dict[str, JsonValue] = {"peers": {} if everyone else peers, "everyone": everyone, "cuts": cuts}
        steps.append(held.step(fault, "net.partition", target, words, options))
    return tuple(steps)


def _plan_delay(entry: FaultEntry, chosen: Chosen, prefix: str) -> tuple[StepPlan, ...]:
    fault = cast("Delay", entry)
    steps: list[StepPlan] = []
    for target in chosen.targets:
        peers = _peers(target, chosen)
        what = f"hold what {target.name} sends to {', '.join(peers)} for {format_duration(fault.delay)}"
        words = (f"{prefix}.{target.name}", what, "let it go again")
        options: dict[str, JsonValue] = {"peers": peers, "delay": fault.delay, "jitter": fault.jitter, "cuts": False}
        steps.append(held.step(fault, "net.delay", target, words, options))
    return tuple(steps)


# ------------------------------------------------------------------ the three verbs


def _names(step: StepPlan, world: World) -> dict[str, Any]:
    """Names and numbers on the target that are this step's own."""
    key = zlib.crc32(held.unit(step, world).encode())
    return {
        "table": f"chaosjc_{key:08x}",
        "tun": f"cj{key:08x}",
        "pref": 10_000 + key % 20_000,
        "handle": f"{0x8000 | key % 0x7FFF:x}",
        "mark": key % 0x7FFF_FFFE + 1,
    }


def _release(step: StepPlan, world: World) -> list[list[str]]:
    names = _names(step, world)
    if step.fault == "net.partition":
        return [["nft", "delete", "table", "inet", names["table"]]]
    devices = f"for each in /sys/class/net/*; do tc qdisc del dev ${{each##*/}} root handle {names['handle']}:; done"
    return [["ip", "rule", "flush", "pref", str(names["pref"])], ["sh", "-c", devices]]


def _hold(step: StepPlan, world: World, request: dict[str, Any]) -> None:
    asked = {"names": _names(step, world), "peers": step.options["peers"], **request}
    held.hold(step, world, "net", asked, _release(step, world))


def _partition(step: StepPlan, world: World) -> None:
    cuts = bool(step.options["cuts"])
    request = {"what": "partition", "everyone": step.options["everyone"], "after": AFTER if cuts else 0}
    _hold(step, world, request)
    if cuts:
        _until_silent(step, world)


def _until_silent(step: StepPlan, world: World) -> None:
    """The target cannot say that it is cut off: that it no longer answers does."""
    end = world.clock.monotonic() + CUT
    while world.ssh.answers(step.target.name, LOGIN):
        if world.clock.monotonic() > end:
            raise FaultError(f"{step.target.name} still answers, {CUT:g} s after it should have been cut off")
        world.clock.sleep(0.2)


def _delay(step: StepPlan, world: World) -> None:
    _hold(step, world, {"what": "delay", "delay": step.options["delay"], "jitter": step.options["jitter"]})


def _end(step: StepPlan, world: World) -> None:
    if step.options["cuts"]:
        _until_answers(step, world)
    held.end(step, world, _release(step, world))


def _until_answers(step: StepPlan, world: World) -> None:
    """Nobody can take the rules away from here: the target does it itself."""
    end = world.clock.monotonic() + float(cast("float", step.options["deadline"])) + GRACE
    while not world.ssh.answers(step.target.name, LOGIN):
        if world.clock.monotonic() > end:
            raise FaultError(f"{step.target.name} does not answer, {GRACE:g} s past its deadline")
        world.clock.sleep(0.5)
    world.ssh.close(step.target.name)  # a connection from before may take long to notice that the way is open


def _verify(step: StepPlan, world: World) -> Answer:
    """Neither rules nor unit are left, and each peer answers the target."""
    return held.look(step, world, "net", {"names": _names(step, world), "peers": step.options["peers"]})


WAY = Way("ssh", cuts=True)
PARTITION = Fault(Partition, _plan_partition, _partition, _end, _verify, held.prepare, WAY)
DELAY = Fault(Delay, _plan_delay, _delay, _end, _verify, held.prepare, WAY)
