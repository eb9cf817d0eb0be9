"""The journal's store: one append-only SQLite table; all else is a query.

Every append is one `BEGIN IMMEDIATE` transaction with `synchronous=FULL`: an event is on the disk before the act that
it announces, and a rule that depends on what others wrote (a halt, a claim) is checked in the same transaction.
"""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from chaosjc.clock import Clock, SystemClock
from chaosjc.errors import Fenced, JournalError, UsageError
from chaosjc.journal import redact
from chaosjc.journal.events import (
    EVENT,
    Admitted,
    DebtCleared,
    Entry,
    Event,
    Halted,
    Intent,
    Planned,
    Refused,
    Resumed,
    Sample,
    UndoClaimed,
    UndoFailed,
    Undone,
    Verified,
)
from chaosjc.journal.state import RunState, fold

SCHEMA = 1
_CREATE = """
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at REAL NOT NULL, run TEXT NOT NULL, type TEXT NOT NULL, step TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_run ON events (run, seq);
CREATE INDEX IF NOT EXISTS events_type ON events (type, seq);
CREATE TRIGGER IF NOT EXISTS events_kept BEFORE DELETE ON events
  BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS events_fixed BEFORE UPDATE ON events
  BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""
_OPEN = """
SELECT run FROM (
  SELECT run FROM events WHERE type = 'planned' AND run NOT IN (SELECT run FROM events WHERE type = 'closed')
  UNION SELECT run FROM events WHERE type = 'closed' AND at >= ?
  UNION SELECT run FROM (
    SELECT run, type, body, max(seq) FROM events WHERE type IN ('intent', 'verified', 'debt-cleared') GROUP BY run, step
  ) WHERE type = 'intent' OR (type = 'verified' AND instr(body, '"outcome":"whole"') = 0)
) AS open ORDER BY (SELECT min(seq) FROM events WHERE events.run = open.run)
"""
"""Every run that may be open: of a closed one each step's last word is looked at, so that years of runs cost little."""
_HINT = "Nothing was injected. Free or repair the disk, or name another state directory with --state."


@dataclass(frozen=True)
class View:
    """What an admission reads, all in one transaction."""

    halted: Halted | None
    runs: tuple[RunState, ...]  # every run that is not closed, or owes an undo; at an admission also such as just ended


