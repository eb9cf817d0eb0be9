"""The ways back: what each undo goes through, who else breaks that, and whether what opens them lasts. Pure.

A way is cut where a step breaks a VM that another's undo, or its own, passes through, and no timer on that VM ends it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from chaosjc.faults.fault import Way
from chaosjc.faults.registry import FAULTS
from chaosjc.journal.events import StepPlan
from chaosjc.site.credentials import Credential
from chaosjc.site.model import BASTION, MONITOR, SiteFile
from chaosjc.site.topology import Topology

TIMER = "deadline"
"""The option of a step whose target ends the fault by itself (`faults.held`)."""

WAYS = {name: fault.way for name, fault in FAULTS.items()}


@dataclass(frozen=True)
class Access:
    """What was asked about the ways back of a plan: what opens them, and what the cluster's user may not do."""

    credentials: tuple[Credential, ...] = ()
    lacking: tuple[str, ...] = ()


NOT_ASKED = Access()


@dataclass(frozen=True)
class Ways:
    """What an undo passes through, and the VM at which it ends, if it does."""

    through: frozenset[str] = frozenset()
    end: str = ""


NONE = Ways()


@dataclass(frozen=True)
class Places:
    """The VMs by whose help others are reached or made whole: of many steps, each is looked up once."""

    site: SiteFile
    topology: Topology

    @cached_property
    def bastions(self) -> frozenset[str]:
        """By role, which a server that an adopted site's file calls its bastion must have too."""
        return self._of_role(BASTION)

    @cached_property
    def monitors(self) -> frozenset[str]:
        """Those with etcd's snapshots, which make a control plane whole."""
        return self._of_role(MONITOR)

    @cached_property
    def control_plane(self) -> frozenset[str]:
        """The VM of the API server, where there is one alone."""
        found = self._of_role(self.site.kubernetes.control_plane) if self.site.kubernetes else frozenset[str]()
        return found if len(found) == 1 else frozenset()

    def _of_role(self, role: str) -> frozenset[str]:
        return frozenset(vm.name for vm in self.topology.of_role(role))

    def ways_of(self, step: StepPlan) -> Ways:
        """Those of a step's undo. A VM that it makes anew, or wakes by the cloud's API, is not in its own way."""
        way = _way(step)
        if way is None or way.channel == "cloud" or not (host := _host(step)):
            return NONE
        if way.channel == "deploy":
            return Ways((self.bastions | self._needed_to_deploy(step.target.role)) - {step.target.name})
        if way.channel == "cluster":
            return Ways(self.bastions | self.control_plane)
        return Ways(self.bastions, host)

    def _needed_to_deploy(self, role: str) -> frozenset[str]:
        cluster = self.site.kubernetes
        if cluster and role in cluster.workers:
            return self.control_plane
        return self.monitors if cluster and role == cluster.control_plane else frozenset()


@dataclass
class Cutters:
    """By VM, one step that nothing passes through, as far as anybody knows, until somebody undoes it.

    `wholly` are those that leave no way to the VM itself either: a command breaks a thing on it.
    """

    through: dict[str, StepPlan] = field(default_factory=dict[str, StepPlan])
    wholly: dict[str, StepPlan] = field(default_factory=dict[str, StepPlan])

    def add(self, steps: Iterable[StepPlan]) -> Cutters:
        """With these too."""
        for step in steps:
            way = _way(step)
            if way and way.cuts and TIMER not in step.options and (vm := _host(step)):
                self.through.setdefault(vm, step)
                if way.channel != "host":
                    self.wholly.setdefault(vm, step)
        return self

    def of(self, ways: Ways) -> tuple[str, StepPlan] | None:
        """The VM at which a way is cut, and by whom."""
        for vm in sorted(ways.through & self.through.keys()):
            return vm, self.through[vm]
        return (ways.end, self.wholly[ways.end]) if ways.end in self.wholly else None


def cut(mine: Iterable[StepPlan], theirs: Iterable[StepPlan], site: SiteFile | None, topology: Topology) -> str:
    """Why some undo would find its way cut; empty where none would. `theirs` are steps of others, not yet settled."""
    if site is None:
        return ""
    places, own, others = Places(site, topology), tuple(mine), tuple(theirs)
    for steps, cutters in (
        (own, Cutters().add(own).add(others)),
        (others, Cutters().add(own) if others else Cutters()),
    ):
        for step in steps if cutters.through else ():
            if found := cutters.of(places.ways_of(step)):
                vm, other = found
                what = f"{other.inject or other.fault} has no timer there that ends it"
                return f"the undo of {step.id} ({step.undo or step.fault}) leads through {vm}, and {what}"
    return ""


def _way(step: StepPlan) -> Way | None:
    return WAYS.get(step.fault)


def _host(step: StepPlan) -> str:
    """The VM at which it acts; empty for this machine."""
    way, host = _way(step), str(step.options.get("host") or "")
    return host if way and way.channel == "host" else host or step.target.name


def expiring(access: Access, until: float) -> Credential | None:
    """The first credential that would not last until then; any, where `until` is no number."""
    short = [each for each in access.credentials if not each.until >= until]
    return min(short, key=lambda each: each.until, default=None)
