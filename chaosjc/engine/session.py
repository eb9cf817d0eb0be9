"""Everything that runs of one site share while this process lives: journal, topology, and the clients of checks."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import secrets
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from pydantic import JsonValue

import chaosjc
from chaosjc.checks import registry as checks
from chaosjc.checks.sources import Sources, bounded
from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers import command
from chaosjc.drivers.gluster import Gluster
from chaosjc.drivers.http import Http
from chaosjc.drivers.openstack_files import CloudFiles
from chaosjc.drivers.prometheus import Prometheus, without_login
from chaosjc.engine import access
from chaosjc.engine.experiment import Experiment, Loaded
from chaosjc.engine.guards import Facts
from chaosjc.engine.parts import Parts
from chaosjc.engine.plan import Circumstances, Plan, needs, plan
from chaosjc.engine.reach import recorded
from chaosjc.engine.recover import alive
from chaosjc.engine.run import Run
from chaosjc.engine.undo import Undoer
from chaosjc.engine.undo_path import NOT_ASKED, Access
from chaosjc.engine.watchdog import Watchdog
from chaosjc.errors import ChaosJCError, UsageError
from chaosjc.faults.fault import FaultEntry
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.target import TargetChoice
from chaosjc.faults.world import World
from chaosjc.journal.events import Context, Entry, StepPlan
from chaosjc.journal.store import Store, View
from chaosjc.site import discover, endpoints
from chaosjc.site.cluster import NOT_LOOKED_AT
from chaosjc.site.facts import facts
from chaosjc.site.model import SiteFile
from chaosjc.site.topology import EMPTY, NO_FRONT, Topology, Vm

Part = Literal["storage", "cluster", "front"]
LOOK = 60.0  # seconds that a look at the whole site may take
GIT = 2.0  # seconds that a question to git may take


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for, beyond the files.

    `halts` is a journal whose halt binds this site too; `workspace` stands for `state`, where that is not written to.
    """

    journal: Path
    site: SiteFile | None = None
    site_path: str = ""
    state: str = ""
    prometheus: str = ""
    halts: Path | None = None
    workspace: str = ""


class Session:
    """Plans and runs experiments against one site, or against none."""

    def __init__(
        self,
        wishes: Wishes,
        store: Store,
        topology: Callable[[frozenset[Part]], Topology | None],
        sources: Sources,
        clock: Clock,
        access: Callable[[Sequence[StepPlan]], Access] = lambda _: NOT_ASKED,
    ) -> None:
        self._wishes = wishes
        self._topology = topology
        self._access = access
        self._sources = sources
        self._clock = clock
        self.store = store

    def plan(self, loaded: Loaded, seed: int) -> Plan:
        """By the site as it is now: an earlier run may have changed it. UsageError where it is needed and missing."""
        wishes = self._wishes
        if wishes.site is None and needs(loaded.experiment) & {"site", "ssh", "cloud", "kubernetes"}:
            raise UsageError(f"{loaded.path} needs a site", hint="name it with --site FILE")
        if wishes.site is None and not wishes.prometheus and "prometheus" in needs(loaded.experiment):
            raise UsageError(f"{loaded.path} asks Prometheus", hint="name it with --prometheus URL, or a site")
        name = wishes.site.name if wishes.site else ""
        parts = touches(wishes.site, loaded.experiment) if wishes.site else frozenset[Part]()
        context = self.context.model_copy(update={"commit": _commit(loaded.path)})
        made = plan(loaded, Circumstances(seed, context, name, self._topology(parts)))
        return replace(self._told(made), access=self._access(made.planned.steps))

    def _told(self, made: Plan) -> Plan:
        """With what a report tells of the site: whom and what the plan reaches, and whether all is as its file says."""
        site, about = self._wishes.site, Facts("", made.planned, View(None, ()), topology=made.topology)
        found = {"reached": recorded(about), "facts": facts(site, made.topology)} if site else {}
        return replace(made, planned=made.planned.model_copy(update=found))

    @property
    def context(self) -> Context:
        """For the journal: how to reach the site again, and by what the run was made."""
        wishes = self._wishes
        return Context(
            state=os.path.abspath(os.path.expanduser(wishes.state)) if wishes.state else "",
            directory=os.getcwd(),
            site=_data(wishes.site),
            site_path=wishes.site_path,
            environment=_cloud_files(wishes.site),
            prometheus=without_login(wishes.prometheus) if wishes.prometheus else "",
            version=chaosjc.__version__,
            python=platform.python_version(),
            kernel=f"{platform.system()} {platform.release()}",
        )

    def facts(self, plan: Plan, run: str, view: View) -> Facts:
        """What the guards of a run look at, with the topology that it was planned of."""
        site, living = self._wishes.site, alive(self.store, besides=run)
        about = (plan.planned, view, plan.chosen, site, plan.topology)
        return Facts(run, *about, alive=living, now=self._clock.time(), access=plan.access)

    def look(self, planned: Plan) -> Topology:
        """What a plan looked at, as it is now; empty without a site. Raises ChaosJCError where nobody can say."""
        return bounded(lambda: self._topology(_looked_at(planned.topology)), LOOK) or EMPTY

    def dry_run(self, planned: Plan) -> Facts:
        """What the guards would look at now; touches nothing. UsageError where the plan has what no journal may."""
        self.store.refuse_secrets(planned.planned)
        return self.facts(planned, "", View(self.store.halted(), tuple(self.store.open_runs())))

    def run(self, planned: Plan, observe: Callable[[Entry], None]) -> Run:
        """A run that is ready to `execute`."""
        run_id = new_run_id(self._clock)
        context = planned.planned.context
        undoer = Undoer(self.store, run_id, FAULTS, World(context, run_id, self._clock), self._clock)
        parts = Parts(
            undoer=undoer,
            ask=lambda check: checks.ask(check, self._sources),
            backfill=lambda check, start, end: checks.backfill(check, self._sources, start, end),
            lag=lambda: checks.lag(planned.planned.hypotheses, self._sources),
            watchdog=lambda: Watchdog(self.store.path, run_id),
            facts=lambda view: self.facts(planned, run_id, view),
            look=lambda: self.look(planned),
            observe=observe,
        )
        return Run(planned.planned, parts)


