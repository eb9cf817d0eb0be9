"""`chaosjc lab`: the OpenStack in a box."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from chaosjc.lab.layout import Lab
    from chaosjc.lab.status import Status

app = typer.Typer(help="The OpenStack in a box.", no_args_is_help=True)
images = typer.Typer(help="The images that servers are made of.", no_args_is_help=True)
app.add_typer(images, name="image")

Name = Annotated[str, typer.Option("--name", help="Name of the lab; its cloud is chaosjc-NAME.")]
State = Annotated[Path | None, typer.Option("--state", help="Root of all state, instead of $CHAOSJC_STATE.")]
Kubernetes = Annotated[bool, typer.Option("--kubernetes", help="The image of Kubernetes nodes too.")]
Binaries = Annotated[
    Path | None,
    typer.Option(
        "--binaries",
        envvar="CHAOSJC_BINARIES",
        help="Directory with Kubernetes' programs for that image, instead of its releases or modules.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def up(
    name: Name = "lab",
    kubernetes: Kubernetes = False,
    binaries: Binaries = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Bring the lab up, or on from wherever it is; what ran before `down` runs again."""
    from chaosjc.lab import up as steps

    lab = _lab(name, state)
    with _progress() as progress:
        steps.up(lab, progress, kubernetes, binaries)
    if as_json:
        _print(
            {"schema": 1, "name": lab.name, "cloud": lab.cloud, "clouds": str(lab.clouds), "state": str(lab.directory)}
        )
        return
    typer.echo(f"export OS_CLIENT_CONFIG_FILE={lab.clouds} OS_CLOUD={lab.cloud}")


@app.command()
def down(name: Name = "lab", state: State = None, as_json: Json = False) -> None:
    """Stop the servers and the control plane; keep the disks."""
    from chaosjc.lab import down as steps

    with _progress() as progress:
        cut = steps.down(_lab(name, state), progress)
    if as_json:
        _print({"schema": 1, "name": name, "cut_off": cut})
    elif cut:
        typer.echo(f"did not shut down in time and were cut off: {', '.join(cut)}")


@app.command()
def reset(name: Name = "lab", state: State = None) -> None:
    """Remove every trace of the lab, its servers' data too."""
    from chaosjc.lab import down as steps

    with _progress() as progress:
        steps.reset(_lab(name, state), progress)


@app.command()
def status(name: Name = "lab", state: State = None, as_json: Json = False) -> None:
    """Show control plane, servers, networks and load balancers."""
    from chaosjc.lab.status import gather

    now = gather(_lab(name, state))
    if as_json:
        _print(now.as_json())
    else:
        _print_status(now)


@app.command()
def shell(
    server: Annotated[str, typer.Argument(help="A server's name, or the beginning of its id.")],
    command: Annotated[list[str] | None, typer.Argument(help="Run this instead of a shell.")] = None,
    name: Name = "lab",
    state: State = None,
) -> None:
    """Enter a server as root, past its network: for looking when nothing answers."""
    from chaosjc.drivers.command import replace
    from chaosjc.errors import LabError
    from chaosjc.lab.down import find

    machine = find(_lab(name, state), server)
    if machine.state != "running" or not (leader := machine.leader()):
        raise LabError(f"server {server} is {machine.state}", hint="only a running one can be entered")
    environment = ["env", "-i", "HOME=/root", "TERM=xterm", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    replace(["nsenter", "-t", str(leader), "-a", "-r", "-w", *environment, *(command or ["bash", "-l"])])


@images.command("list")
def list_images(as_json: Json = False) -> None:
    """The images that are built, newest first."""
    from chaosjc.lab import image
    from chaosjc.lab.layout import default_cache

    found = image.images(default_cache() / "images")
    if as_json:
        _print([{"name": i.name, "digest": i.digest, "path": str(i.path), "bytes": i.bytes} for i in found])
        return
    _table(
        "",
        ("IMAGE", "DIGEST", "SIZE", "FILE"),
        [(i.name, i.digest, f"{i.bytes >> 20} MiB", str(i.path)) for i in found],
    )


@images.command("build")
def build_image(kubernetes: Kubernetes = False, binaries: Binaries = None, as_json: Json = False) -> None:
    """Build the images of the current recipes, if they are not there yet."""
    from chaosjc.drivers.command import run
    from chaosjc.lab import image, node
    from chaosjc.lab.layout import default_cache

    cache = default_cache()
    with _progress() as progress:
        built = [image.build(image.default_recipe(), cache / "images", progress=progress)]
        if kubernetes:
            built.append(node.build(cache, binaries, run, progress))
    if as_json:
        _print([{"name": i.name, "digest": i.digest, "path": str(i.path), "bytes": i.bytes} for i in built])
    else:
        for each in built:
            typer.echo(str(each.path))


def _print_status(now: Status) -> None:
    typer.echo(f"lab {now.name} is {'up' if now.up else 'down'}; cloud {now.cloud}; {now.directory}")
    control = [(p.role, p.phase, str(p.pid or ""), f"{p.memory_mb} MiB" if p.pid else "") for p in now.control]
    _table("control plane", ("PROCESS", "PHASE", "PID", "MEMORY"), control)
    servers = [
        (
            s.name,
            s.status,
            s.machine,
            " ".join(s.addresses),
            f"{s.memory_mb} of {s.memory_limit_mb} MiB",
            str(s.pid or ""),
            s.id[:8],
        )
        for s in now.servers
    ]
    _table("servers", ("NAME", "STATUS", "MACHINE", "ADDRESSES", "MEMORY", "PID", "ID"), servers)
    _table("networks", ("NAME", "RANGES", "ID"), [(n.name, " ".join(n.ranges), n.id) for n in now.networks])
    balancers = [
        (b.name, b.address, b.provisioning, b.operating, f"{b.memory_mb} MiB" if b.running else "", b.id[:8])
        for b in now.balancers
    ]
    _table("load balancers", ("NAME", "ADDRESS", "PROVISIONING", "OPERATING", "HAPROXY", "ID"), balancers)


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from chaosjc.report.safe import Safe

    rows = list(rows)
    if not rows:
        return
    table = Table(*heads, title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    Console().print(Safe(table))


def _lab(name: str, state: Path | None) -> Lab:
    from chaosjc.errors import LabError
    from chaosjc.lab.layout import Lab

    if os.geteuid() != 0:
        raise LabError("a lab is root's: it is made of mounts, network namespaces and control groups", hint="use sudo")
    return Lab.of(name, state)


def _print(facts: object) -> None:
    typer.echo(json.dumps(facts, indent=2))


@contextmanager
def _progress() -> Generator[Callable[[str], None]]:
    """What is being done now, on stderr: a live line on a terminal, one line each elsewhere."""
    from rich.console import Console

    from chaosjc.report.safe import Safe

    console = Console(stderr=True)
    if not sys.stderr.isatty():
        said: list[str] = []

        def say(text: str) -> None:
            if [text] != said:
                console.print(Safe(text))
                said[:] = [text]

        yield say
        return
    with console.status("") as status:
        yield lambda text: status.update(Safe(text))


if __name__ == "__main__":
    app()
