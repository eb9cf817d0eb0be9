"""One entry that falls due: claimed, prepared, run to its end. Who wakes it up is the daemon's business."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from chaosjc.controller.admission import Admission
from chaosjc.controller.claims import Claim, Claims, Outcome, latest
from chaosjc.controller.model import Entry, Loaded
from chaosjc.controller.schedule import Firing, next_firing, of_entry
from chaosjc.journal.verdict import EXIT_CODES
from chaosjc.spec.settings import write

GRACE = datetime.timedelta(seconds=60)
"""How late something may begin; what is later is not caught up with: nobody expects it any more."""

DAY = datetime.timedelta(days=1)


class Child(Protocol):
    """Starts `chaosjc WORDS`, waits for its end, and returns its exit code."""

    def __call__(self, words: Sequence[str]) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class Due:
    """An entry of a schedule. `trouble` says why its files cannot be followed as they are now: then nothing begins."""

    loaded: Loaded
    entry: Entry
    trouble: str = ""

    @property
    def id(self) -> str:
        """Of all entries of all schedules."""
        return f"{self.loaded.schedule.name}/{self.entry.name}"

    @property
    def deploys(self) -> bool:
        """Whether the site is to be made whole before it is broken."""
        return self.entry.prepare == "deploy" and self.loaded.site_path is not None


@dataclass(frozen=True)
class Drawn:
    """What was found to be due next after `since`: true until it has come, or for a day where nothing is."""

    loaded: Loaded
    since: datetime.datetime
    firing: Firing | None

    def holds(self, loaded: Loaded, after: datetime.datetime) -> bool:
        """Whether it is also the next after that instant, by these files."""
        until = self.firing.at if self.firing else self.since + DAY
        return loaded is self.loaded and self.since <= after < until


class Controller:
    """Runs one thing at a time: a site is broken in one way only, or nobody could tell what broke it."""

    def __init__(
        self,
        claims: Claims,
        child: Child,
        now: Callable[[], datetime.datetime],
        admission: Admission,
        state: str = "",
    ) -> None:
        self._claims, self._child, self.now, self._admission, self._state = claims, child, now, admission, state
        self._deciding, self._running = threading.Lock(), False
        self._drawn: dict[str, Drawn] = {}

    def next(self, due: Due, claims: Sequence[Claim] | None = None) -> Firing | None:
        """The first that is still to come, and was never dealt with; `claims`, where they were just read."""
        now, last = self.now(), self._last(due, self._claims.all() if claims is None else claims)
        loaded, after = due.loaded, max(now, last) if last else now
        drawn = self._drawn.get(due.id)
        if drawn is None or not drawn.holds(loaded, after):
            drawn = Drawn(loaded, after, next_firing(loaded.schedule, due.entry, after, loaded.policy))
            self._drawn[due.id] = drawn
        return drawn.firing

    def fire(self, due: Due) -> Claim | None:
        """Deal with what fell due in the last minute, if nobody has yet.

        Raises JournalError where that cannot be remembered, or the site's journal not be read: then nothing was begun.
        """
        with self._deciding:  # so that a due time is dealt with once, however often it is fired
            firing = self._fallen_due(due)
            claim = self._begin(due, firing) if firing else None
        if firing is None or claim is None or claim.outcome != "begun":
            return claim
        try:
            return self._run(due, firing)
        finally:
            self._running = False

    def _fallen_due(self, due: Due) -> Firing | None:
        now, last = self.now(), self._last(due, self._claims.all())
        loaded, until = due.loaded, now + datetime.timedelta(microseconds=1)
        found = list(of_entry(loaded.schedule, due.entry, now - GRACE, until, loaded.policy))
        return found[-1] if found and (last is None or found[-1].at > last) else None

    @staticmethod
    def _last(due: Due, claims: Sequence[Claim]) -> datetime.datetime | None:
        return latest(claims, due.loaded.schedule.name, due.entry.name)

    def _begin(self, due: Due, firing: Firing) -> Claim:
        if due.trouble:
            return self._not_started(due, firing, "refused", due.trouble)
        if other := "another run was under way" if self._running else self._admission.under_way():
            return self._claim(due, firing, "busy", why=other)
        if due.deploys and (why := self._admission.refusal(due.loaded.policy, self.now())):  # a run asks by itself
            return self._not_started(due, firing, "refused", why)
        claim = self._claim(due, firing, "begun")
        self._running = True
        return claim

    def _run(self, due: Due, firing: Firing) -> Claim:
        if due.deploys and (claim := self._prepare(due, firing)):
            return claim
        return self._claim(due, firing, "ended", code=self._child(self._words(due, firing)))

    def _prepare(self, due: Due, firing: Firing) -> Claim | None:
        """What becomes of it, where it goes no further."""
        for verb in ("deploy", "verify"):
            if self._child(["site", verb, str(due.loaded.site_path), *self._where()]):
                return self._not_started(due, firing, "prepare-failed", f"site {verb} failed")
        other = self._admission.under_way()  # it took minutes, in which a person may have begun something
        return self._claim(due, firing, "busy", why=other) if other else None

    def _words(self, due: Due, firing: Firing) -> list[str]:
        settings = [word for name, value in due.entry.vars.items() for word in ("--set", f"{name}={write(value)}")]
        files = [str(each) for each in due.loaded.experiments(due.entry)]
        on = ["--site", str(due.loaded.site_path)] if due.loaded.site_path else []
        return ["run", *files, *on, "--seed", str(firing.seed), *settings, *self._where(), "--json"]

    def _where(self) -> list[str]:
        return ["--state", self._state] if self._state else []

    def _not_started(self, due: Due, firing: Firing, outcome: Outcome, why: str) -> Claim:
        return self._claim(due, firing, outcome, code=EXIT_CODES["NOT-STARTED"], why=why)

    def _claim(self, due: Due, firing: Firing, outcome: Outcome, *, code: int | None = None, why: str = "") -> Claim:
        claim = Claim(due.loaded.schedule.name, due.entry.name, firing.at.isoformat(), outcome, code, why)
        self._claims.add(claim)
        return claim
