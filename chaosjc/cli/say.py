"""Lines for people, in which names and reasons from elsewhere are text and steer no terminal."""

from __future__ import annotations

import typer

from chaosjc.report.markup import clean


def say(line: str, *, err: bool = False) -> None:
    """Print it, on stderr if asked to."""
    typer.echo(clean(line), err=err)
