"""A run as it goes on, on stderr: a live picture on a terminal, elsewhere a line for each event."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator

from rich.console import Console
from rich.live import Live

from chaosjc.journal.events import Entry
from chaosjc.report.live import LiveView, PlainLog

FRAMES = 4  # a second

Observe = Callable[[Entry], None]


@contextlib.contextmanager
def watching(*, quiet: bool) -> Generator[Observe]:
    """Show what the run tells, until the block ends."""
    console = Console(stderr=True)
    if quiet:
        yield lambda _: None
    elif console.is_terminal:
        with _live(console) as observe:
            yield observe
    else:
        yield _printing(console)


def _printing(console: Console) -> Observe:
    log = PlainLog()

    def observe(entry: Entry) -> None:
        for line in log.update([entry]):
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    return observe


@contextlib.contextmanager
def _live(console: Console) -> Generator[Observe]:
    view = LiveView(time.time)
    with Live(view, console=console, refresh_per_second=FRAMES, transient=True):
        yield lambda entry: view.update([entry])
