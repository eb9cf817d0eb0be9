"""`chaosjc schedule`: what will run by itself, and when."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chaosjc.errors import UsageError

if TYPE_CHECKING:
    from chaosjc.controller.model import Loaded
    from chaosjc.controller.schedule import Firing

app = typer.Typer(no_args_is_help=True)
Files = Annotated[list[Path], typer.Argument(help="Schedule files.", readable=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WEEK = datetime.timedelta(days=7)


@app.callback()
def schedule() -> None:
    """Experiments that run by themselves."""


@app.command()
def preview(
    files: Files,
    start: Annotated[str, typer.Option("--from", metavar="DATE", help="First day; by default from now on.")] = "",
    end: Annotated[str, typer.Option("--to", metavar="DATE", help="Last day; by default a week after the first.")] = "",
    as_json: AsJson = False,
) -> None:
    """Everything that falls due between two days, exactly as `chaosjc serve` will have it."""
    from chaosjc.controller.model import load
    from chaosjc.controller.schedule import firings

    loaded = load(files)
    now = datetime.datetime.now(datetime.UTC)
    found: list[tuple[Firing, Loaded]] = []
    for each in loaded:
        zone = each.schedule.calendar.zone
        first = _midnight(start, zone) if start else now
        last = _midnight(end, zone) + datetime.timedelta(days=1) if end else first + WEEK
        if last <= first:
            raise UsageError(f"--to {end}: it ends before it begins")
        found += [(firing, each) for firing in firings(each.schedule, first, last, each.policy)]
    _print(sorted(found, key=lambda pair: pair[0]), as_json=as_json)


@app.command("list")
def list_entries(files: Files, as_json: AsJson = False) -> None:
    """When each entry is due next."""
    from chaosjc.controller.model import load
    from chaosjc.controller.schedule import next_firing

    now = datetime.datetime.now(datetime.UTC)
    pairs = [
        (next_firing(each.schedule, entry, now, each.policy), each)
        for each in load(files)
        for entry in each.schedule.entries
    ]
    _print(sorted(((f, each) for f, each in pairs if f), key=lambda pair: pair[0]), as_json=as_json)


def _midnight(text: str, zone: datetime.tzinfo) -> datetime.datetime:
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"expected a date such as 2026-12-24, found {text!r}") from None
    return datetime.datetime.combine(day, datetime.time(), zone)


def _print(found: Sequence[tuple[Firing, Loaded]], *, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from chaosjc.report.safe import Safe

    rows = [_row(firing, loaded) for firing, loaded in found]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table(box=None, pad_edge=False, header_style="bright_black")
    for heading in ("when", "schedule", "entry", "experiments"):
        table.add_column(heading)
    for row, (firing, loaded) in zip(rows, found, strict=True):
        local = firing.at.astimezone(loaded.schedule.calendar.zone)
        names = ", ".join(Path(each).stem for each in row["experiments"])
        table.add_row(f"{local:%a %Y-%m-%d %H:%M:%S %Z}", row["schedule"], row["entry"], names)
    Console().print(Safe(table if rows else "nothing falls due"))


def _row(firing: Firing, loaded: Loaded) -> dict[str, Any]:
    from chaosjc.clock import rfc3339

    entry = next(each for each in loaded.schedule.entries if each.name == firing.entry)
    return {
        "at": rfc3339(firing.at.timestamp()),
        "schedule": loaded.schedule.name,
        "entry": firing.entry,
        "experiments": [str(each) for each in loaded.experiments(entry)],
        "seed": firing.seed,
    }
