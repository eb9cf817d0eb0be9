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
from chaosjc.journal.state import RunState, following

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
KEPT = 16  # runs whose state is remembered: those that are asked about again and again
_HINT = "Free or repair the disk, or name another state directory with --state."


@dataclass(frozen=True)
class View:
    """What an admission reads, all in one transaction."""

    halted: Halted | None
    runs: tuple[RunState, ...]  # every run that is not closed, or owes an undo; at an admission also such as just ended


class Store:
    """The events of one site. Safe for threads and for processes that share the file.

    `halts` is another journal, which need not be there yet: a halt in it binds this one too.
    """

    def __init__(
        self, path: Path, clock: Clock | None = None, *, busy_seconds: float = 10.0, halts: Path | None = None
    ) -> None:
        self.path = path
        self._halts = halts
        self._above: Store | None = None
        self._clock = clock or SystemClock()
        self._secrets = redact.secrets(os.environ)
        self._lock = threading.RLock()
        self._known: dict[str, tuple[RunState | None, int]] = {}  # runs as far as they were read, by the last `seq`
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
            if self._above:
                self._above.close()

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

    def refuse_secrets(self, planned: Planned) -> None:
        """Raise UsageError, as keeping it would, where a plan has a secret of the environment in it."""
        if name := redact.told_in(EVENT.dump_json(planned).decode(), self._secrets):
            what = f"the plan has the value of ${name} in it, and the journal would keep it"
            raise UsageError(what, hint="let the command read it where it lies; of an http check, `secret_headers`")

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
        with self._errors(), self._lock:
            state = self._state(run)
            return state and state.copy()

    def open_runs(self, since: float = math.inf) -> list[RunState]:
        """Every run that is not closed, or owes an undo, or was closed after `since`."""
        with self._errors(), self._lock:
            return list(self._open_runs(since))

    # ---- inside

    def _state(self, run: str) -> RunState | None:
        """Where a run stands; it goes on with what is told. Of its events only the new ones are read."""
        state, seen = self._known.pop(run, (None, 0))
        for entry in self._select("run = ? AND seq > ? AND type != 'sample' ORDER BY seq", (run, seen)):
            state, seen = following(state, entry), entry.seq
        self._known[run] = state, seen
        if len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        return state

    def _halted(self) -> Halted | None:
        last = self._select("type IN ('halted', 'resumed') ORDER BY seq DESC LIMIT 1", ())
        return last[0].event if last and isinstance(last[0].event, Halted) else self._halted_above()

    def _halted_above(self) -> Halted | None:
        """Looked for each time: that journal may come to be while this one is open."""
        if self._above is None and self._halts and self._halts.exists():
            self._above = Store(self._halts, self._clock)
        return self._above.halted() if self._above else None

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
        if isinstance(event, Planned):
            self.refuse_secrets(event)
        body = EVENT.dump_json(event).decode()
        return body if isinstance(event, Planned) else redact.hide(body, self._secrets)

    def _fence(self, event: Event, run: str) -> None:
        """Refuse what would break a promise that another process has made meanwhile."""
        if isinstance(event, Halted | Resumed | Sample):
            return
        state = self._state(run)
        if isinstance(event, Intent) and (halt := self._halted()):
            raise Fenced("halted", halt.told)
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
                self._known.clear()  # with what is told no more
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
