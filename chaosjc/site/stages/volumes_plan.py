"""Stage volumes, its facts and its plan: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from chaosjc.drivers.gluster_values import Peer, VolumeInfo
from chaosjc.errors import StageError
from chaosjc.site.change import Change
from chaosjc.site.model import SiteFile
from chaosjc.site.sections import Volume

STAGE = "volumes"
CREATED = "Created"  # a volume that was never started: it holds no files that could be on their way back
WELL, REJECTED = "Peer in Cluster", "Peer Rejected"  # what a glusterd may say of another; the rest passes by itself

OPTIONS: Mapping[str, str] = {
    # A silent brick stalls its clients for so long. Explicit although it is GlusterFS's own default: the file may say
    # less where the network is reliable.
    "network.ping-timeout": "42",
    # More than half of a replica set must be there to write, so that two halves never go separate ways.
    "cluster.quorum-type": "auto",
    # That is enough: the pool's own quorum would stop bricks that still serve.
    "cluster.server-quorum-type": "none",
    # Nobody but a person chooses which of two diverging copies is lost.
    "cluster.favorite-child-policy": "none",
    # The daemons heal, not the users' own reads, which would wait for it. They look once a minute, not every ten, for
    # what no event told them.
    "cluster.self-heal-daemon": "on",
    "cluster.heal-timeout": "60",
    "cluster.data-self-heal": "off",
    "cluster.metadata-self-heal": "off",
    "cluster.entry-self-heal": "off",
    # GlusterFS 10 has it on, and then a reset brick never heals: the index of the root directory names nothing that is
    # missing. Off, a directory that missed one name is compared as a whole.
    "cluster.granular-entry-heal": "off",
    # Healing is mostly waiting for locks: one file at a time, a rebuilt brick falls behind those who write.
    "cluster.shd-max-threads": "8",
    # Requests of the healing daemons are of least priority, and while one of them runs and another waits, all idle
    # threads of a brick spin on their queue's lock (seen in 10.3): everything else starves.
    "performance.enable-least-priority": "off",
    # Per cent: users meet ENOSPC while there is still room for the notes that healing lives by.
    "storage.reserve": "5",
    # The exporter reads latencies from the bricks' own dumps, without a transaction of the whole pool.
    "diagnostics.latency-measurement": "on",
    "diagnostics.count-fop-hits": "on",
    "diagnostics.stats-dump-interval": "5",
}
"""What every volume gets, with the reason; a site file's own options win."""

AUTOMATIC = frozenset(
    {"transport.address-family", "nfs.disable", "storage.fips-mode-rchecksum", "performance.client-io-threads"}
)
"""What GlusterFS sets by itself on a new volume."""

_WORDS = {"enable": "on", "true": "on", "yes": "on", "disable": "off", "false": "off", "no": "off"}


@dataclass(frozen=True)
class BrickFact:
    """A brick's directory as its own VM has it.

    `volume` is the UUID of the volume that it belongs to, empty for a directory that belongs to none; `rebuilding`: a
    deploy began to bring its files back, and has not yet found all of them there.
    """

    volume: str = ""
    rebuilding: bool = False


@dataclass(frozen=True)
class VolumeFacts:
    """The pool. `asked` is the VM that told, empty where none could; `there` are brick VMs that exist.

    `peers` by VM name, all but the one that was asked; `online` (has it a process?) and `bricks` by brick id, as far as
    they are known.
    """

    there: frozenset[str] = frozenset()
    asked: str = ""
    peers: Mapping[str, Peer] = field(default_factory=dict[str, Peer])
    volumes: Mapping[str, VolumeInfo] = field(default_factory=dict[str, VolumeInfo])
    online: Mapping[str, bool] = field(default_factory=dict[str, bool])
    bricks: Mapping[str, BrickFact] = field(default_factory=dict[str, BrickFact])


def plan(site: SiteFile, facts: VolumeFacts) -> tuple[Change, ...]:
    """In the order in which it is applied. Raises StageError for what must not be mended by guesswork."""
    if site.storage is None:
        return ()
    if not facts.asked and facts.there:
        return ()  # stages infra and bricks have said why nobody answers
    changes = list(_peers(site, facts)) if facts.asked else []
    for name, volume in site.storage.volumes.items():
        info = facts.volumes.get(name)
        if info is None:
            after = f"replica {volume.replica}, {' '.join(brick_ids(site, name))}"
            changes.append(Change(STAGE, "volume", name, "create", after=after))
        else:
            check_layout(site, name, info)
            changes += _options(name, volume, info)
            changes += _running(site, facts, info)
    return tuple(changes)