@contextlib.contextmanager
def open_session(
    wishes: Wishes, experiments: Sequence[Loaded], tell: Callable[[str], None], clock: Clock | None = None
) -> Generator[Session]:
    """Connect what the experiments need and nothing else; all of it is closed with the block."""
    clock = clock or SystemClock()
    site = wishes.site
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(Store(wishes.journal, clock, halts=wishes.halts))
        world = World(Context(state=wishes.workspace or wishes.state, site=_data(site)), clock=clock)
        url = wishes.prometheus
        if site and not url and any("prometheus" in needs(each.experiment) for each in experiments):
            url = _forward(stack, world, tell)
        if site and site.kubernetes and any("kubernetes" in needs(each.experiment) for each in experiments):
            _connect(world, tell)
        sources = Sources(
            prometheus=stack.enter_context(contextlib.closing(Prometheus.connect(url))) if url else None,
            http=stack.enter_context(contextlib.closing(Http.connect())),
            ssh=world.ssh if site else None,
            cloud=world.cloud if site else None,
            gluster=discover.pool(site, world.ssh, _found(site, world)) if site else None,
            kubernetes=(lambda: world.kubernetes) if site and site.kubernetes else None,
            mounting=_mounting(site, world) if site else lambda _: {},
            marks={discover.SITE: site.name} if site and site.managed else {},
            bastion=site.bastion if site else "",
            exporter=site is not None and site.managed,
            balancer=discover.mark(site) if site and site.lbaas else "",
            listen=site.lbaas.listen if site and site.lbaas else 0,
            clock=clock,
        )
        look = functools.partial(_topology, world, sources.gluster)
        yield Session(wishes, store, look, sources, clock, functools.partial(access.look, world))


def touches(site: SiteFile, experiment: Experiment) -> frozenset[Part]:
    """The parts that it may break, or a VM that they need: their state is asked for, that of others is not.

    `storage` with VMs that carry bricks or mount volumes, `cluster` with its nodes and all that runs on them, `front`
    with VMs to which the balancer hands users. Of an adopted site, all that its file has: which VM carries a brick, or
    is a node, no role of it tells.
    """
    found: set[Part] = set()
    faults = [entry for entry in experiment.faults if entry.choice]
    if site.adopted:
        has: dict[Part, bool] = {"storage": site.storage is not None, "cluster": site.kubernetes is not None}
        return frozenset(part for part, there in has.items() if there and faults)
    if site.storage and any(_touches(site, (site.storage.role, *site.storage.clients), each) for each in faults):
        found.add("storage")
    cluster = site.kubernetes
    if cluster and any(
        _inside(each) or _touches(site, (cluster.control_plane, *cluster.workers), each) for each in faults
    ):
        found.add("cluster")
    if site.lbaas and cluster and any(_touches(site, cluster.workers, each) for each in faults):
        found.add("front")
    return frozenset(found)


