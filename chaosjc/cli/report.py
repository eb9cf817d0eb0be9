"""`chaosjc report`: one run as a file to keep, or to hand to a CI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="Its id, or the part of it that no other run has.")],
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one self-contained HTML file.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML.")] = None,
    state: Annotated[str, typer.Option(help="One state directory; else every site of this user.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the run as one JSON object.")] = False,
) -> None:
    """Write what a run found; without a file to write, print it."""
    from chaosjc.cli.files import write
    from chaosjc.cli.runs import find_run
    from chaosjc.report.data import run_object
    from chaosjc.report.html import html as as_html
    from chaosjc.report.junit import junit as as_junit

    entries = find_run(run, state)
    written = {path: text(entries) for path, text in ((html, as_html), (junit, as_junit)) if path}
    for path, text in written.items():
        write(path, text)
    if as_json:
        typer.echo(json.dumps(run_object(entries)))
    elif written:
        typer.echo("\n".join(map(str, written)))
    else:
        from rich.console import Console

        from chaosjc.report.terminal import Summary

        Console().print(Summary(entries))
