"""`chaosjc resume`: the kill switch, released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chaosjc.cli.say import say
from chaosjc.cli.state import halts, journals_there, out_of_reach, who

if TYPE_CHECKING:
    from pathlib import Path

    from chaosjc.journal.events import Halted

app = typer.Typer()


@app.command()
def resume(
    reason: Annotated[str, typer.Option(help="Why; it is kept with who did it.")],
    state: Annotated[str, typer.Option(help="One state directory; else every site of this user.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Let runs start again."""
    import json

    from chaosjc.cli.attempts import Attempts
    from chaosjc.cli.main import INTERNAL_ERROR

    if state:
        _no_halt_of_everything(state)
    resumed, attempts = list[dict[str, str]](), Attempts("resumed")
    with attempts.of("each site by itself"):
        for path in journals_there(state):
            with attempts.of(path.parent):
                if halt := _release(path, reason):
                    resumed.append({"state": str(path.parent), "who": halt.who, "why": halt.why})
        attempts.missed(out_of_reach(state))
    everything: Halted | None = None
    if not state:
        with attempts.of("whatever else is run from here"):
            everything = _release(halts(), reason) if halts().exists() else None
    if as_json:
        also = {"everything": {"who": everything.who, "why": everything.why}} if everything else {}
        typer.echo(json.dumps({"resumed": resumed} | also))
    else:
        _print(resumed, everything, nothing_else=not attempts.failed)
    if attempts.failed:
        raise typer.Exit(INTERNAL_ERROR)  # 1 would say that something was measured


def _no_halt_of_everything(state: str) -> None:
    """It would bind that one site all the same."""
    from chaosjc.errors import UsageError
    from chaosjc.journal.store import Store

    if not halts().exists():
        return
    with Store(halts()) as store:
        halt = store.halted()
    if halt:
        what = f"{state}: everything is halted, by {halt.who}: {halt.why}"
        raise UsageError(what, hint="`chaosjc resume` without --state ends that")


def _release(path: Path, reason: str) -> Halted | None:
    """The halt that it ended, if there was one."""
    from chaosjc.journal.events import Resumed
    from chaosjc.journal.store import Store

    with Store(path) as store:
        if halt := store.halted():
            store.append(Resumed(who=who(), why=reason))
        return halt


def _print(resumed: list[dict[str, str]], everything: Halted | None, *, nothing_else: bool) -> None:
    for each in resumed:
        say(f"resumed: {each['state']} (halted by {each['who']}: {each['why']})")
    if everything:
        say(f"resumed: whatever else is run from here ({everything.told})")
    if nothing_else and not (resumed or everything):
        typer.echo("nothing was halted")
