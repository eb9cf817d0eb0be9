"""The guards: one ordered list of pure functions. The first that refuses wins; one that fails refuses."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from chaosjc.engine import blast
from chaosjc.engine import undo_path as ways
from chaosjc.engine.blast import Radius
from chaosjc.engine.undo_path import NOT_ASKED, Access
from chaosjc.faults.target import Chosen
from chaosjc.journal.events import Planned, Refused, StepPlan, Target
from chaosjc.journal.live import Steady
from chaosjc.journal.store import View
from chaosjc.site.calendar import Calendar
from chaosjc.site.model import SiteFile
from chaosjc.site.sections import Kubernetes
from chaosjc.site.topology import EMPTY, Topology


@dataclass(frozen=True)
class Facts:
    """All that a guard may look at. `steady` is None before the baseline; `alive` are runs whose process lives.

    `topology` is that of the plan at first, at admission one of just before, the look at which began at `looked_at`;
    without a site it is empty. `now` is in seconds since 1970 UTC, and no number where nobody has looked at a clock.
    `access` is what opens the ways back, as it was when the plan was made.
    """

    run: str
    planned: Planned
    view: View
    chosen: Sequence[Chosen] = ()
    site: SiteFile | None = None
    topology: Topology = EMPTY
    looked_at: float = math.inf
    steady: Steady | None = None
    alive: Collection[str] = field(default_factory=frozenset[str])
    now: float = math.nan
    access: Access = NOT_ASKED

    def at_admission(self, steady: Steady, topology: Topology, looked_at: float) -> Facts:
        """The same once the baseline is over, with the site as it is then."""
        return replace(self, steady=steady, topology=topology, looked_at=looked_at)

    @property
    def until(self) -> float:
        """When the run is over at the latest: its deadline counts from its admission."""
        return self.now + (0.0 if self.steady else self.planned.baseline) + self.planned.deadline

    @property
    def reserved(self) -> list[StepPlan]:
        """What other runs break, or may: each step from its run's admission until it is seen whole again."""
        others = [other for other in self.view.runs if other.run != self.run and other.admitted_at is not None]
        return [each.plan for other in others for each in other.steps.values() if not each.settled]

    @cached_property
    def radii(self) -> tuple[Radius, ...]:
        """What this run and all others would leave of every replica set."""
        others = [other for other in self.view.runs if other.run != self.run]
        return blast.ledger(self.topology, self.planned.steps, others, looked_at=self.looked_at)


Guard = Callable[[Facts], Refused | None]


def halted(facts: Facts) -> Refused | None:
    """Somebody has pressed the kill switch."""
    halt = facts.view.halted
    return Refused(guard="halted", code="halted", reason=halt.refusal) if halt else None


def undo_debt(facts: Facts) -> Refused | None:
    """Something may still be broken from before."""
    for other in facts.view.runs:
        if other.run == facts.run or other.run in facts.alive or (other.closed and not other.debts):
            continue
        what = ", ".join(s.plan.inject for s in other.debts) or "it was never closed"
        return Refused(
            guard="undo debt", code="undo-debt", reason=f"run {other.run} left a debt ({what}); run `chaosjc recover`"
        )
    return None


def calendar(facts: Facts) -> Refused | None:
    """A run begins when the site's policy allows it, and not so late that it could last into what that forbids."""
    allowed = facts.site.policy.calendar if facts.site else None
    if allowed is None:
        return None
    begin, end = (datetime.datetime.fromtimestamp(each, datetime.UTC) for each in (facts.now, facts.until))
    found = allowed.obstacle(begin, end)
    if found is None:
        return None
    since, why = found
    late = f"it may last until {_told(end, allowed)}, and from {_told(since, allowed)} on " if since > begin else ""
    again = allowed.next_opening(begin, end - begin)
    opens = f"it could begin again at {_told(again, allowed)}" if again else "no time for it comes within five years"
    reason = f"{late}the site's calendar says {why}; {opens}"
    return Refused(guard="calendar", code="calendar", reason=reason)


def targets(facts: Facts) -> Refused | None:
    """Nothing is a target unless the site's policy says so, and what it protects never is."""
    for chosen in facts.chosen:
        if len(chosen.targets) >= chosen.wanted:
            continue
        if chosen.refused:
            first = chosen.refused[0]
            return Refused(guard="targets", code=first.code, reason=f"{first.name} may not be broken: {first.why}")
        reason = f"{len(chosen.targets)} eligible targets are there, {chosen.wanted} were asked for"
        return Refused(guard="targets", code="too-few-targets", reason=reason)
    return None


