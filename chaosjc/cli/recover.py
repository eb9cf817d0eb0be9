"""`chaosjc recover`: end every undo debt."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from chaosjc.cli.say import say
from chaosjc.cli.state import journals_there, out_of_reach, state_root, who

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chaosjc.engine.recover import Paid, Recovery

app = typer.Typer()


@app.command()
def recover(
    abandon: Annotated[
        str, typer.Option(metavar="STEP", help="Give up the debt of this step, or RUN/STEP; audited.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why it is given up.")] = "",
    state: Annotated[str, typer.Option(help="One state directory; else every site of this user.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Undo and verify whatever a dead run left behind. Exits 0 only when no debt is left."""
    import dataclasses
    import json

    from chaosjc.cli.attempts import Attempts
    from chaosjc.clock import SystemClock
    from chaosjc.engine import recover as engine
    from chaosjc.errors import UsageError
    from chaosjc.journal.store import Store

    if bool(abandon) != bool(reason):
        raise UsageError("--abandon STEP and --reason TEXT go together")
    found: list[Recovery] = []
    attempts = Attempts("recovered")
    paths = _looked_at(state)
    attempts.missed(out_of_reach(state))
    if abandon:
        return _abandon(paths, abandon, reason)
    for path in paths:
        with attempts.of(path.parent), Store(path) as store:
            found += engine.recover(store, SystemClock(), lambda line: say(line, err=True))
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(each) for each in found]))
    else:
        _print(found, nothing_else=not attempts.failed)
    if attempts.failed or not all(each.clean for each in found):
        raise typer.Exit(6)


def _looked_at(state: str) -> list[Path]:
    """Said, since nobody can tell by "nothing is owed" of whom. UsageError where the one that is named is not there."""
    from chaosjc.errors import UsageError

    paths = journals_there(state)
    if state and not paths:
        what = f"{state}: no journal is there"
        raise UsageError(what, hint="name the directory that its runs had, or leave --state out to look at every site")
    where = ", ".join(str(path.parent) for path in paths) or f"nowhere: below {state_root()} there is no journal yet"
    say(f"looks at {where}", err=True)
    return paths


def _abandon(paths: Sequence[Path], step: str, reason: str) -> None:
    """Of all journals together, so that no debt is given up that was not meant."""
    from chaosjc.engine import recover as engine
    from chaosjc.errors import UsageError
    from chaosjc.journal.store import Store

    with contextlib.ExitStack() as stack:
        stores = [stack.enter_context(Store(path)) for path in paths]
        owing = [store for store in stores for _ in engine.owing(store, step)]
        if not owing:
            raise UsageError(f"no open debt is called {step}", hint=f"open debts: {engine.debts(stores)}")
        if len(owing) > 1:
            raise UsageError(f"several open debts are called {step}", hint=f"name one: {engine.debts(stores)}")
        run = engine.abandon(owing[0], step, who(), reason)
    say(f"{run}: {step.rpartition('/')[2]} is given up: {reason}")


def _print(found: list[Recovery], *, nothing_else: bool) -> None:
    if not found and nothing_else:
        typer.echo("nothing is owed")
    for each in found:
        say(f"{each.run} ({each.experiment}): {_became(each)}")
        for paid in each.paid:
            say(f"  {paid.step} on {paid.target}: {paid.undo}: {_seen(paid)}")


def _became(each: Recovery) -> str:
    if each.failed:
        return f"NOT KNOWN: {each.failed}"
    if each.owed:
        which = ", ".join(each.owed)
        return f"under way, and its own process still owes {which}" if each.under_way else f"STILL OWED: {which}"
    by = " by another process" if each.under_way else ""
    return f"undone and verified{by}" if each.paid else "nothing was owed"


def _seen(paid: Paid) -> str:
    return (paid.outcome or "given up") + (f" ({paid.why})" if paid.why else "")
