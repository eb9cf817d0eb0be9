"""`chaosjc runs`: what happened before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaosjc.journal.events import Entry

app = typer.Typer(no_args_is_help=True)
State = Annotated[str, typer.Option(help="One state directory; else every site of this user.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def runs() -> None:
    """Past runs."""


@app.command("list")
def list_runs(state: State = "", as_json: AsJson = False) -> None:
    """Every run of every site, oldest first."""
    from rich.console import Console

    from chaosjc.report.data import list_object
    from chaosjc.report.terminal import run_list

    found = _all_runs(state)
    if as_json:
        typer.echo(json.dumps(list_object(found)))
    elif found:
        Console().print(run_list(found, _dead(state, found)))
    else:
        typer.echo("no runs yet")


@app.command()
def show(run: str, state: State = "", as_json: AsJson = False) -> None:
    """One run: its verdict, what it rests on, and, should it differ, the verdict computed anew from the journal."""
    from rich.console import Console

    from chaosjc.report.data import run_object
    from chaosjc.report.terminal import Summary

    entries = find_run(run, state)
    if as_json:
        typer.echo(json.dumps(run_object(entries)))
    else:
        Console().print(Summary(entries))


def find_run(run: str, state: str) -> Sequence[Entry]:
    """The entries of a run by its id, or by the part of it that no other has; UsageError where there is no such run."""
    from chaosjc.errors import UsageError

    found = {entries[0].run: entries for entries in _all_runs(state) if run in entries[0].run}
    if run in found:
        return found[run]
    if len(found) != 1:
        what = f"{run} is a part of several: {', '.join(found)}" if found else f"there is no run {run}"
        raise UsageError(what, hint="`chaosjc runs list` shows them all")
    return next(iter(found.values()))


def _dead(state: str, runs: Sequence[Sequence[Entry]]) -> frozenset[str]:
    """Those that did not end, and whose process did: the journal alone does not tell them from those under way."""
    unended = {each[0].run for each in runs if not any(entry.event.type == "closed" for entry in each)}
    if not unended:
        return frozenset()
    from chaosjc.cli.state import journals_there
    from chaosjc.engine.recover import alive
    from chaosjc.journal.store import Store

    for path in journals_there(state):
        with Store(path) as store:
            unended -= alive(store)
    return frozenset(unended)


def _all_runs(state: str) -> list[Sequence[Entry]]:
    from chaosjc.cli.state import journals_there
    from chaosjc.journal.store import Store

    found: list[Sequence[Entry]] = []
    for path in journals_there(state):
        with Store(path) as store:
            found += [store.entries(run) for run in store.runs()]
    return sorted(found, key=lambda entries: entries[0].at)
