"""The exporter on every brick VM: what this machine's own bricks and glusterd say, and nothing about others.

A missing machine is missing data: none of its series comes from anybody else. What cannot be told now, or was seen more
than 10 s ago, is absent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from prometheus_client import CollectorRegistry

from chaosjc import names
from chaosjc.canary import glusterd, web
from chaosjc.canary.brick import LocalBrick, Places, answers, fops
from chaosjc.canary.glusterd import SplitBrain
from chaosjc.canary.replica import PREFIX, Audits, Replica
from chaosjc.canary.watch import STALE, Sample, Seen, Unknown, Watch
from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers import command
from chaosjc.drivers.command import Runner
from chaosjc.errors import UsageError

OWN_ACCOUNT, GLUSTERD = 2.0, 5.0  # seconds between two looks at what costs more than a look at /proc

STATE = Path("/run/chaosjc-canary-gluster")
"""Where glusterd puts its answer; the unit makes it."""


@dataclass(frozen=True)
class Config:
    """`bricks`: the path of this machine's brick by volume; `every`: seconds between two looks."""

    vm: str
    listen: int
    every: float
    bricks: dict[str, str]


def load(path: Path) -> Config:
    """The file that the site's deployment writes. Raises UsageError that says what is wrong with it."""
    try:
        config = Config(**json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="--config names the canary's JSON file") from error
    except (TypeError, ValueError) as error:
        known = ", ".join(each.name for each in fields(Config))
        raise UsageError(f"{path}: {error}", hint=f"an object with the keys {known}") from error
    if not config.every > 0:
        raise UsageError(f"{path}: every: seconds between two looks, more than 0")
    return config


def main(config: Path) -> None:
    """Serve until killed. Raises UsageError for a port that is taken, CommandError where GlusterFS is not installed."""
    read = load(config)
    places, clock, run = Places(), SystemClock(), command.run
    bricks = [LocalBrick(volume, read.vm, path, places) for volume, path in read.bricks.items()]
    watches = watches_of(bricks, read, run, clock)
    registry = CollectorRegistry()
    registry.register(Seen(watches))
    for watch in watches:
        watch.start()
    audits = Audits({brick.volume: Replica(brick) for brick in bricks})
    web.serve(read.listen, registry, {PREFIX: audits}).wait()


def watches_of(
    bricks: list[LocalBrick], config: Config, run: Runner, clock: Clock, directory: Path = STATE
) -> list[Watch]:
    """One a thing that may hang by itself: process, disk, own account and heal tool of each brick, and glusterd."""
    version = glusterd.version(run)
    watches = [Watch("glusterd", lambda: glusterd_samples(run, list(config.bricks), directory), GLUSTERD, clock)]
    for brick in bricks:
        split = SplitBrain(run, clock, brick.volume, f"{brick.vm}:{brick.path}")
        looks: list[tuple[str, Callable[[], Iterator[Sample]], float]] = [
            ("process", lambda brick=brick: process_samples(brick), config.every),
            ("disk", lambda brick=brick: disk_samples(brick), config.every),
            ("split-brain", lambda brick=brick, split=split: split_brain_samples(brick, split), config.every),
            ("account", lambda brick=brick: fop_samples(brick, version, clock), OWN_ACCOUNT),
        ]
        watches += [Watch(f"{what} of {brick.path}", look, every, clock) for what, look, every in looks]
    return watches


def process_samples(brick: LocalBrick) -> Iterator[Sample]:
    """Whether it answers, and how many clients it has."""
    labels, port = (brick.volume, brick.vm), brick.port()
    yield Sample(names.BRICK_CLIENTS, labels, brick.clients(port) if port else 0)
    yield Sample(names.BRICK_UP, labels, float(port is not None and answers(port)))


def disk_samples(brick: LocalBrick) -> Iterator[Sample]:
    """Its backlog, and its space."""
    labels, space = (brick.volume, brick.vm), brick.space()
    yield Sample(names.BRICK_PENDING, labels, brick.pending())
    yield Sample(names.BRICK_FREE, labels, space.free)
    yield Sample(names.BRICK_SIZE, labels, space.size)
    yield Sample(names.BRICK_FREE_INODES, labels, space.free_inodes)
    yield Sample(names.BRICK_INODES, labels, space.inodes)


def split_brain_samples(brick: LocalBrick, split: SplitBrain) -> Iterator[Sample]:
    """What of its backlog nobody can heal."""
    yield Sample(names.BRICK_SPLIT_BRAIN, (brick.volume, brick.vm), split.count(brick.pending()))


def fop_samples(brick: LocalBrick, version: tuple[int, ...], clock: Clock) -> Iterator[Sample]:
    """What it has done since it started. Raises Unknown where its account is old: a frozen brick writes none."""
    written, text = brick.dump()
    if clock.time() - written > STALE:
        raise Unknown(f"{brick.path}: its account is {clock.time() - written:.0f} s old")
    for fop in fops(text, version):
        labels = (brick.volume, brick.vm, fop.name)
        yield Sample(names.BRICK_FOPS, labels, fop.count)
        if fop.average:  # it does not time them all
            yield Sample(names.BRICK_FOP, labels, fop.average)


def glusterd_samples(run: Runner, volumes: list[str], directory: Path) -> Iterator[Sample]:
    """This machine's view of its peers, and the time after which clients give a silent brick up."""
    state = glusterd.state(run, directory)
    for peer, connected in state.peers.items():
        yield Sample(names.PEER_CONNECTED, (peer,), float(connected))
    for volume in volumes:
        timeout = state.ping_timeout(volume)
        if timeout is not None:
            yield Sample(names.PING_TIMEOUT, (volume,), timeout)
