"""Text from elsewhere on a terminal: it is shown as it is, and never steers."""

from __future__ import annotations

import io

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment

from chaosjc.report.markup import clean

_PLAIN = Console(file=io.StringIO(), markup=False, emoji=False, highlight=False)
"""To a console as it comes, `[a-z]` in a cell is markup, a `[/path]` in it an error, and `:on:` a picture."""


class Safe:
    """What it holds, with every text taken word for word, and control characters made visible."""

    def __init__(self, *parts: RenderableType) -> None:
        self._parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render, then clean: styles are no text yet at this point."""
        for segment in _PLAIN.render(Group(*self._parts), options):
            yield segment if segment.control else Segment(clean(segment.text), segment.style)
