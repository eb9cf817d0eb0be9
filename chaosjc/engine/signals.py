"""The signals that end what runs, and a way to hear them."""

from __future__ import annotations

import contextlib
import signal
import types
from collections.abc import Callable, Generator

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def heard(handler: Callable[[int, types.FrameType | None], None]) -> Generator[None]:
    """`handler` is told of each while the block lasts. One that is ignored, as under `nohup`, stays so."""
    listened = [each for each in ENDING if signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in listened}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
