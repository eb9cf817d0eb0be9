"""`chaosjc halt`: the kill switch."""

from __future__ import annotations

from typing import Annotated

import typer

from chaosjc.cli.say import say
from chaosjc.cli.state import halts, journals, out_of_reach, who

app = typer.Typer()


@app.command()
def halt(
    reason: Annotated[str, typer.Option(help="Why; it is kept, and shown to whoever is refused.")],
    state: Annotated[str, typer.Option(help="One state directory; else every site of this user.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Stop every run within a second, mid-fault, undo it, and let none start until `chaosjc resume`."""
    import json

    from chaosjc.cli.attempts import Attempts
    from chaosjc.cli.main import INTERNAL_ERROR
    from chaosjc.journal.events import Halted
    from chaosjc.journal.store import Store

    event, halted, attempts = Halted(who=who(), why=reason), list[str](), Attempts("halted")
    if not state:  # first: it binds whatever this user runs at once, and what comes later
        with attempts.of("whatever has no journal yet"), Store(halts()) as store:
            store.append(event)
    everything = not state and not attempts.failed
    with attempts.of("each site by itself"):
        for path in journals(state):
            with attempts.of(path.parent), Store(path) as store:
                store.append(event)
                halted.append(str(path.parent))
        attempts.missed(out_of_reach(state))
    if as_json:
        typer.echo(json.dumps({"halted": halted}))
    else:
        _print(halted, everything=everything)
    if attempts.failed:
        say("what is under way there goes on: interrupt it, and it is undone (Ctrl-C, or SIGTERM)", err=True)
        raise typer.Exit(INTERNAL_ERROR)  # 1 would say that something was measured


def _print(halted: list[str], *, everything: bool) -> None:
    for each in halted:
        say(f"halted: {each}")
    if everything:
        say("halted: whatever else is run from here, until `chaosjc resume`")
