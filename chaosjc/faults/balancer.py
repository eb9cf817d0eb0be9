"""`lb.member`: the balancer hands no new users to a member, as before maintenance.

The member carries a mark of the step, a tag, for as long as it is disabled by it: only what bears that mark is enabled
again, so that what a person disabled stays so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

from pydantic import Field

from chaosjc.drivers.balancer import CHANGE
from chaosjc.drivers.balancer_values import Member as Found
from chaosjc.drivers.openstack import TIMEOUT
from chaosjc.errors import ChaosJCError, FaultError
from chaosjc.faults.fault import Fault, FaultEntry, Way
from chaosjc.faults.held import HostEntry
from chaosjc.faults.node import MARK, mark
from chaosjc.faults.target import Chosen, Wants
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import StepPlan
from chaosjc.spec.scalars import Duration

SEND = 30.0  # seconds in which an inject is sent, or never: changes of others come before it
STRIKE = SEND + TIMEOUT  # and in which Octavia's API takes it up, or never
ACT = SEND + CHANGE  # until it has taken effect


class Member(HostEntry):
    """Disable members of the balancer before the hub, named by their VMs."""

    fault: Literal["lb.member"] = "lb.member"
    heal_within: Duration = Field(120.0, ge=1)
    """How long the undo may take until the member is ONLINE."""

    @property
    def wants(self) -> Wants:
        """See FaultEntry."""
        return Wants(member=True)


def _plan(entry: FaultEntry, chosen: Chosen, prefix: str) -> tuple[StepPlan, ...]:
    fault = cast("Member", entry)
    return tuple(
        StepPlan(
            id=f"{prefix}.{target.name}",
            fault="lb.member",
            target=target,
            start=fault.start,
            duration=fault.duration,
            options={"balancer": member.balancer, "pool": member.pool, "member": member.id},
            inject=f"disable member {target.name} ({member.address}:{member.port}) of the balancer",
            undo="enable it, if this step has disabled it",
            inject_timeout=ACT,
            strikes_within=STRIKE,
            undo_timeout=fault.heal_within,
            gone_is_clean=True,  # a member of that name that comes later is enabled
        )
        for target, member in zip(chosen.targets, chosen.members, strict=True)
    )


# ------------------------------------------------------------------ the three verbs


def _member(step: StepPlan, world: World) -> Found | None:
    """The very member of the step; None once it is gone, whatever bears its name."""
    octavia = world.cloud.balancers
    if all(each.id != step.options["balancer"] for each in octavia.all()):
        return None
    pools = octavia.pools(str(step.options["balancer"]))
    if all(each.id != step.options["pool"] for each in pools):
        return None
    members = octavia.members(str(step.options["pool"]))
    return next((each for each in members if each.id == step.options["member"]), None)


def _tag(step: StepPlan, world: World) -> str:
    return f"{MARK}={mark(step, world)}"


def _disable(step: StepPlan, world: World) -> None:
    """Sent within SEND: an undo that comes meanwhile finds nothing to do, and looks until STRIKE is over."""
    end = world.clock.monotonic() + SEND
    found = _require(step, world)
    if not found.enabled:
        holder = next((each for each in found.tags if each.startswith(f"{MARK}=")), "somebody else")
        raise FaultError(f"member {step.target.name} is disabled already, by {holder.removeprefix(f'{MARK}=')}")
    disabled, tags = replace(found, enabled=False), found.tags | {_tag(step, world)}
    left = end - world.clock.monotonic()
    world.cloud.balancers.switch_member(*_places(step), disabled, tags, within=left)


def _places(step: StepPlan) -> tuple[str, str]:
    return str(step.options["balancer"]), str(step.options["pool"])


def _require(step: StepPlan, world: World) -> Found:
    found = _member(step, world)
    if found is None:
        raise FaultError(f"member {step.target.name} ({step.options['member']}) is gone")
    return found


def _enable(step: StepPlan, world: World) -> None:
    """As patient as any change: nobody but it puts the member back."""
    found = _member(step, world)
    if found is not None and _tag(step, world) in found.tags:
        enabled, tags = replace(found, enabled=True), found.tags - {_tag(step, world)}
        world.cloud.balancers.switch_member(*_places(step), enabled, tags)


def _verify(step: StepPlan, world: World) -> Answer:
    """Whole when users are handed to it again."""
    try:
        found = _member(step, world)
    except ChaosJCError as error:
        return Answer("unknown", error.message)
    if found is None:
        return Answer("gone", f"member {step.target.name} ({step.options['member']}) is gone")
    if _tag(step, world) in found.tags:
        return Answer("broken", f"member {step.target.name} is still disabled")
    if not found.enabled:
        return Answer("broken", f"member {step.target.name} is disabled by somebody else")
    if not found.answers:
        return Answer("broken", f"member {step.target.name} is {found.operating}")
    return Answer("whole")


def _prepare(step: StepPlan, world: World) -> None:
    """Octavia answers, and knows the member."""
    _require(step, world)


MEMBER = Fault(Member, _plan, _disable, _enable, _verify, _prepare, Way("cloud"))
