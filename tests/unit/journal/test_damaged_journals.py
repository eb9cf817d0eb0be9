"""A damaged journal is told as one: whatever its bytes, reading it yields what was written, or a JournalError."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from chaosjc.errors import JournalError
from chaosjc.journal.events import (
    Admitted,
    Closed,
    Entry,
    Halted,
    Injected,
    Intent,
    Planned,
    Reading,
    RecoveryPlan,
    Sample,
    StepPlan,
    Target,
    UndoClaimed,
    Undone,
    Verified,
)
from chaosjc.journal.store import Store
from tests.unit.fakes import FakeClock

STEP = "f1.a"


def journal(path: Path) -> dict[str, list[Entry]]:
    """A run that ended well, one that owes an undo, and a halt; returns what can be read of it."""
    step = StepPlan(id=STEP, fault="command", target=Target(id="local", name="a"), inject="break a", undo="mend a")
    planned = Planned(experiment="e", steps=(step,), source="x" * 3000, recovery=RecoveryPlan(within=60, until=()))
    begun = [planned, Admitted(), Intent(step=STEP, owner="me"), Injected(step=STEP)]
    ended = [UndoClaimed(step=STEP, owner="me", epoch=1), Undone(step=STEP, epoch=1)]
    ended += [Verified(step=STEP, epoch=1, outcome="whole"), Closed(verdict="PASS", code="held", reason="")]
    samples = [Sample(check="h1", readings=(Reading(series="a", time=float(n), value=1.0),)) for n in range(60)]
    with Store(path, FakeClock()) as store:
        store.append_all([*begun, *samples, *ended], "r1")
        store.append_all([*begun, *samples], "r2")
        store.append(Halted(who="ada", why="exam"))
        return {run: store.entries(run) for run in store.runs()}


READERS: list[Callable[[Store], object]] = [
    lambda store: store.check(),
    lambda store: [store.entries(run) for run in store.runs()],
    lambda store: store.open_runs(),
    lambda store: store.halted(),
    lambda store: [store.state(run) for _, run in store.planned()],
    lambda store: store.append(Admitted(), "r2"),
]


def bytes_flipped(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 3, 30))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def stretch_overwritten(data: bytearray, rng: random.Random) -> None:
    start, length = rng.randrange(len(data)), rng.choice((10, 500, 4096))
    with_what = bytes(length) if rng.random() < 0.5 else rng.randbytes(length)
    data[start : start + length] = with_what[: len(data) - start]


def cut_off(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


@pytest.mark.parametrize("damage", [bytes_flipped, stretch_overwritten, cut_off])
def test_it_is_a_journal_error_or_nothing(tmp_path: Path, damage: Callable[[bytearray, random.Random], None]) -> None:
    path = tmp_path / "journal.db"
    journal(path)
    whole, told = path.read_bytes(), 0
    for seed in range(120):
        data = bytearray(whole)
        damage(data, random.Random(seed))
        path.write_bytes(data)
        for reader in READERS:
            try:
                with Store(path, FakeClock()) as store:
                    reader(store)
            except JournalError:
                told += 1
        for rest in tmp_path.glob("journal.db-*"):
            rest.unlink()
    assert told > 60, "most of it does not go unseen"


def test_what_is_left_whole_of_it_can_still_be_read(tmp_path: Path) -> None:
    """Damage to the samples of one run takes neither its debts away nor the other run."""
    path = tmp_path / "journal.db"
    written = journal(path)
    data = bytearray(path.read_bytes())
    at = data.rindex(b'"time":30.0')
    data[at : at + 3] = b"xxx"
    path.write_bytes(data)
    read: dict[str, list[Entry]] = {}
    with Store(path, FakeClock()) as store:
        for run in written:
            with contextlib.suppress(JournalError):
                read[run] = store.entries(run)
        assert [run.run for run in store.open_runs()] == ["r2"]
    assert len(read) == 1 and all(written[run] == entries for run, entries in read.items())


def test_a_reader_that_dies_in_the_middle_leaves_it_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    written = journal(path)
    with Store(path, FakeClock()) as store, contextlib.suppress(ZeroDivisionError), store._transaction():
        store._insert(Admitted(), "r2")
        raise ZeroDivisionError
    with Store(path, FakeClock()) as store:
        assert {run: store.entries(run) for run in store.runs()} == written
