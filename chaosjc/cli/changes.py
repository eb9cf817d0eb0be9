"""What `site plan` would change and what `site deploy` has changed, for a person in a terminal of 80 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chaosjc.site.change import Action, Change

STYLES: dict[Action, str] = {"create": "green", "replace": "red", "delete": "red"}
"""What takes something away is red; whatever is not named here is an update."""
UPDATE = "yellow"


def listed(changes: Sequence[Change]) -> RenderableType:
    """Each change, under the stage that makes it."""
    stages = groupby(changes, key=lambda change: change.stage)
    return Group(*(part for stage, its in stages for part in (Text(stage, "bold"), _table(its))))


def counted(changes: Sequence[Change]) -> str:
    """`12 changes: keys 4, infra 8`, by stage."""
    stages = Counter(change.stage for change in changes)
    each = ", ".join(f"{stage} {count}" for stage, count in stages.items())
    return f"{len(changes)} change{'s' if len(changes) > 1 else ''}: {each}"


def _table(changes: Iterable[Change]) -> RenderableType:
    """Long names are folded, never cut: a person copies them."""
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")
    for change in changes:
        detail = " → ".join(part for part in (change.before, change.after) if part)
        what = Text.assemble(f"{change.kind} {change.name}  ", (detail, "dim"))
        table.add_row(Text(change.action, STYLES.get(change.action, UPDATE)), what)
    return Padding(table, (0, 0, 0, 2))
