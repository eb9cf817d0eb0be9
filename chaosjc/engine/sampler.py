"""Asks every check at its own pace, each in a thread of its own, so that one that hangs delays no other.

How long an answer may take is for `ask` to see to: it answers within the check's timeout, whatever its source does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from chaosjc.clock import Clock
from chaosjc.journal.events import CheckPlan, Reading, Sample

Ask = Callable[[CheckPlan], tuple[Reading, ...]]


class Sampler:
    """Runs until `stop`; every answer goes to `deliver`, from the check's own thread."""

    def __init__(self, ask: Ask, deliver: Callable[[Sample], None], clock: Clock) -> None:
        self._ask = ask
        self._deliver = deliver
        self._clock = clock
        self._stopped: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self._over = False

    def start(self, checks: Iterable[CheckPlan]) -> None:
        """Begin to ask these; one that is asked already goes on."""
        for check in checks:
            if check.id in self._stopped:
                continue
            stopped = self._stopped[check.id] = threading.Event()
            thread = threading.Thread(target=self._loop, args=(check, stopped), name=f"check {check.id}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def pause(self, checks: Iterable[CheckPlan]) -> None:
        """Ask these no more until they are started again; an answer that is under way still counts."""
        for check in checks:
            if stopped := self._stopped.pop(check.id, None):
                stopped.set()

    @property
    def quiet(self) -> bool:
        """Whether no answer of one that is asked no more is still under way."""
        return sum(thread.is_alive() for thread in self._threads) <= len(self._stopped)

    def stop(self) -> None:
        """End all; returns once no answer is under way, so that no check's process stays behind."""
        self._over = True
        for stopped in self._stopped.values():
            stopped.set()
        for thread in self._threads:
            thread.join()

    def _loop(self, check: CheckPlan, stopped: threading.Event) -> None:
        due = self._clock.monotonic()
        while not stopped.is_set():
            readings = self._ask(check)
            if not self._over:
                self._deliver(Sample(check=check.id, readings=readings))
            # A slow answer costs the samples it overran; it does not shift those that follow.
            missed = max(0.0, self._clock.monotonic() - due) // check.every
            due += check.every * (missed + 1)
            stopped.wait(max(0.0, due - self._clock.monotonic()))
