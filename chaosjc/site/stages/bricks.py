"""How a brick is brought back: its place in the pool, its files from its replicas, and the proof that all are there."""

from __future__ import annotations

import sys
from typing import Any

from chaosjc.drivers.gluster import Gluster, Refused
from chaosjc.drivers.gluster_values import BrickInfo, VolumeInfo
from chaosjc.errors import RemoteError, StageError
from chaosjc.site.context import Context, in_parallel
from chaosjc.site.roles.storage import GLUSTERD
from chaosjc.site.stages.base import ask_program, run_on
from chaosjc.site.stages.volumes_plan import STAGE

ANSWER = 60.0  # seconds for a request
FILES = 6 * 3600.0  # seconds for reading all files of a brick
ONLINE = 60.0  # seconds for a brick's process to begin
DAEMON = 20.0  # seconds for a glusterd to have its healing daemon in hand
DAEMONS = 60.0  # seconds for all healing daemons to come back
STUCK = 600.0  # seconds without any progress after which healing is given up
PROOFS = 3  # times in a row that nothing is to be healed
SKEW = 5.0  # seconds by which clocks may differ
FEW = 100  # entries that are counted exactly
EVER = 1e12


class Bricks:
    """Brick VMs of one site, over SSH."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def ask(self, vm: str, request: dict[str, Any], timeout: float = ANSWER) -> dict[str, Any]:
        """One request to remote_bricks. Raises Unreachable, or StageError with what the program said."""
        return ask_program(self._context, STAGE, vm, "remote_bricks.py", request, timeout=timeout)

    def restart_glusterd(self, vm: str) -> None:
        """Its bricks go on; those that have died begin again, unless they are empty."""
        run_on(self._context, STAGE, vm, ["systemctl", "restart", GLUSTERD], timeout=ANSWER)

    def forget_pool(self, vm: str) -> None:
        """What a machine knows of pool and volumes is no longer what the others know: it learns it anew."""
        self.ask(vm, {"forget": True})

    def mark(self, brick: str, *, rebuilding: bool) -> None:
        """Remember, on the brick's own disk, that its files are on their way back."""
        vm, _, path = brick.partition(":")
        self.ask(vm, {"mark": path, "rebuilding": rebuilding})

    def wait_online(self, pool: Gluster, bricks: list[str]) -> None:
        """Until each has a process, or for as long as that may take; the next plan names those that have none."""
        end = self._context.clock.monotonic() + ONLINE
        while bricks and self._context.clock.monotonic() < end:
            online = {
                f"{each.host}:{each.path}"
                for volume in pool.volumes()
                if volume.status == "Started" and any(one.id in bricks for one in volume.bricks)
                for each in pool.bricks(volume.name)
                if each.online
            }
            if online.issuperset(bricks):
                return
            self._context.clock.sleep(0.5)

    def holds_daemon(self, glusterd: Gluster, volume: str) -> bool:
        """Whether this glusterd has its healing daemon in hand, or gets it within the time that it may take.

        One that has just started takes 4 s to connect to it. Asked to change a volume meanwhile, it waits for it step
        by step, 41 s were seen, and holds the pool's lock.
        """
        end = self._context.clock.monotonic() + DAEMON
        while not (held := glusterd.holds_daemon(volume)) and self._context.clock.monotonic() < end:
            self._context.clock.sleep(0.5)
        return held

    def heal_all(self, pool: Gluster, volume: str) -> None:
        """From the root down, as soon as every healing daemon runs: the index alone takes a round for each level."""
        end = self._context.clock.monotonic() + DAEMONS
        while True:
            try:
                pool.heal_full(volume)
            except Refused:
                if self._context.clock.monotonic() > end:
                    raise
                self._context.clock.sleep(1.0)
            else:
                return

    def reset(self, pool: Gluster, info: VolumeInfo, brick: str) -> float:
        """Put an empty brick in its place, as one that has everything to learn; returns when that was.

        Raises StageError where a replica is not whole itself: then nobody knows what the files should be.
        """
        self._context.check_cancelled()
        self._check_replicas(pool, info, brick)
        self.mark(brick, rebuilding=True)
        pool.reset_brick_start(info.name, brick)
        pool.reset_brick_commit(info.name, brick)
        return self._context.clock.time()

    def wait_whole(self, pool: Gluster, info: VolumeInfo, brick: str, since: float) -> None:
        """Until nothing is to be healed and every file that its replicas had by then is on it, the same.

        Raises StageError where healing makes no progress.
        """
        clock = self._context.clock
        least, moved, zeros = sys.maxsize, clock.monotonic(), 0
        wrong: list[str] = []
        while True:
            self._context.check_cancelled()
            left = self._left(pool, info)
            zeros = zeros + 1 if left == 0 else 0
            if zeros >= PROOFS:
                wrong = self._differences(info, brick, since)
                if not wrong:
                    break
                left, zeros = len(wrong), 0
                self.heal_all(pool, info.name)
            if left and left < least:
                self._context.report(STAGE, brick, f"{left} entries to heal")
                least, moved = left, clock.monotonic()
            elif clock.monotonic() - moved > STUCK:
                raise _stuck(info, brick, least, wrong)
            clock.sleep(1.0)
        self.mark(brick, rebuilding=False)
        self._context.report(STAGE, brick, "whole again")

    def _left(self, pool: Gluster, info: VolumeInfo) -> int | None:
        """Entries to heal; None while a brick does not tell.

        GlusterFS itself is asked only when the bricks' indices, which cost nothing to read, are almost empty: it looks
        at each entry under locks, and so stands in the way of healing and of users.
        """
        counts = in_parallel(lambda each: self.ask(each.host, {"pending": each.path})["entries"], info.bricks)
        return sum(counts) if sum(counts) > FEW else _entries(pool, info)

    def _check_replicas(self, pool: Gluster, info: VolumeInfo, brick: str) -> None:
        others = [each for each in _replicas(info, brick) if each.id != brick]
        online = {f"{each.host}:{each.path}" for each in pool.bricks(info.name) if each.online}
        facts = {each.id: self.ask(each.host, {"look": [each.path]})[each.path] for each in others}
        for other in others:
            why = "has no process" if other.id not in online else "is not whole itself"
            if other.id not in online or facts[other.id] != {"volume": info.uuid, "rebuilding": False}:
                raise StageError(
                    f"{STAGE}: {brick} can only be rebuilt from whole replicas, and {other.id} {why}",
                    hint=f"mend {other.id} first; nothing was done to {brick}",
                )

    def _differences(self, info: VolumeInfo, brick: str, since: float) -> list[str]:
        """Files that a replica has and has not touched since then, and that are not the same on the brick.

        The brick is read first: what changes in between has been touched.
        """
        replicas = {each.id: each for each in _replicas(info, brick)}
        names_only = replicas[brick].arbiter
        here = self._files(replicas.pop(brick), EVER, names_only=names_only)
        others = [each for each in replicas.values() if not each.arbiter]
        found = in_parallel(lambda each: self._files(each, since - SKEW, names_only=names_only), others)
        return sorted({name for each in found for name, digest in each.items() if here.get(name) != digest})

    def _files(self, brick: BrickInfo, before: float, *, names_only: bool) -> dict[str, Any]:
        return self.ask(brick.host, {"files": brick.path, "before": before, "names_only": names_only}, FILES)


def _replicas(info: VolumeInfo, brick: str) -> tuple[BrickInfo, ...]:
    return next(each for each in info.replica_sets if any(one.id == brick for one in each))


def _entries(pool: Gluster, info: VolumeInfo) -> int | None:
    """In all; None while a brick does not tell, or is not listed."""
    try:
        found = [each.entries for each in pool.heal(info.name)]
    except RemoteError:
        return None
    numbers = [each for each in found if each is not None]
    return sum(numbers) if len(numbers) == len(info.bricks) else None


def _stuck(info: VolumeInfo, brick: str, left: int, wrong: list[str]) -> StageError:
    example = f", such as {wrong[0]}" if wrong else ""
    return StageError(
        f"{STAGE}: volume {info.name}: {brick}: {left} files not healed{example}, and no progress for {STUCK:g} s",
        hint=f"gluster volume heal {info.name} info; the same deploy goes on where this one stopped",
    )
