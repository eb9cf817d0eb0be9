"""What a run works with; `session` puts it together, tests put in their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chaosjc.engine.guards import Facts
from chaosjc.engine.sampler import Ask
from chaosjc.engine.undo import Undoer
from chaosjc.journal.events import CheckPlan, Entry, Reading
from chaosjc.journal.store import View
from chaosjc.site.topology import Topology


class WatchdogLike(Protocol):
    """The process that takes over when this one dies."""

    def wait_ready(self) -> None: ...  # noqa: D102

    @property
    def alive(self) -> bool: ...  # noqa: D102

    def dismiss(self) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class Parts:
    """What a run works with.

    `backfill` asks a source for a stretch of the past; `lag` how old its newest may be. `facts` is what the guards look
    at, with the topology that the plan was made of; `look` is the topology as it is now, which takes seconds: it raises
    ChaosJCError where nobody can say, and is empty without a site.
    """

    undoer: Undoer
    ask: Ask
    backfill: Callable[[CheckPlan, float, float], tuple[Reading, ...]]
    lag: Callable[[], float]
    watchdog: Callable[[], WatchdogLike]
    facts: Callable[[View], Facts]
    look: Callable[[], Topology]
    observe: Callable[[Entry], None]