class Store:
    """The events of one site. Safe for threads and for processes that share the file."""

    def __init__(self, path: Path, clock: Clock | None = None, *, busy_seconds: float = 10.0) -> None:
        self.path = path
        self._clock = clock or SystemClock()
        self._secrets = redact.secrets(os.environ)
        self._lock = threading.RLock()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._check_schema()

    def check(self) -> None:
        """Raise JournalError where the file is damaged: it could lose what it is told. Takes 0.1 s for 100 MB."""
        with self._errors(), self._lock:
            found = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise JournalError(f"the journal {self.path} is damaged: {found}", hint=_HINT)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- writing

    def append(self, event: Event, run: str = "") -> Entry:
        """Make one event durable; raises Fenced where the rules of its kind refuse it, else JournalError."""
        return self.append_all([event], run)[0]

    def append_all(self, events: Sequence[Event], run: str = "") -> list[Entry]:
        """All of them, or none."""
        with self._transaction():
            return [self._insert(event, run) for event in events]

    def admit(self, run: str, decide: Callable[[View], Refused | None], since: float = math.inf) -> Refused | None:
        """Ask the guards and write their answer in one transaction: `admitted`, or `refused` which is also returned.

        They see also the runs that were closed after `since`.
        """
        with self._transaction():
            refused = decide(View(self._halted(), tuple(self._open_runs(since))))
            self._insert(refused or Admitted(), run)
            return refused

    # ---- reading

    def entries(self, run: str, after: int = 0) -> list[Entry]:
        """The events of a run with a `seq` above `after`, in order."""
        return self._select("run = ? AND seq > ? ORDER BY seq", (run, after))

    def runs(self) -> list[str]:
        """The ids of all runs, oldest first."""
        with self._errors(), self._lock:
            rows = self._db.execute("SELECT run FROM events WHERE run != '' GROUP BY run ORDER BY min(seq)")
            return [row[0] for row in rows]

    def planned(self, after: int = 0) -> list[tuple[int, str]]:
        """The runs that were planned by an event with a `seq` above `after`, with that, oldest first."""
        with self._errors(), self._lock:
            rows = self._db.execute(
                "SELECT seq, run FROM events WHERE type = 'planned' AND seq > ? ORDER BY seq", (after,)
            )
            return [(row[0], row[1]) for row in rows]

    def halted(self) -> Halted | None:
        """The halt in force, if there is one."""
        with self._errors(), self._lock:
            return self._halted()

    def state(self, run: str) -> RunState | None:
        """Where a run stands; None if it is not known. Does not read its samples, which are most of a journal."""
        return fold(self._select("run = ? AND type != 'sample' ORDER BY seq", (run,)))

    def open_runs(self) -> list[RunState]:
        """Every run that is not closed, or owes an undo."""
        with self._errors(), self._lock:
            return list(self._open_runs())

    # ---- inside

    def _halted(self) -> Halted | None:
        last = self._select("type IN ('halted', 'resumed') ORDER BY seq DESC LIMIT 1", ())
        return last[0].event if last and isinstance(last[0].event, Halted) else None

    def _open_runs(self, since: float = math.inf) -> Iterable[RunState]:
        runs = [row[0] for row in self._db.execute(_OPEN, (since,))]
        states = (self.state(run) for run in runs)
        return [state for state in states if state and (state.debts or (state.closed_at or math.inf) >= since)]

    def _insert(self, event: Event, run: str) -> Entry:
        self._fence(event, run)
        at, body = self._clock.time(), self._without_secrets(event)
        cursor = self._db.execute(
            "INSERT INTO events (at, run, type, step, body) VALUES (?, ?, ?, ?, ?)",
            (at, run, event.type, getattr(event, "step", ""), body),
        )
        return Entry(seq=cursor.lastrowid or 0, at=at, run=run, event=event)

    def _without_secrets(self, event: Event) -> str:
        body = EVENT.dump_json(event).decode()
        if not isinstance(event, Planned):
            return redact.hide(body, self._secrets)
        if name := redact.told_in(body, self._secrets):
            what = f"the plan has the value of ${name} in it, and the journal would keep it"
            raise UsageError(what, hint="let the command read it where it lies; of an http check, `secret_headers`")
        return body

    def _fence(self, event: Event, run: str) -> None:
        """Refuse what would break a promise that another process has made meanwhile."""
        if isinstance(event, Halted | Resumed | Sample):
            return
        state = self.state(run)
        if isinstance(event, Intent) and (halt := self._halted()):
            raise Fenced("halted", f"halted by {halt.who}: {halt.why}")
        if state and state.closed and not isinstance(event, DebtCleared | UndoClaimed | Undone | UndoFailed | Verified):
            raise Fenced("closed", f"run {run} is closed ({state.closed.verdict}): no {event.type} can follow")
        if state:
            _fence_by_epoch(event, state)

    def _select(self, where: str, arguments: Sequence[object]) -> list[Entry]:
        with self._errors(), self._lock:
            rows = self._db.execute(f"SELECT seq, at, run, body FROM events WHERE {where}", arguments).fetchall()  # noqa: S608 - our own constants
        return [self._entry(*row) for row in rows]

    def _entry(self, seq: int, at: float, run: str, body: str) -> Entry:
        try:
            return Entry(seq=seq, at=at, run=run, event=EVENT.validate_json(body))
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise JournalError(f"the journal {self.path}: event {seq} cannot be read: {why}", hint=_HINT) from error

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        with self._errors(), self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeError) as error:  # SQLite tells what is damaged byte by byte
            raise JournalError(f"the journal {self.path} cannot be used: {error}", hint=_HINT) from error

    def _check_schema(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA:
            raise JournalError(
                f"{self.path} was written by a newer chaosjc (schema {version}, this one knows {SCHEMA})",
                hint="Use that release.",
            )
        if version < SCHEMA:
            self._db.executescript(f"{_CREATE}PRAGMA user_version={SCHEMA};")  # on a full disk, the old can be opened


def _fence_by_epoch(event: Event, state: RunState) -> None:
    if isinstance(event, Intent):
        if state.stopping or any(s.claimed_at for s in state.steps.values() if s.plan.id == event.step):
            raise Fenced("epoch", f"{event.step}: the run is already being undone")
        return
    step = state.steps.get(getattr(event, "step", ""))
    if step is None:
        return
    if isinstance(event, UndoClaimed) and event.epoch != step.epoch + 1:
        raise Fenced("epoch", f"{event.step}: claimed meanwhile, epoch {step.epoch}")
    if isinstance(event, Undone | UndoFailed | Verified) and event.epoch != step.epoch:
        raise Fenced("epoch", f"{event.step}: taken over, epoch {step.epoch} is newer than {event.epoch}")