def undo_path(facts: Facts) -> Refused | None:
    """Every way back stays open, for as long as somebody may have to go it, to whoever goes it."""
    if why := ways.cut(facts.planned.steps, facts.reserved, facts.site, facts.topology):
        return Refused(guard="undo path", code="undo-path", reason=why)
    if facts.access.lacking:
        return Refused(guard="undo path", code="undo-forbidden", reason=facts.access.lacking[0])
    until = facts.until + facts.planned.recovery.within
    if short := ways.expiring(facts.access, until):
        ends, needed = (datetime.datetime.fromtimestamp(each, datetime.UTC) for each in (short.until, until))
        what = f"{short.name} ends at {ends:%Y-%m-%d %H:%M UTC}, and may be needed until {needed:%Y-%m-%d %H:%M UTC}"
        reason = f"{what}: {short.renewed_by}" if short.renewed_by else what
        return Refused(guard="undo path", code="credentials-end", reason=reason)
    return None


def lost_data(facts: Facts) -> Refused | None:
    """A VM whose data has no copy elsewhere is not deleted, and none that nobody would make again."""
    for step in facts.planned.steps:
        if step.fault == "vm.delete" and facts.site and facts.site.adopted:
            reason = f"{step.target.name} would not come back: others deployed it, and chaosjc does not know how"
            return Refused(guard="lost data", code="not-deployed-here", reason=reason)
        role = facts.site.roles.get(step.target.role) if facts.site else None
        if step.fault != "vm.delete" or role is None or role.disposable:
            continue
        if why := _irreplaceable(step.target, facts):
            return Refused(guard="lost data", code="lost-data", reason=f"{step.target.name} {why}")
    return None


def blast_radius(facts: Facts) -> Refused | None:
    """No replica set loses its quorum, whoever took the other bricks down, unless its volume is sacrificial."""
    if facts.topology.volumes is None:
        return _unknown_layout(facts)
    for radius in facts.radii:
        if radius.touched and not radius.writable and not radius.volume.sacrificial:
            return Refused(guard="blast radius", code="blast-radius", reason=f"{radius.set.name} {radius.told}")
    return None


def users(facts: Facts) -> Refused | None:
    """No more people lose their servers, or the way to them, than the site's policy allows; no canary is one."""
    if facts.site is None or facts.site.kubernetes is None:
        return None
    if facts.topology.cluster is None:
        return _unknown_cluster(facts, facts.site.kubernetes, by_role=facts.site.managed)
    mine, theirs = (blast.people(steps, facts.topology) for steps in (facts.planned.steps, facts.reserved))
    hit, most = sorted(mine | theirs), facts.site.policy.users
    if not mine or len(hit) <= most:
        return None
    named = ", ".join(hit[:3]) + (" and others" if len(hit) > 3 else "")
    what = "it and other runs break" if theirs - mine else "it breaks"
    reason = f"the servers of {len(hit)} people are behind what {what} ({named}); the site's policy allows {most}"
    return Refused(guard="users", code="users", reason=reason)


def last_member(facts: Facts) -> Refused | None:
    """The balancer keeps a member to which it can hand users, unless it is sacrificial."""
    lbaas = facts.site.lbaas if facts.site else None
    if lbaas is None or lbaas.sacrificial:
        return None
    if facts.topology.front is None:
        return _unknown_front(facts)
    hit = blast.members(facts.planned.steps, facts.topology)
    others = [other for other in facts.view.runs if other.run != facts.run]
    if not hit or blast.front_left(facts.topology, facts.planned.steps, others):
        return None
    named = ", ".join(sorted(hit))
    reason = f"the balancer would have no member left that answers: {named} (this run), no other is ONLINE"
    return Refused(guard="last member", code="last-member", reason=reason)


def related_run(facts: Facts) -> Refused | None:
    """One target, one run at a time."""
    mine = {step.target.id for step in facts.planned.steps}
    for other in facts.view.runs:
        if other.run == facts.run or other.run not in facts.alive:
            continue
        theirs = {step.target.id for step in other.planned.steps}
        if mine & theirs and (mine != {"local"} or other.planned.experiment == facts.planned.experiment):
            reason = f"run {other.run} ({other.planned.experiment}) is under way on the same target"
            return Refused(guard="related run", code="busy", reason=reason)
    return None


def backlog(facts: Facts) -> Refused | None:
    """A volume that has not recovered from the last fault is not broken again; a sacrificial one keeps its data too."""
    hit = {brick.volume for brick in blast.taken(facts.planned.steps, facts.topology)}
    for volume in facts.topology.volumes or ():
        if volume.name in hit and volume.backlog:
            reason = f"volume {volume.name} has not recovered yet: {'; '.join(volume.backlog)}"
            return Refused(guard="backlog", code="backlog", reason=reason)
    return None


