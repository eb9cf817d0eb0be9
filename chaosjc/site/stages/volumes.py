"""Stage volumes: the pool of brick VMs, and its volumes as the site file lays them out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from chaosjc.drivers.gluster import Gluster
from chaosjc.drivers.gluster_values import Peer, VolumeInfo
from chaosjc.drivers.ssh import Unreachable
from chaosjc.errors import RemoteError, StageError
from chaosjc.site.change import Change
from chaosjc.site.context import Context, in_parallel
from chaosjc.site.model import SiteFile
from chaosjc.site.stages import volumes_plan
from chaosjc.site.stages.base import Stage, vms
from chaosjc.site.stages.bricks import Bricks
from chaosjc.site.stages.volumes_plan import CREATED, REJECTED, STAGE, WELL, BrickFact, VolumeFacts

FORMED = 60.0  # seconds for machines that have just started to find each other
QUICK = 10.0  # seconds for one question where nobody is waited for: glusterd waits 120 for a peer that hangs
ACT = 120.0  # seconds for one change of a volume, other transactions included
GRANULAR = "cluster.granular-entry-heal"

T = TypeVar("T")


class Volumes(Stage[VolumeFacts]):
    """See volumes_plan for what is compared, bricks for how a brick is rebuilt."""

    name = STAGE
    requires = ("access", "bricks")

    def facts(self, context: Context, *, patient: bool) -> VolumeFacts:
        """Ask all brick VMs for the pool, believe the one that others stand beside, and ask each for its own bricks."""
        names = brick_vms(context.site)
        found = [each for each in vms(context) if each.name in names]
        there = frozenset(each.name for each in found)
        running = [each.name for each in found if each.status == "ACTIVE"]
        if not running or (context.only is not None and not context.only & set(names)):
            return VolumeFacts(there)
        pool = pool_of(context, running, QUICK)
        if patient:
            wait_for_pool(context, pool, len(names) - 1)
        seen = views(pool, running)
        known = wait_until_told(context, pool, seen) if patient else told(pool, seen)
        if not known:
            return VolumeFacts(there)
        asked = believed(seen, known)[0]
        return VolumeFacts(
            there=there,
            asked=asked,
            peers={each.host: each for each in seen[asked]},
            volumes={each.name: each for each in known[asked]},
            online=_online(pool.asking(asked), known[asked]),
            bricks=_bricks(context, known[asked], running),
        )

    def plan(self, site: SiteFile, facts: VolumeFacts) -> tuple[Change, ...]:
        """Pure; see volumes_plan."""
        return volumes_plan.plan(site, facts)

    def apply(self, context: Context, facts: VolumeFacts, changes: Sequence[Change]) -> None:
        """Peers, volumes, options, processes, and last what takes long: rebuilding bricks."""
        for change in changes:
            context.report(STAGE, change.name, f"{change.action} {change.kind}")
        try:
            _Apply(context, facts, changes).run()
        except RemoteError as error:
            raise StageError(f"{STAGE}: {error.message}", hint=f"{error.hint}; log: {context.state.log}") from error


def brick_vms(site: SiteFile) -> list[str]:
    """Every VM of the role that carries bricks."""
    return [each.name for each in site.machines if site.storage and each.role == site.storage.role]


def pool_of(context: Context, hosts: Sequence[str], timeout: float) -> Gluster:
    """The pool through these VMs."""
    return Gluster.over(context.ssh, hosts, timeout=timeout, clock=context.clock)


def wait_for_pool(context: Context, pool: Gluster, others: int) -> None:
    """Until the first VM that answers has all others beside it; not for ever: the plan then names who is missing."""
    end = context.clock.monotonic() + FORMED
    while context.clock.monotonic() < end:
        try:
            peers = pool.peers()
        except RemoteError:
            peers = ()
        if len(_beside(peers)) >= others:
            return
        context.clock.sleep(0.5)


def views(pool: Gluster, hosts: Iterable[str]) -> dict[str, tuple[Peer, ...]]:
    """How each of these VMs sees all others; those that do not answer are left out."""
    return _answers(lambda host: pool.asking(host).peers(), hosts)


def told(pool: Gluster, hosts: Iterable[str]) -> dict[str, tuple[VolumeInfo, ...]]:
    """The volumes that each of these VMs knows; those that do not answer are left out."""
    return _answers(lambda host: pool.asking(host).volumes(), hosts)


def _answers(ask: Callable[[str], tuple[T, ...]], hosts: Iterable[str]) -> dict[str, tuple[T, ...]]:
    def answer(host: str) -> tuple[T, ...] | None:
        try:
            return ask(host)
        except RemoteError:
            return None

    listed = list(hosts)
    found = zip(listed, in_parallel(answer, listed), strict=True)
    return {host: said for host, said in found if said is not None}


def wait_until_told(
    context: Context, pool: Gluster, seen: Mapping[str, Sequence[Peer]]
) -> dict[str, tuple[VolumeInfo, ...]]:
    """The same, when a VM that has just come back has learned of the volumes; not for ever.

    Those that have fewer others beside them, since they are rejected, are not waited for.
    """
    end = context.clock.monotonic() + FORMED
    while True:
        known = told(pool, seen)
        most = max((len(_beside(seen[host])) for host in known), default=0)
        names = {frozenset(each.name for each in known[host]) for host in known if len(_beside(seen[host])) == most}
        if len(names) <= 1 or context.clock.monotonic() > end:
            return known
        context.clock.sleep(0.5)


def believed(seen: Mapping[str, Sequence[Peer]], known: Mapping[str, Sequence[VolumeInfo]]) -> list[str]:
    """First the VM with most others beside it: one that was rejected is alone.

    Among equals the one that knows most volumes, in the order of `known`: one that has just come back knows none.
    """
    return sorted(known, key=lambda each: (-len(_beside(seen[each])), -len(known[each])))


def rejecting(vm: str, seen: Mapping[str, Sequence[Peer]]) -> list[str]:
    """The VMs that say that this one's knowledge of the volumes is not theirs."""
    return [each for each, peers in seen.items() if any(one.host == vm and one.state == REJECTED for one in peers)]


