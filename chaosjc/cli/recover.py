"""`chaosjc recover`: end every undo debt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chaosjc.cli.state import journals, who

if TYPE_CHECKING:
    from chaosjc.engine.recover import Recovery

app = typer.Typer()


@app.command()
def recover(
    abandon: Annotated[str, typer.Option(metavar="STEP", help="Give up the debt of this step; audited.")] = "",
    reason: Annotated[str, typer.Option(help="Why it is given up.")] = "",
    state: Annotated[str, typer.Option(help="One state directory; else every site of this user.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Undo and verify whatever a dead run left behind. Exits 0 only when no debt is left."""
    import dataclasses
    import json

    from chaosjc.clock import SystemClock
    from chaosjc.engine import recover as engine
    from chaosjc.errors import UsageError
    from chaosjc.journal.store import Store

    if bool(abandon) != bool(reason):
        raise UsageError("--abandon STEP and --reason TEXT go together")
    found: list[engine.Recovery] = []
    for path in (path for path in journals(state) if path.exists()):
        with Store(path) as store:
            if abandon:
                if any(debt.plan.id == abandon for run in store.open_runs() for debt in run.debts):
                    run = engine.abandon(store, abandon, who(), reason)
                    typer.echo(f"{run}: {abandon} is given up: {reason}")
                    return
                continue
            found += engine.recover(store, SystemClock(), lambda line: typer.echo(line, err=True))
    if abandon:
        raise UsageError(f"no open debt is called {abandon}", hint="`chaosjc recover` lists what is owed")
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(each) for each in found]))
    else:
        _print(found)
    if any(each.owed for each in found):
        raise typer.Exit(6)


def _print(found: list[Recovery]) -> None:
    if not found:
        typer.echo("nothing is owed")
    for each in found:
        if each.under_way:
            typer.echo(f"{each.run} ({each.experiment}): under way, left alone")
        elif each.owed:
            typer.echo(f"{each.run} ({each.experiment}): STILL OWED: {', '.join(each.owed)}")
        else:
            typer.echo(f"{each.run} ({each.experiment}): {', '.join(each.cleared) or 'nothing'} undone and seen whole")
