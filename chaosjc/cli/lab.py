"""`chaosjc lab`: the OpenStack in a box."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The OpenStack in a box.", no_args_is_help=True)


@app.callback()
def lab() -> None:
    """The OpenStack in a box."""


@app.command()
def up(
    name: Annotated[str, typer.Option(help="Name of the lab.")] = "lab",
    state: Annotated[Path | None, typer.Option(help="Root of the state; default $CHAOSJC_STATE.")] = None,
) -> None:
    """Bring the lab up; safe to repeat."""
    from chaosjc.lab import up as steps
    from chaosjc.lab.layout import Lab

    lab = Lab.of(name, state)
    steps.up(lab, lambda text: typer.echo(text))
    typer.echo(f"export OS_CLIENT_CONFIG_FILE={lab.clouds} OS_CLOUD={lab.cloud}")


if __name__ == "__main__":
    app()
