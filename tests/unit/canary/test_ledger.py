from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosjc.canary import ledger as module
from chaosjc.canary.ledger import BLOCK, EPOCH, PACE, Entry, Ledger, beginning, parse, plus
from chaosjc.errors import UsageError

SHA = "ab" * 32


def entry(seq: int) -> Entry:
    return Entry(seq, SHA, 1_795_000_000.1, 1_795_000_000.25)


def test_a_restart_knows_what_was_acknowledged_dropped_and_found(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "homes.ledger"
    ledger = Ledger(path)
    for seq in (0, 1, 2):
        ledger.add(entry(seq))
    ledger.drop([1])
    ledger.note({2: "lost", 0: "corrupt"})
    ledger.close()
    again = Ledger(path)
    assert again.entries == {0: entry(0), 2: entry(2)}
    assert again.harm == {0: "corrupt", 2: "lost"}
    again.close()


def test_numbers_never_repeat(tmp_path: Path) -> None:
    path, taken = tmp_path / "homes.ledger", list[int]()
    for count in (3, 2 * BLOCK + 7, 1):
        ledger = Ledger(path)
        assert ledger.first > max(taken, default=-1)
        taken += [ledger.take() for _ in range(count)]
        os.close(ledger._lock)  # it dies: nothing is closed in order
    assert len(set(taken)) == len(taken)


def test_a_new_ledger_begins_above_all_that_an_earlier_one_can_have_used(tmp_path: Path) -> None:
    lost = Ledger(tmp_path / "lost.ledger", beginning(EPOCH + 1000.0))
    written = [lost.take() for _ in range(PACE)]  # within a second
    new = Ledger(tmp_path / "new.ledger", beginning(EPOCH + 1001.0))
    assert written[-1] < new.first == new.take()
    new.close()
    again = Ledger(tmp_path / "new.ledger", beginning(EPOCH + 9999.0))
    assert again.first == new.first + BLOCK, "a ledger that is there goes on"
    for each in (lost, again):
        each.close()


def test_numbers_have_ten_digits_for_years() -> None:
    assert beginning(EPOCH + 15 * 365 * 86400.0) < 10**10


@given(st.integers(0, 400))
def test_a_torn_end_spoils_nothing_else(cut: int) -> None:
    whole = "".join(
        f"\n{line}" for line in (plus(entry(1)), "- 0000000001", plus(entry(2)), "= 0000001000", "lost 0000000002")
    )
    torn = parse(whole[:cut])
    after = parse(whole[:cut] + "\n" + plus(entry(7)))
    assert after.entries.keys() - torn.entries.keys() == {7}
    assert torn.records == sum(line in whole[1:].split("\n") for line in whole[:cut].split("\n") if line)


@pytest.mark.parametrize("line", ["+ 0000000001", plus(entry(1))[:-1], "- 000000001", "junk", "lost 1", "\0\0"])
def test_what_is_no_whole_record_is_skipped(line: str) -> None:
    assert parse(line).records == 0


def test_a_rewritten_log_has_the_same_contents_and_what_came_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "homes.ledger"
    ledger = Ledger(path)
    for _ in range(10):
        ledger.add(entry(ledger.take()))
    ledger.drop(range(8))
    ledger.note({1: "lost"})
    lines = ledger.begin_rewrite()
    ledger.add(entry(ledger.take()))
    ledger.drop([8])
    ledger.rewrite(lines)
    ledger.add(entry(ledger.take()))
    ledger.end_rewrite(done=True)
    ledger.drop([9])
    ledger.add(entry(ledger.take()))
    ledger.close()
    again = Ledger(path)
    assert (again.entries.keys(), again.harm) == ({10, 11, 12}, {1: "lost"})
    assert again.first == BLOCK
    again.close()


def test_a_rewrite_that_failed_leaves_the_old_log(tmp_path: Path) -> None:
    path = tmp_path / "homes.ledger"
    ledger = Ledger(path)
    ledger.add(entry(ledger.take()))
    ledger.begin_rewrite()
    ledger.add(entry(ledger.take()))
    ledger.end_rewrite(done=False)
    ledger.add(entry(ledger.take()))
    ledger.close()
    assert Ledger(path).entries.keys() == {0, 1, 2}


def test_a_log_of_dropped_writes_is_bloated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLACK", 10)
    ledger = Ledger(tmp_path / "homes.ledger")
    for _ in range(10):
        ledger.add(entry(ledger.take()))
    assert not ledger.bloated
    ledger.drop(range(10))
    assert ledger.bloated
    ledger.begin_rewrite()
    ledger.end_rewrite(done=True)
    assert not ledger.bloated
    ledger.close()


def test_two_canaries_cannot_share_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "homes.ledger")
    with pytest.raises(UsageError, match="another canary"):
        Ledger(tmp_path / "homes.ledger")
    ledger.close()
    Ledger(tmp_path / "homes.ledger").close()


def test_a_place_that_cannot_hold_one_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file"):
        Ledger(tmp_path / "file" / "homes.ledger")
