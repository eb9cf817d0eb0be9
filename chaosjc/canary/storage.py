"""The synthetic user of one mounted volume on one worker, as an exporter.

A write is due at each instant of a grid, whatever became of the ones before, and its latency counts from then. An
acknowledged write goes into the ledger, is read back through another worker, compared with every brick by audits, and
unlinked once it was kept long enough and an audit has found it whole. One that failed, or whose child had to be killed,
may or may not be there: it is counted by its errno, never audited, and cleared away.

A volume that is slow must not get more work for it, or it stays so: writes are what is due, and few at once; read-backs
beyond a few at once are left out, and unlinking waits until no write is late.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Awaitable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family

from chaosjc.canary import audit, files, grid, storage_metrics, web
from chaosjc.canary.asking import Peer, errno_name
from chaosjc.canary.children import KILLED, Pool
from chaosjc.canary.ledger import Entry, Ledger, beginning
from chaosjc.canary.series import Histogram, Scrape
from chaosjc.canary.stalls import LATE, Stalls
from chaosjc.canary.storage_config import Config, read
from chaosjc.canary.storage_metrics import Figures, State
from chaosjc.errors import ChaosJCError

PATIENCE = 1.2  # seconds: more than LATE. Writes that take as long have a child each, others wait for one: that counts
WRITERS = 4  # children at least
READERS = 4  # children for peers, and read-backs at once through each of them
CLEANERS = 2
UNLINKS = 100  # files that a child unlinks at once
TIDY = 1.0  # seconds between two rounds of making durable and clearing away
UNAUDITED = 3.0  # times `keep` after which a write goes although no audit has found it whole
BRICK_ANSWERS = 10.0  # seconds that a brick has for an audit
STALE = 3  # audit periods after which what the last complete audit found behind is not known any more
GOODBYE = 1.0  # seconds for the children to be gone
LOG = logging.getLogger(__name__)

T = TypeVar("T")


def children_for(every: float) -> int:
    """How many write: fewer would make writes late that are not so themselves, more would compete."""
    return max(WRITERS, round(PATIENCE / every))


class Canary:
    """All of it, on one event loop; only the web server has threads, which come to the loop for what they need."""

    def __init__(self, config: Config, ledger: Ledger) -> None:
        self.config, self.ledger = config, ledger
        self.figures, self.stalls = Figures(), Stalls(config.recent)
        self.mount = files.Mount(config.mount, config.types)
        most = (children_for(config.every), READERS, CLEANERS)
        self.writers, self.readers, self.cleaners = map(self._pool, most)
        self.pools = (self.writers, self.readers, self.cleaners)
        self.peers = {vm: Peer(url) for vm, url in config.peers.items() if vm != config.vm}
        self.bricks = [[Peer(url) for url in each.values()] for each in config.sets]
        self._auditor = audit.Auditor()
        self._whole: tuple[float, frozenset[int]] = (0.0, frozenset())
        self._readings = {vm: asyncio.Semaphore(READERS) for vm in self.peers}
        self._debris: dict[str, float] = {}
        self._disk = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write_forever(tasks))
            tasks.create_task(self._keep_durable())
            tasks.create_task(self._clear_away())
            tasks.create_task(self._audit_forever())

    def reap(self) -> None:
        """Collect children that ended."""
        for pool in self.pools:
            pool.reap()

    def state(self) -> State:
        """What is true now."""
        now = time.monotonic()
        return State(
            mounted=self.mount.there,
            inflight=self.stalls.inflight,
            oldest=self.stalls.oldest(now),
            stalls=self.stalls.count,
            stalled=self.stalls.seconds,
            longest=self.stalls.longest(now),
            kept=len(self.ledger.entries),
            harm=self.ledger.harm,
            stale=time.time() > (self.figures.audited or 0.0) + STALE * self.config.audit,
        )

    def families(self) -> list[Family]:
        """Everything that is exported, as of now."""
        return list(storage_metrics.families(self.config.volume, self.peers, self.figures, self.state()))

    async def read(self, vm: str, file: str) -> web.Reply:
        """A peer's write, as this worker's mount has it."""
        answer = await self.readers.ask("read", vm, file)
        return web.Reply(200, {"errno": answer.errno} if answer.errno else {"sha256": answer.value})

    def _pool(self, most: int) -> Pool:
        config = self.config
        return Pool(lambda: files.Files(config.volume, config.mount, config.types).answer, most, config.limit)

    # ------------------------------------------------------------------ writing

    async def _write_forever(self, tasks: asyncio.TaskGroup) -> None:
        every, most = self.config.every, int(self.config.limit / self.config.every)
        last = grid.tick(time.time(), every)
        while True:
            wall, now = time.time(), time.monotonic()
            for number in grid.due(last, wall, every, most):
                seq, due = self.ledger.take(), number * every
                self.stalls.due(seq, now - (wall - due))
                tasks.create_task(self._write(seq, due, now - (wall - due)))
            last = grid.tick(wall, every)
            await asyncio.sleep((last + 1) * every - time.time())

    async def _write(self, seq: int, due_wall: float, due: float) -> None:
        answer = await self.writers.ask("write", self.config.vm, seq)
        stalls = self.stalls.count
        self.stalls.answered(seq, answer.at)
        if self.stalls.count > stalls:
            LOG.warning("writes had stalled, for %.3f s in all so far; they go on", self.stalls.seconds)
        self._note_outcome(answer.errno)
        if answer.errno:
            lingers = self.config.keep if answer.errno == KILLED else 0.0
            names = (files.temporary(audit.name(seq)), audit.name(seq))
            self._debris.update(dict.fromkeys(names, time.monotonic() + lingers))
            return
        self.figures.writes += 1
        self.figures.latency.observe(answer.at - due)
        digest = files.digest(self.config.volume, self.config.vm, seq)
        self.ledger.add(Entry(seq, digest, due_wall, due_wall + answer.at - due))
        await self._read_back(seq, digest, answer.at)

    def _note_outcome(self, error: str) -> None:
        if self.figures.ended_well is not (not error):
            LOG.info("writes %s", f"fail: {error}" if error else "end well")
        self.figures.ended_well = not error
        if error:
            self.figures.failed(error)
            if error not in storage_metrics.EXPECTED:
                LOG.warning("a write failed: %s", error)  # nothing else tells which

    async def _read_back(self, seq: int, digest: str, acked: float) -> None:
        if not self.peers:
            return
        vm = sorted(self.peers)[seq % len(self.peers)]
        if not self._readings[vm].locked():
            async with self._readings[vm]:
                await self._read_through(vm, seq, digest, acked)

    async def _read_through(self, vm: str, seq: int, digest: str, acked: float) -> None:
        try:
            said = await self.peers[vm].get(f"/read/{audit.name(seq)}?of={self.config.vm}", self.config.limit)
            error = said.get("errno") or ("" if said["sha256"] == digest else "checksum")
        except (OSError, ValueError, LookupError) as failure:
            error = errno_name(failure) if isinstance(failure, OSError) else "EPROTO"
        if not error:
            self.figures.reads.setdefault(vm, Histogram()).observe(time.monotonic() - acked)
        elif seq in self.ledger.entries:  # else it was unlinked meanwhile
            self.figures.read_errors[vm, error] += 1

    # ------------------------------------------------------------------ the ledger and the files

    async def _keep_durable(self) -> None:
        while True:
            async with self._disk:
                await asyncio.to_thread(self.ledger.sync)
                if self.ledger.bloated:
                    await self._rewrite_ledger()
            for pool in self.pools:
                pool.trim()
            await asyncio.sleep(TIDY)

    async def _rewrite_ledger(self) -> None:
        lines, done = self.ledger.begin_rewrite(), False
        try:
            await asyncio.to_thread(self.ledger.rewrite, lines)
            done = True
        finally:
            self.ledger.end_rewrite(done=done)

    async def _clear_away(self) -> None:
        await self._find_leftovers()
        while True:
            known, unknown = self._expired()
            self.figures.unaudited += len(unknown)
            gone = known + unknown
            if gone:
                self.ledger.drop(gone)
                async with self._disk:  # else a crash could make an unlinked write look lost
                    await asyncio.to_thread(self.ledger.sync)
                self._debris.update(dict.fromkeys(map(audit.name, gone), time.monotonic()))
            await self._unlink()
            await asyncio.sleep(TIDY)

    def _expired(self) -> tuple[list[int], list[int]]:
        """Writes that were kept long enough: those of which an audit knows, and those that cannot be kept for ever."""
        now, known = time.time(), list[int]()
        unknown: list[int] = []
        for entry in self.ledger.entries.values():
            if self._known(entry) and entry.acked < now - self.config.keep:
                known.append(entry.seq)
            elif entry.acked < now - self.config.keep * UNAUDITED:
                unknown.append(entry.seq)
        return known, unknown

    def _known(self, entry: Entry) -> bool:
        began, behind = self._whole
        return (entry.acked < began and entry.seq not in behind) or entry.seq in self.ledger.harm

    async def _unlink(self) -> None:
        while page := self._ripe()[:UNLINKS]:
            if (await self.cleaners.ask("unlink", self.config.vm, page)).errno:
                return  # the next round tries again
            for name in page:
                del self._debris[name]

    def _ripe(self) -> list[str]:
        """What may go: while a write is late only what has waited for long, else a slow volume would fill up."""
        now = time.monotonic()
        until = now - (self.config.keep if self.stalls.oldest(now) > LATE else 0.0)
        return [name for name, at in self._debris.items() if at <= until]

    async def _find_leftovers(self) -> None:
        """What an earlier life wrote and does not keep."""
        after = ""
        while True:
            answer = await self.cleaners.ask("names", self.config.vm, after)
            if answer.errno:
                await asyncio.sleep(TIDY)
                continue
            self._debris.update(dict.fromkeys(self._leftovers(answer.value), time.monotonic()))
            if len(answer.value) < files.PAGE:
                return
            after = answer.value[-1]

    def _leftovers(self, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            found = files.NUMBER.search(name)
            if found and not self.ledger.took(int(found[0])) and int(found[0]) not in self.ledger.entries:
                yield name

    # ------------------------------------------------------------------ audits

    async def _audit_forever(self) -> None:
        while True:
            began = time.monotonic()
            await self._audit()
            await asyncio.sleep(began + self.config.audit - time.monotonic())

    async def _audit(self) -> None:
        began = time.time()
        written = {seq: entry.sha256 for seq, entry in self.ledger.entries.items() if entry.acked < began}
        sets = await asyncio.gather(*(asyncio.gather(*map(self._look, bricks)) for bricks in self.bricks))
        held = [[brick for brick in bricks if brick] for bricks in sets]
        found = None
        if [len(bricks) for bricks in held] == [len(bricks) for bricks in sets]:
            found = await asyncio.to_thread(audit.judge, written, held, began)
        harm = self._auditor.conclude(found, self.ledger.entries.keys() - self.ledger.harm.keys())
        if harm:
            self.ledger.note(harm)
            LOG.error("acknowledged writes harmed: %s", ", ".join(f"{seq} {what}" for seq, what in harm.items()))
        if found:
            self._whole = (began, found.behind)
            self.figures.audited, self.figures.behind = began, len(found.behind & self.ledger.entries.keys())

    async def _look(self, brick: Peer) -> audit.Brick | None:
        try:
            said = await brick.get(f"/audit/{self.config.volume}/.chaosjc/{self.config.vm}", BRICK_ANSWERS)
            return audit.Brick(int(said["pending"]), bool(said["arbiter"]), dict(said["files"]))
        except (OSError, ValueError, LookupError, TypeError):
            return None


def main(config: Path) -> None:
    """Run until SIGTERM or SIGINT. Raises UsageError for a bad configuration, ledger or port."""
    read_config = read(config)
    ledger = Ledger(read_config.ledger_path, beginning(time.time()))
    try:
        asyncio.run(_serve(Canary(read_config, ledger)))
    except* OSError as failures:
        raise ChaosJCError(f"{ledger.path}: {failures.exceptions[0]}", hint="the ledger cannot be written") from None
    finally:
        ledger.close()


async def _serve(canary: Canary) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.create_task(canary.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    loop.add_signal_handler(signal.SIGCHLD, canary.reap)

    def wait_for(work: Awaitable[T]) -> T:
        return asyncio.run_coroutine_threadsafe(_awaited(work), loop).result()

    def read_route(file: str, query: web.Query) -> web.Reply:
        vm = query.get("of", "")
        if not files.NUMBER.fullmatch(file) or vm not in {canary.config.vm, *canary.config.peers}:
            return web.Reply(404, {"reason": "no write of a peer"})
        return wait_for(canary.read(vm, file))

    async def families() -> list[Family]:
        return canary.families()

    registry = CollectorRegistry()
    registry.register(Scrape(lambda: wait_for(families())))
    server = web.serve(canary.config.listen, registry, {"/read/": read_route})
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        server.close()
        for pool in canary.pools:
            await pool.close(GOODBYE)


async def _awaited(work: Awaitable[T]) -> T:
    return await work
