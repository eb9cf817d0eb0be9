"""`chaosjc resume`: the kill switch, released."""

from __future__ import annotations

from typing import Annotated

import typer

from chaosjc.cli.state import journals_there, who

app = typer.Typer()


@app.command()
def resume(
    reason: Annotated[str, typer.Option(help="Why; it is kept with who did it.")] = "",
    state: Annotated[str, typer.Option(help="One state directory; else every site of this user.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Let runs start again."""
    import json

    from chaosjc.journal.events import Resumed
    from chaosjc.journal.store import Store

    resumed: list[dict[str, str]] = []
    for path in journals_there(state):
        with Store(path) as store:
            halt = store.halted()
            if halt is None:
                continue
            store.append(Resumed(who=who(), why=reason))
        resumed.append({"state": str(path.parent), "who": halt.who, "why": halt.why})
        if not as_json:
            typer.echo(f"resumed: {path.parent} (halted by {halt.who}: {halt.why})")
    if as_json:
        typer.echo(json.dumps({"resumed": resumed}))
    elif not resumed:
        typer.echo("nothing was halted")
