"""One entry that falls due: claimed, prepared, run to its end. Who wakes it up is the daemon's business."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chaosjc.controller.claims import Claim, Claims, Outcome
from chaosjc.controller.model import Entry, Loaded
from chaosjc.controller.schedule import Firing, next_firing, of_entry
from chaosjc.journal.verdict import EXIT_CODES
from chaosjc.spec.settings import write

GRACE = datetime.timedelta(seconds=60)
"""How late something may begin; what is later is not caught up with: nobody expects it any more."""


class Child(Protocol):
    """Starts `chaosjc WORDS`, waits for its end, and returns its exit code."""

    def __call__(self, words: Sequence[str]) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class Due:
    """An entry of a schedule."""

    loaded: Loaded
    entry: Entry

    @property
    def id(self) -> str:
        """Of all entries of all schedules."""
        return f"{self.loaded.schedule.name}/{self.entry.name}"


class Controller:
    """Runs one thing at a time: a site is broken in one way only, or nobody could tell what broke it."""

    def __init__(self, claims: Claims, child: Child, now: Callable[[], datetime.datetime], state: str = "") -> None:
        self._claims, self._child, self._now, self._state = claims, child, now, state
        self._busy = threading.Lock()

    def next(self, due: Due) -> Firing | None:
        """The first that is still to come, and was never dealt with."""
        now, last = self._now(), self._last(due)
        loaded = due.loaded
        return next_firing(loaded.schedule, due.entry, max(now, last) if last else now, loaded.policy)

    def fire(self, due: Due) -> Claim | None:
        """Deal with what fell due in the last minute, if nobody has yet.

        Raises JournalError where that cannot be remembered: then nothing was begun.
        """
        firing = self._fallen_due(due)
        if firing is None:
            return None
        if not self._busy.acquire(blocking=False):
            return self._claim(due, firing, "busy", why="another run was under way")
        try:
            return self._run(due, firing)
        finally:
            self._busy.release()

    def _fallen_due(self, due: Due) -> Firing | None:
        now, last = self._now(), self._last(due)
        loaded, until = due.loaded, now + datetime.timedelta(microseconds=1)
        found = list(of_entry(loaded.schedule, due.entry, now - GRACE, until, loaded.policy))
        return found[-1] if found and (last is None or found[-1].at > last) else None

    def _last(self, due: Due) -> datetime.datetime | None:
        return self._claims.last(due.loaded.schedule.name, due.entry.name)

    def _run(self, due: Due, firing: Firing) -> Claim:
        self._claim(due, firing, "begun")
        site = due.loaded.site_path
        if due.entry.prepare == "deploy" and site is not None:
            for verb in ("deploy", "verify"):
                if self._child(["site", verb, str(site), *self._where()]):
                    why = f"site {verb} failed"
                    return self._claim(due, firing, "prepare-failed", code=EXIT_CODES["NOT-STARTED"], why=why)
        return self._claim(due, firing, "ended", code=self._child(self._words(due, firing, site)))

    def _words(self, due: Due, firing: Firing, site: Path | None) -> list[str]:
        settings = [word for name, value in due.entry.vars.items() for word in ("--set", f"{name}={write(value)}")]
        files = [str(each) for each in due.loaded.experiments(due.entry)]
        on = ["--site", str(site)] if site else []
        return ["run", *files, *on, "--seed", str(firing.seed), *settings, *self._where(), "--json"]

    def _where(self) -> list[str]:
        return ["--state", self._state] if self._state else []

    def _claim(self, due: Due, firing: Firing, outcome: Outcome, *, code: int | None = None, why: str = "") -> Claim:
        claim = Claim(due.loaded.schedule.name, due.entry.name, firing.at.isoformat(), outcome, code, why)
        self._claims.add(claim)
        return claim