def _inside(entry: FaultEntry) -> bool:
    """Whether it breaks what runs on VMs, and no VM."""
    return not isinstance(entry.choice, TargetChoice)


def _touches(site: SiteFile, roles: Sequence[str], entry: FaultEntry) -> bool:
    """Whether a fault may break a VM of these roles."""
    about = {*roles, *(each.name for each in site.machines if each.role in roles)}
    others = {*site.role_names, *(each.name for each in site.machines)} - about
    meant = _meant(entry)
    return not _inside(entry) and bool(not meant or meant - others)


def _meant(entry: FaultEntry) -> frozenset[str]:
    """Roles and names of VMs that a fault names; none where it says it otherwise, by a replica set or a volume."""
    choice = entry.choice
    if not isinstance(choice, TargetChoice) or choice.replica_set or entry.wants.volume:
        return frozenset()
    return frozenset((*choice.names, *([choice.role] if choice.role else []), *entry.wants.peers))


def _looked_at(topology: Topology) -> frozenset[Part]:
    found: dict[Part, bool] = {
        "storage": topology.volumes != (),
        "cluster": topology.cluster != NOT_LOOKED_AT,
        "front": topology.front != NO_FRONT,
    }
    return frozenset(part for part, looked_at in found.items() if looked_at)


def _topology(world: World, servers: Gluster | None, parts: frozenset[Part]) -> Topology | None:
    if not world.has_site:
        return None
    found = discover.topology(world.site, world.cloud)
    if servers and "storage" in parts:
        found = discover.with_volumes(found, world.site, servers)
    if "front" in parts:
        found = discover.with_front(found, world.site, world.cloud)
    return discover.with_cluster(found, world.site, lambda: world.kubernetes) if "cluster" in parts else found


def _connect(world: World, tell: Callable[[str], None]) -> None:
    """Now, since it takes longer than a check may; without it they have no data until it answers."""
    try:
        _ = world.kubernetes
    except ChaosJCError as error:
        tell(f"the site's Kubernetes cannot be reached: {error.message}")


def _mounting(site: SiteFile, world: World) -> Callable[[str], Mapping[str, tuple[str, ...]]]:
    """By volume, which VMs ought to mount it. Their addresses are asked for once: they outlive the VMs."""

    @functools.cache
    def addresses() -> Mapping[str, tuple[str, ...]]:
        found = discover.addresses(site, discover.ports(site, world.cloud))
        return {name: (address,) for name, address in found.items()}

    @functools.cache
    def adopted() -> Topology:
        return discover.topology(site, world.cloud)

    if site.adopted:
        return lambda volume: discover.mounting(site, volume, adopted())
    return lambda volume: {name: addresses().get(name, ()) for name in discover.clients(site, volume, ())}


def _found(site: SiteFile, world: World) -> tuple[Vm, ...]:
    """The VMs of an adopted site with storage: who carries bricks of others' sites is no more in the file than that."""
    return discover.topology(site, world.cloud).vms if site.adopted and site.storage else ()


def _cloud_files(site: SiteFile | None) -> dict[str, str]:
    """Where the cloud of a site is: a later `recover`, in another shell and elsewhere, needs this one and no other."""
    now = CloudFiles.now()
    return now.found if site else dict(now.environment)


def _commit(path: str) -> str:
    """That of the repository in which an experiment lies; empty where it lies in none, or there is no git."""
    argv = ["git", "-C", os.path.dirname(os.path.abspath(path)), "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        return command.run(argv, timeout=GIT, check=False).stdout.strip()
    except ChaosJCError:
        return ""


def _data(site: SiteFile | None) -> JsonValue:
    return cast("JsonValue", site.model_dump(mode="json", by_alias=True)) if site else None


def _forward(stack: contextlib.ExitStack, world: World, tell: Callable[[str], None]) -> str:
    """The site's own Prometheus; without it the run is refused for want of data, which is said there."""
    try:
        adopted = world.site.adopted
        if adopted and not adopted.prometheus:
            tell("the site file names no `adopted.prometheus`")
            return ""
        _ = world.ssh  # of an adopted site, its configuration is written with it
        at = adopted.prometheus if adopted else None
        return stack.enter_context(endpoints.prometheus(world.state, at=at))
    except ChaosJCError as error:
        tell(f"the site's Prometheus cannot be reached: {error.message}")
        return ""


def new_run_id(clock: Clock) -> str:
    """Sorts by time, and differs between runs of the same second."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(clock.time())) + "-" + secrets.token_hex(2)
