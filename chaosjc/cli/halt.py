"""`chaosjc halt`: the kill switch."""

from __future__ import annotations

from typing import Annotated

import typer

from chaosjc.cli.state import journals, who

app = typer.Typer()


@app.command()
def halt(
    reason: Annotated[str, typer.Option(help="Why; it is kept, and shown to whoever is refused.")],
    state: Annotated[str, typer.Option(help="One state directory; else every site of this user.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Stop every run within a second, mid-fault, undo it, and let none start until `chaosjc resume`."""
    import json

    from chaosjc.errors import JournalError
    from chaosjc.journal.events import Halted
    from chaosjc.journal.store import Store

    failed: JournalError | None = None
    halted: list[str] = []
    for path in journals(state):
        try:
            with Store(path) as store:
                store.append(Halted(who=who(), why=reason))
            halted.append(str(path.parent))
            if not as_json:
                typer.echo(f"halted: {path.parent}")
        except JournalError as error:  # the others are halted all the same
            typer.echo(f"NOT halted: {path.parent}: {error.message}", err=True)
            failed = error
    if as_json:
        typer.echo(json.dumps({"halted": halted}))
    if failed:
        raise failed