def check_expendable(context: Context, vm: str, *, lost: bool) -> None:
    """Whether a VM's bricks have whole copies elsewhere; raises StageError where not, or where that is not known.

    `lost`: it serves no more, so that nothing can be known of what its replicas have still to learn from it.
    """
    others = [each for each in brick_vms(context.site) if each != vm]
    try:
        pool = pool_of(context, others, QUICK)
        for volume in pool.volumes():
            if any(each.host == vm for each in volume.bricks):
                _check_copies(pool, volume, vm, lost=lost)
    except RemoteError as error:
        raise StageError(
            f"{STAGE}: {vm} carries bricks, and it is not known whether there are copies: {error.message}",
            hint=f"{vm} was left as it is; to give up what is on it, delete it by hand and deploy",
        ) from error


def check_carries_nothing(context: Context, vm: str) -> None:
    """Raises StageError where a volume has a brick on the VM, or where nobody can tell."""
    pool = pool_of(context, [each for each in brick_vms(context.site) if each != vm], QUICK)
    try:
        found = [each.name for each in pool.volumes() if any(brick.host == vm for brick in each.bricks)]
    except RemoteError as error:
        raise StageError(f"{STAGE}: {vm} may carry bricks: {error.message}", hint="delete it by hand") from error
    if found:
        raise StageError(
            f"{STAGE}: {vm} is no longer in the site file, and carries bricks of {', '.join(found)}",
            hint="move them first (gluster volume remove-brick), or put the VM back into the file",
        )


def _check_copies(pool: Gluster, volume: VolumeInfo, vm: str, *, lost: bool) -> None:
    online = {each.host for each in pool.bricks(volume.name) if each.online}
    down = sorted({each.host for each in volume.bricks if each.host != vm or not lost} - online)
    left = [each for each in pool.heal(volume.name) if each.entries != 0] if not lost else []
    if volume.replica < 2 or down or left:
        why = f"{', '.join(down)} is down" if down else "it is not healed" if left else "it has no replicas"
        raise StageError(
            f"{STAGE}: replacing {vm} loses its bricks, and volume {volume.name} cannot spare them: {why}",
            hint=f"{vm} was left as it is; deploy again when the volume is whole",
        )


