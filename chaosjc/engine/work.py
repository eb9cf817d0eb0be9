"""Acts in threads of their own: each tells when it has ended, and how."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from chaosjc.errors import ChaosJCError

Act = Literal["inject", "undo", "watchdog", "look"]


@dataclass(frozen=True)
class Done:
    """An act has ended; `step` is empty for one that is of the whole run."""

    act: Act
    step: str
    error: Exception | None


class Work:
    """What is under way. `deliver` is called from the act's own thread; `ended` by who has read what it delivered."""

    def __init__(self, deliver: Callable[[Done], None]) -> None:
        self._deliver = deliver
        self._busy: set[tuple[Act, str]] = set()

    def __bool__(self) -> bool:
        """Whether anything is."""
        return bool(self._busy)

    def doing(self, act: Act) -> bool:
        """Whether an act of this kind is."""
        return any(act == each for each, _ in self._busy)

    def start(self, act: Act, step: str, do: Callable[[], object]) -> None:
        """Do it, and deliver its end whatever that is."""

        def body() -> None:
            error: Exception | None = None
            try:
                do()
            except Exception as caught:  # noqa: BLE001 - told to the main thread, which decides
                error = (
                    caught if isinstance(caught, ChaosJCError) else RuntimeError(f"{type(caught).__name__}: {caught}")
                )
            self._deliver(Done(act, step, error))

        self._busy.add((act, step))
        threading.Thread(target=body, name=f"{act} {step}", daemon=True).start()

    def ended(self, done: Done) -> None:
        """It is no longer under way."""
        self._busy.discard((done.act, done.step))
