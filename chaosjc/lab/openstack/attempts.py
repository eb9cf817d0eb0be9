"""What a thread that never ends tries again and again: one failure costs it nothing, only one that lasts counts."""

import logging
import time
from collections.abc import Callable, Iterable

LOG = logging.getLogger(__name__)


def tried(act: Callable[..., object], *given: object) -> bool:
    """Whether it went well; what it raised is in the log."""
    try:
        act(*given)
    except Exception:
        LOG.exception("%s%s", getattr(act, "__name__", act), given)
        return False
    return True


def all_tried(act: Callable[..., object], each: Iterable[tuple[object, ...]]) -> bool:
    """Whether it went well with every one of them; each has its turn, whatever happens to those before it."""
    return all([tried(act, *given) for given in each])


class Since:
    """For how long, in seconds, things have been so without a break."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: dict[str, float] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._began

    def seconds(self, key: str) -> float:
        """It is so now."""
        return self._clock() - self._began.setdefault(key, self._clock())

    def over(self, key: str) -> None:
        """It is so no longer, or has been dealt with."""
        self._began.pop(key, None)
