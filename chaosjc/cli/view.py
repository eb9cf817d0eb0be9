"""A run as it goes on, on stderr: a live picture on a terminal, elsewhere a line for each event."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Generator
from typing import TextIO, cast

from rich.console import Console
from rich.live import Live

from chaosjc.journal.events import Entry
from chaosjc.report.live import LiveView, PlainLog

FRAMES = 4  # a second

Observe = Callable[[Entry], None]


class Forgiving(io.TextIOBase):
    """A stream that may lose its reader (`| head`, a closed terminal): no run ends, or ends otherwise, for that."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - it has no setter there either
        """As the stream's."""
        return self._stream.encoding

    def write(self, text: str, /) -> int:
        """Say that all is written, whatever came of it."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """The same."""
        self._try(self._stream.flush)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError:
            with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self.fileno())  # else Python's last flush fails, and changes the exit code

    def isatty(self) -> bool:
        """As the stream."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """As the stream's."""
        return self._stream.fileno()


def to_stdout() -> Console:
    """For what a run has found."""
    return Console(file=cast("TextIO", Forgiving(sys.stdout)))


@contextlib.contextmanager
def watching(*, quiet: bool) -> Generator[Observe]:
    """Show what the run tells, until the block ends."""
    console = Console(file=cast("TextIO", Forgiving(sys.stderr)))
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
            console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)

    return observe


@contextlib.contextmanager
def _live(console: Console) -> Generator[Observe]:
    view = LiveView(time.time)
    with Live(view, console=console, refresh_per_second=FRAMES, transient=True):
        yield lambda entry: view.update([entry])