def steady_state(facts: Facts) -> Refused | None:
    """What is not well, or not seen to be, is not broken further."""
    if facts.steady is None or facts.steady.held:
        return None
    return Refused(guard="steady state", code=facts.steady.code, reason=facts.steady.reason)


GUARDS: tuple[Guard, ...] = (
    halted, undo_debt, calendar, targets, undo_path, lost_data, blast_radius, users, last_member, related_run, backlog,
    steady_state,
)  # fmt: skip


def first_refusal(facts: Facts, guards: Sequence[Guard] = GUARDS) -> Refused | None:
    """The first guard that says no."""
    for guard in guards:
        refused = _ask(guard, facts)
        if refused is not None:
            return refused
    return None


def answers(facts: Facts, guards: Sequence[Guard] = GUARDS) -> list[tuple[str, Refused | None]]:
    """Every guard's name and answer, for a dry run."""
    return [(guard.__name__.replace("_", " "), _ask(guard, facts)) for guard in guards]


def _ask(guard: Guard, facts: Facts) -> Refused | None:
    try:
        return guard(facts)
    except Exception as error:  # noqa: BLE001 - a guard that cannot answer has not agreed
        name = guard.__name__.replace("_", " ")
        return Refused(
            guard=name, code="guard-error", reason=f"the guard {name} failed: {type(error).__name__}: {error}"
        )


def _told(at: datetime.datetime, of: Calendar) -> str:
    """By the clock of the place."""
    return f"{at.astimezone(of.zone):%a %Y-%m-%d %H:%M %Z}"


def _irreplaceable(target: Target, facts: Facts) -> str:
    """Why what the VM holds would be lost with it; empty where all of it has a whole copy that stays up.

    A control plane is made again of the authorities that we keep and of etcd's snapshots on the monitor VM. Bricks that
    it carries count all the same.
    """
    cluster = facts.site.kubernetes if facts.site else None
    restored = cluster is not None and target.role == cluster.control_plane and cluster.backup > 0
    carried = [radius for radius in facts.radii if any(brick.vm == target.name for brick in radius.set.bricks)]
    if not carried:
        return "" if restored else f"holds what nothing else does: role {target.role} is not disposable"
    for radius in carried:
        if not any(not brick.arbiter for brick in radius.left):
            return f"holds what no brick of {radius.set.name} does that stays online"
        if radius.volume.backlog:
            return f"may hold what no other brick of {radius.set.name} does yet: {'; '.join(radius.volume.backlog)}"
    return ""


def _unknown_layout(facts: Facts) -> Refused | None:
    """Nobody knows which VM carries what: then none is broken that may carry a brick."""
    for step in facts.planned.steps:
        ends = {vm.name: vm.role for vm in facts.topology.vms if blast.at_the_other_end(step, vm.name)}
        itself = {step.target.name: step.target.role} if step.target.kind == "vm" else {}
        for name, role in (itself | ends).items():
            if role and _may_carry_bricks(role, facts.site):
                reason = f"the layout of the site's volumes is not known, and {name} may carry bricks of them"
                return Refused(guard="blast radius", code="blast-radius-unknown", reason=reason)
    return None


def _may_carry_bricks(role: str, site: SiteFile | None) -> bool:
    """By its role, which tells it only where chaosjc has deployed the site."""
    return site is None or site.storage is None or not site.managed or role == site.storage.role


def _unknown_front(facts: Facts) -> Refused | None:
    """Nobody knows which member answers: then none is broken."""
    cluster = facts.site.kubernetes if facts.site else None
    for step in facts.planned.steps:
        if cluster and step.target.role in cluster.workers:
            reason = f"the site's balancer does not answer, and {step.target.name} may be its last member"
            return Refused(guard="last member", code="last-member-unknown", reason=reason)
    return None


def _unknown_cluster(facts: Facts, cluster: Kubernetes, *, by_role: bool) -> Refused | None:
    """Nobody knows who has a server where: then no node is broken, and no pod; nor any VM, if roles tell no node."""
    nodes = {cluster.control_plane, *cluster.workers}
    for step in facts.planned.steps:
        node = step.target.role in nodes or (step.target.kind == "vm" and not by_role)
        if node or step.target.kind not in ("vm", "command"):
            reason = f"the site's cluster does not answer, and people may have their servers on {step.target.name}"
            return Refused(guard="users", code="users-unknown", reason=reason)
    return None
