"""`chaosjc resume`: the kill switch, released."""

from __future__ import annotations

from typing import Annotated

import typer

from chaosjc.cli.state import journals, who

app = typer.Typer()


@app.command()
def resume(
    state: Annotated[str, typer.Option(help="One state directory; else every site of this user.")] = "",
) -> None:
    """Let runs start again."""
    from chaosjc.journal.events import Resumed
    from chaosjc.journal.store import Store

    for path in (path for path in journals(state) if path.exists()):
        with Store(path) as store:
            halt = store.halted()
            if halt is None:
                continue
            store.append(Resumed(who=who()))
        typer.echo(f"resumed: {path.parent} (halted by {halt.who}: {halt.why})")
