"""Stand-ins that tests share: strict, small, and without sleep."""

from __future__ import annotations


class FakeClock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self.now = start

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.0)