def _beside(peers: Sequence[Peer]) -> list[Peer]:
    return [each for each in peers if _whole(each)]


def _sees(peers: Iterable[Peer], vm: str) -> bool:
    return any(each.host == vm and _whole(each) for each in peers)


def _whole(peer: Peer) -> bool:
    return peer.connected and peer.state == WELL


def _online(pool: Gluster, volumes: Sequence[VolumeInfo]) -> dict[str, bool]:
    """Of started volumes; of what does not answer nothing is said."""
    found: dict[str, bool] = {}
    for volume in volumes:
        if volume.status != "Started":
            continue
        try:
            found |= {f"{each.host}:{each.path}": each.online for each in pool.bricks(volume.name)}
        except RemoteError:
            continue
    return found


def _bricks(context: Context, volumes: Sequence[VolumeInfo], running: Sequence[str]) -> dict[str, BrickFact]:
    paths = {vm: [each.path for volume in volumes for each in volume.bricks if each.host == vm] for vm in running}

    def look(vm: str) -> dict[str, BrickFact]:
        try:
            said = Bricks(context).ask(vm, {"look": paths[vm]})
        except Unreachable:
            return {}  # stages infra and bricks have said so
        return {f"{vm}:{path}": BrickFact(**fact) for path, fact in said.items()}

    found = in_parallel(look, [vm for vm in running if paths[vm]])
    return {brick: fact for each in found for brick, fact in each.items()}


