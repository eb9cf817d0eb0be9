"""Time behind one protocol, so that tests inject it and never sleep."""

from __future__ import annotations

import datetime
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time in seconds since 1970 UTC, monotonic time in seconds, and sleep."""

    def time(self) -> float: ...  # noqa: D102

    def monotonic(self) -> float: ...  # noqa: D102

    def sleep(self, seconds: float) -> None: ...  # noqa: D102


class SystemClock:
    """The machine's own clock."""

    def time(self) -> float:
        """Seconds since 1970 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some fixed instant; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once when that is not positive."""
        if seconds > 0:
            time.sleep(seconds)


def rfc3339(seconds: float) -> str:
    """`1970-01-01T00:00:00.000Z` for 0.0: the one form of time in files and output."""
    moment = datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