def brick_ids(site: SiteFile, volume: str) -> list[str]:
    """`brick-001:/data/homes`, …: in the order of the layout."""
    path = site.brick_path(volume)
    return [f"{vm}:{path}" for replicas in site.replica_sets(volume) for vm in replicas]


def wanted_options(volume: Volume) -> dict[str, str]:
    """Everything that is set explicitly."""
    return dict(OPTIONS) | {name: as_option(value) for name, value in volume.options.items()}


def as_option(value: str | int | bool) -> str:
    """As GlusterFS is told it; its many words for on and off become these two."""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = str(value)
    return _WORDS.get(text.lower(), text)


def check_layout(site: SiteFile, name: str, info: VolumeInfo) -> None:
    """Raises StageError where the volume is not laid out as the file says: changing that moves data."""
    assert site.storage is not None  # noqa: S101 - it has the volume
    volume = site.storage.volumes[name]
    there, wanted = [each.id for each in info.bricks], brick_ids(site, name)
    if (info.replica, info.arbiter, there) == (volume.replica, volume.arbiter, wanted):
        return
    raise StageError(
        f"{STAGE}: volume {name} is {_layout(info.replica, info.arbiter, there)}, "
        f"the site file says {_layout(volume.replica, volume.arbiter, wanted)}",
        hint="another layout moves data: let the file say what is, or change the volume by hand (gluster volume help)",
    )


def _layout(replica: int, arbiter: int, bricks: list[str]) -> str:
    return f"replica {replica}{f' arbiter {arbiter}' if arbiter else ''} of {' '.join(bricks)}"


def _peers(site: SiteFile, facts: VolumeFacts) -> Iterator[Change]:
    for machine in site.machines:
        if site.storage is None or machine.role != site.storage.role or machine.name == facts.asked:
            continue
        if machine.name not in facts.there:
            continue  # infra makes it, and it comes as a peer
        peer = facts.peers.get(machine.name)
        state = "unknown" if peer is None else peer.state if peer.connected else "disconnected"
        if state != WELL:
            yield Change(STAGE, "peer", machine.name, "update", state, WELL, machine.name)


def _options(name: str, volume: Volume, info: VolumeInfo) -> Iterator[Change]:
    wanted = wanted_options(volume)
    there = {option: as_option(value) for option, value in info.options.items()}
    for option in sorted(wanted):
        if there.get(option) != wanted[option]:
            before = there.get(option, "not set")
            yield Change(STAGE, "option", f"{name} {option}", "update", before, wanted[option])
    for option in sorted(there.keys() - wanted.keys() - AUTOMATIC):
        yield Change(STAGE, "option", f"{name} {option}", "delete", there[option])


def _running(site: SiteFile, facts: VolumeFacts, info: VolumeInfo) -> Iterator[Change]:
    if info.status != "Started":
        yield Change(STAGE, "volume", info.name, "start", info.status, "Started")
    for brick in info.bricks:
        change = _brick(facts, info, brick.host, brick.id)
        if change:
            yield change


def _brick(facts: VolumeFacts, info: VolumeInfo, vm: str, brick: str) -> Change | None:
    """Only a brick that carries the volume's id is started: an empty one would be served as if it were whole."""
    if vm not in facts.there:
        return Change(STAGE, "brick", brick, "replace", "lost with its VM", "rebuilt from its replicas", vm)
    fact = facts.bricks.get(brick)
    if fact is None:
        return None
    if not fact.volume:
        return Change(STAGE, "brick", brick, "replace", "empty", "rebuilt from its replicas", vm)
    if fact.volume != info.uuid:
        raise StageError(
            f"{STAGE}: {brick} belongs to another volume ({fact.volume}) than {info.name} ({info.uuid})",
            hint=f"look at it on {vm}; nothing is done to a brick with somebody else's files",
        )
    if fact.rebuilding and info.status != CREATED:
        return Change(STAGE, "brick", brick, "replace", "half rebuilt", "rebuilt from its replicas", vm)
    if info.status == "Started" and not facts.online.get(brick, True):
        return Change(STAGE, "brick", brick, "start", "no process", "online", vm)
    return None