class _Apply:
    """One plan, carried out step by step; every step is right also when it was half done before."""

    def __init__(self, context: Context, facts: VolumeFacts, changes: Sequence[Change]) -> None:
        self._context, self._facts, self._changes = context, facts, changes
        self._bricks = Bricks(context)
        self._pool = pool_of(context, [facts.asked] if facts.asked else brick_vms(context.site), ACT)

    def _of(self, kind: str, *actions: str) -> list[Change]:
        return [each for each in self._changes if each.kind == kind and (not actions or each.action in actions)]

    def run(self) -> None:
        """In an order in which each step finds what it needs."""
        for change in self._of("peer"):
            self._peer(change)
        for change in self._of("volume", "create"):
            self._create(change.name)
        for change in self._of("volume", "start"):
            if change.before == CREATED:
                self._unmark(change.name)
            self._pool.start(change.name)
        self._options()
        for vm in sorted({each.vm for each in self._of("brick", "start")}):
            # not `volume start force`: it would also take an empty brick into service, as if it were whole
            self._bricks.restart_glusterd(vm)
        self._bricks.wait_online(self._pool, [each.name for each in self._of("brick", "start")])
        self._rebuild()

    def _peer(self, change: Change) -> None:
        if change.before == "disconnected":
            self._bricks.restart_glusterd(change.name)
        elif change.before == "unknown":
            self._bricks.restart_glusterd(self._facts.asked)
        elif change.before == REJECTED:
            self._readmit(change.name)
            return
        wait_for_pool(self._context, self._pool, len(self._facts.peers))

    def _readmit(self, vm: str) -> None:
        """One at a time, and only one whom most reject: of two that contradict each other, nobody knows who is right.

        Raises StageError where most do not, and where it does not come back: the next one is then left alone.
        """
        vms = brick_vms(self._context.site)
        against = rejecting(vm, views(pool_of(self._context, vms, QUICK), vms))
        if 2 * len(against) <= len(vms):
            raise StageError(
                f"{STAGE}: {self._facts.asked} rejects {vm}, and only {len(against)} of {len(vms)} brick VMs say so: "
                "it is not known whose volumes are right",
                hint="gluster peer status on each of them; nothing was done to any",
            )
        self._bricks.forget_pool(vm)
        end = self._context.clock.monotonic() + FORMED
        while not _sees(self._pool.peers(), vm):
            if self._context.clock.monotonic() > end:
                raise StageError(
                    f"{STAGE}: {vm} has forgotten its pool, and did not come back within {FORMED:g} s",
                    hint=f"journalctl -u glusterd on {vm}; the same deploy goes on where this one stopped",
                )
            self._context.clock.sleep(0.5)

    def _create(self, name: str) -> None:
        """With its options, as far as GlusterFS allows it, before the first client comes."""
        site = self._context.site
        assert site.storage is not None  # noqa: S101 - it has the volume
        volume = site.storage.volumes[name]
        bricks = volumes_plan.brick_ids(site, name)
        self._pool.create(name, bricks, replica=volume.replica, arbiter=volume.arbiter)
        self._unmark(name)
        options = volumes_plan.wanted_options(volume)
        granular = options.pop(GRANULAR)
        self._pool.set_options(name, options)
        self._pool.start(name)
        self._set(name, {GRANULAR: granular})

    def _unmark(self, volume: str) -> None:
        """A new disk comes with the mark; of a volume that was never started there is nothing to bring back."""
        for brick in volumes_plan.brick_ids(self._context.site, volume):
            self._bricks.mark(brick, rebuilding=False)

    def _options(self) -> None:
        wanted: dict[str, dict[str, str]] = {}
        for change in self._of("option", "update"):
            volume, _, option = change.name.partition(" ")
            wanted.setdefault(volume, {})[option] = change.after
        for volume, options in wanted.items():
            self._set(volume, options)
        for change in self._of("option", "delete"):
            volume, _, option = change.name.partition(" ")
            self._pool.reset_option(volume, option)

    def _set(self, volume: str, options: dict[str, str]) -> None:
        """GlusterFS changes one of them by a command of its own, and that of started volumes only."""
        granular = options.get(GRANULAR)
        now = self._pool.volume(volume)
        if granular and now and volumes_plan.as_option(now.options.get(GRANULAR, "")) != granular:
            self._pool.granular_entry_heal(volume, on=granular == "on")
        rest = {option: value for option, value in options.items() if option != GRANULAR}
        if rest:
            self._pool.set_options(volume, rest)

    def _rebuild(self) -> None:
        """All resets before the first wait: the daemons heal several volumes at once.

        A glusterd that was given its volumes by the others resolves its bricks' paths when it starts again, and until
        then says that the "destination brick is new".
        """
        replaced = self._of("brick", "replace")
        for vm in sorted({each.vm for each in replaced}):
            self._bricks.restart_glusterd(vm)
            self._wait_until_ready(vm)
        began: list[float] = []
        for each in replaced:
            began.append(self._bricks.reset(self._pool, self._info(each.name), each.name))
            self._wait_until_ready(each.vm)  # a reset has the healing daemon started anew
        for name in sorted({self._info(each.name).name for each in replaced}):
            self._bricks.heal_all(self._pool, name)
        for change, since in zip(replaced, began, strict=True):
            self._bricks.wait_whole(self._pool, self._info(change.name), change.name, since)

    def _wait_until_ready(self, vm: str) -> None:
        """Until all others see this VM, as it sees them, and its healing daemon is in its hands.

        A glusterd that has let go of its daemon, and taken it again while it was still ending, does not know that it
        runs, and refuses to heal for ever (seen in 10.3: "existing process with pid -1"). Started anew, it does.
        """
        self._wait_until_seen(vm)
        if not self._holds_daemon(vm):
            self._bricks.restart_glusterd(vm)
            self._wait_until_seen(vm)
            self._holds_daemon(vm)  # else what is asked of the volume says so

    def _wait_until_seen(self, vm: str) -> None:
        others = [each for each in brick_vms(self._context.site) if each != vm]
        pool = pool_of(self._context, others, QUICK)
        end = self._context.clock.monotonic() + FORMED
        while not all(_sees(peers, vm) for peers in views(pool, others).values()):
            if self._context.clock.monotonic() > end:
                break  # the reset then says who does not
            self._context.clock.sleep(0.5)

    def _holds_daemon(self, vm: str) -> bool:
        healed = [each.name for each in self._facts.volumes.values() if each.status == "Started" and each.replica > 1]
        return all(self._bricks.holds_daemon(self._pool.asking(vm), each) for each in healed)

    def _info(self, brick: str) -> VolumeInfo:
        return next(each for each in self._facts.volumes.values() if any(brick == one.id for one in each.bricks))
