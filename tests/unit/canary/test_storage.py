"""What the storage canary leaves out while its volume is slow, without a volume. Its process has a contract test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from chaosjc import names
from chaosjc.canary import audit
from chaosjc.canary.asking import Peer
from chaosjc.canary.children import Answer, Pool
from chaosjc.canary.ledger import Entry, Ledger
from chaosjc.canary.stalls import LATE
from chaosjc.canary.storage import READERS, UNLINKS, Canary, children_for
from chaosjc.canary.storage_config import Config

PEERS = ("worker-002", "worker-003")
KEEP = 60.0


class SlowPeer(Peer):
    """It answers when told to."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()

    async def get(self, path: str, timeout: float) -> Any:
        self.asked.append(path)
        await self.may_answer.wait()
        return {"sha256": "d"}


class Cleaners(Pool):
    """It remembers what it was told to unlink."""

    def __init__(self) -> None:
        super().__init__(lambda: lambda request: None, 1, 1)
        self.pages: list[list[str]] = []
        self.errno = ""

    async def ask(self, *request: Any) -> Answer:
        assert request[:2] == ("unlink", "worker-001")
        self.pages.append(request[2])
        return Answer(None, self.errno, time.monotonic())


@pytest.fixture
def canary(tmp_path: Path) -> Generator[Canary]:
    ledger = Ledger(tmp_path / "homes.ledger")
    yield Canary(
        Config("homes", "/srv/homes", "worker-001", 0, (), dict.fromkeys(PEERS, "http://127.0.0.1:1"), keep=KEEP),
        ledger,
    )
    ledger.close()


@pytest.fixture
def cleaners(canary: Canary) -> Cleaners:
    canary.cleaners = Cleaners()
    return canary.cleaners


@pytest.mark.parametrize("every", [0.02, 0.05, 0.1, 0.5, 60])
def test_writes_that_are_not_late_never_wait_for_each_other(every: float) -> None:
    assert children_for(every) * every > LATE
    assert children_for(0.1) == 12


def test_a_peer_that_is_slow_is_asked_for_few_writes_and_others_for_theirs(canary: Canary) -> None:
    async def read_back() -> None:
        slow, other = SlowPeer(), SlowPeer()
        other.may_answer.set()
        canary.peers |= dict(zip(PEERS, (slow, other), strict=True))
        async with asyncio.TaskGroup() as tasks:
            for seq in range(40):
                tasks.create_task(canary._read_back(seq, "d", time.monotonic()))
                await asyncio.sleep(0)
            assert (len(slow.asked), len(other.asked)) == (READERS, 20)
            slow.may_answer.set()
        await canary._read_back(40, "d", time.monotonic())
        assert slow.asked[-1] == f"/read/{audit.name(40)}?of=worker-001"

    asyncio.run(read_back())
    assert {vm: sum(each._counts) for vm, each in canary.figures.reads.items()} == {PEERS[0]: READERS + 1, PEERS[1]: 20}
    assert not canary.figures.read_errors


def test_whatever_no_number_of_this_life_or_of_the_ledger_names_is_a_leftover(canary: Canary) -> None:
    kept, mine = canary.ledger.take(), canary.ledger.take()
    canary.ledger.add(Entry(kept, "d", 1.0, 2.0))
    canary.ledger.first = mine  # what was kept is an earlier life's
    there = [audit.name(kept), audit.name(mine), audit.name(mine + 1), ".0000000900.new", "no number"]
    assert list(canary._leftovers(there)) == [audit.name(mine + 1), ".0000000900.new"]


def test_how_many_are_behind_is_known_for_three_audits(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    canary.figures.audited = 1_800_000_000.0
    for age, known in ((29.0, True), (31.0, False)):
        monkeypatch.setattr(time, "time", lambda age=age: 1_800_000_000.0 + age)
        found = {each.name for each in canary.families()}
        assert (names.STORAGE_BEHIND.name in found, names.STORAGE_AUDITED.name in found) == (known, True)


def unlink(canary: Canary) -> None:
    asyncio.run(canary._unlink())


def test_what_is_over_is_unlinked_in_pages(canary: Canary, cleaners: Cleaners) -> None:
    now = time.monotonic()
    over = [audit.name(seq) for seq in range(UNLINKS + 1)]
    canary._debris = dict.fromkeys(over, now) | {"0000009999": now + 60}
    unlink(canary)
    assert cleaners.pages == [over[:UNLINKS], over[UNLINKS:]]
    assert list(canary._debris) == ["0000009999"]


def test_what_cannot_be_unlinked_is_tried_again(canary: Canary, cleaners: Cleaners) -> None:
    canary._debris = {"0000000001": time.monotonic()}
    cleaners.errno = "ENOTCONN"
    unlink(canary)
    cleaners.errno = ""
    unlink(canary)
    unlink(canary)
    assert cleaners.pages == [["0000000001"]] * 2


def test_while_a_write_is_late_nothing_is_unlinked_but_what_waits_too_long(canary: Canary, cleaners: Cleaners) -> None:
    now = time.monotonic()
    canary._debris = {"0000000001": now, "0000000002": now - KEEP}
    canary.stalls.due(7, now - 2 * LATE)
    unlink(canary)
    assert cleaners.pages == [["0000000002"]]
    canary.stalls.answered(7, now)
    canary.stalls.due(8, now)
    unlink(canary)
    assert cleaners.pages[1:] == [["0000000001"]]


def test_a_write_that_becomes_late_meanwhile_ends_a_round_of_unlinking(canary: Canary, cleaners: Cleaners) -> None:
    class Slowing(Cleaners):
        async def ask(self, *request: Any) -> Answer:
            canary.stalls.due(7, time.monotonic() - 2 * LATE)
            return await super().ask(*request)

    canary.cleaners = slowing = Slowing()
    canary._debris = dict.fromkeys(map(audit.name, range(UNLINKS + 1)), time.monotonic())
    unlink(canary)
    assert len(slowing.pages) == 1
    assert len(canary._debris) == 1
