"""`chaosjc canary`: the exporters, by hand; a site's deployment runs them as units on its VMs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False)

Config = Annotated[
    Path, typer.Option("--config", help="Its configuration, JSON, as `site deploy` writes it in /etc/chaosjc.")
]


@app.command()
def storage(config: Config) -> None:
    """The synthetic user of a mounted volume: writes, reads back, audits; serves metrics until it is killed."""
    from chaosjc.canary import storage as canary

    canary.main(config)


@app.command()
def gluster(config: Config) -> None:
    """What the bricks and the glusterd of this machine say; serves metrics until it is killed."""
    from chaosjc.canary import gluster as canary

    canary.main(config)


@app.command()
def hub(config: Config) -> None:
    """The synthetic user of JupyterHub: logs in, spawns, executes, stops; serves metrics until it is killed."""
    from chaosjc.canary import hub as canary

    canary.main(config)
