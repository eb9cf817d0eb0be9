"""`chaosjc site`: discover, plan, deploy, verify, status, destroy; of a site that others deployed, three of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from chaosjc.report.safe import Safe

if TYPE_CHECKING:
    from chaosjc.site.change import Change
    from chaosjc.site.context import Context
    from chaosjc.site.topology import Front

app = typer.Typer(
    no_args_is_help=True, help="Deploy a JupyterCloud on an OpenStack cloud, and keep it as its file says."
)

_out, _err = Console(), Console(stderr=True)

SiteOption = Annotated[Path, typer.Argument(metavar="SITE", help="The site file.", exists=False)]
StateOption = Annotated[str, typer.Option("--state", metavar="DIR", help="Where the site's keys, logs and lock are.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OnlyOption = Annotated[list[str], typer.Option("--only", metavar="VM", help="Only these VMs; may be repeated.")]


@app.command()
def discover(  # noqa: PLR0913, PLR0917 - one parameter an option
    site: SiteOption,
    state: StateOption = "",
    as_json: JsonOption = False,
    draft: Annotated[bool, typer.Option("--draft", help="Write SITE, for a site that others deployed.")] = False,
    cloud: Annotated[str, typer.Option(metavar="NAME", help="Draft: its entry in clouds.yaml.")] = "",
    ssh_config: Annotated[Path | None, typer.Option(help="Draft: the OpenSSH configuration that leads there.")] = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="Draft: that of its Kubernetes.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Draft: replace SITE if it is there.")] = False,
) -> None:
    """Show what the site is: its VMs, and the bricks, replica sets and mounts of its volumes by their real layout.

    With --draft, write the file of a site that others deployed, by what Nova, Kubernetes and GlusterFS say of it.
    """
    from dataclasses import asdict

    from chaosjc.cli import discovered, drafted
    from chaosjc.site import discover as discovering

    sources = drafted.Sources(cloud, ssh_config, kubeconfig)
    if draft:
        drafted.write(site, sources, force=force)
        return
    drafted.refuse_without_draft(sources, force=force)
    context = _open(site, state, adopted=True)
    with _err.status("looking at the site"):
        found = discovering.topology(context.site, context.cloud)
        servers = discovering.pool(context.site, context.ssh, found.vms)
        if servers is not None:
            found = discovering.with_volumes(found, context.site, servers)
        found = discovering.with_front(found, context.site, context.cloud)
        found = discovered.with_cluster(found, context)
    if as_json:
        _print_json(asdict(found))
    else:
        _out.print(Safe(discovered.tree(context.site.name, found)))


@app.command()
def plan(site: SiteOption, state: StateOption = "", only: OnlyOption = [], as_json: JsonOption = False) -> None:  # noqa: B006
    """Show what deploy would change, and change nothing."""
    from chaosjc.cli import changes as printed
    from chaosjc.site import deploy as deploying

    context = _open(site, state, only, whole=not only)
    with _err.status("looking at the site"):
        changes = deploying.plan(context)
    _print_changes(changes, printed.listed, as_json=as_json)
    if changes and not as_json:
        _err.print(Safe(f"{printed.counted(changes)}; chaosjc site deploy {site} makes them"))


@app.command()
def deploy(site: SiteOption, state: StateOption = "", only: OnlyOption = [], as_json: JsonOption = False) -> None:  # noqa: B006
    """Make the site what its file says; a second call does nothing."""
    from chaosjc.cli import changes as printed
    from chaosjc.site import deploy as deploying

    began = time.monotonic()
    context = _open(site, state, only, whole=not only)
    with _err.status("deploying"):
        changes = deploying.deploy(context)
    _print_changes(changes, printed.counted, as_json=as_json)  # each was told when it was made
    _err.print(Safe(f"{site} deployed in {time.monotonic() - began:.1f} s; log: {context.state.log}"))


@app.command()
def verify(site: SiteOption, state: StateOption = "", only: OnlyOption = [], as_json: JsonOption = False) -> None:  # noqa: B006
    """Look at every planned thing on every VM; exit code 1 if anything is not as planned.

    Of a site that others deployed: whether all that experiments need is there and answers.
    """
    from chaosjc.site import adoption
    from chaosjc.site import verify as verifying

    context = _open(site, state, only, adopted=True)
    with _err.status("verifying"):
        results = adoption.verify(context) if context.site.adopted else verifying.verify(context)
    if as_json:
        _print_json([each.to_dict() for each in results])
    else:
        table = _table("role", "VM", "what", "")
        for each in results:
            table.add_row(each.role, each.vm, each.what, Text("ok", "green") if each.held else Text(each.why, "red"))
        _out.print(Safe(table))
    broken = [each for each in results if not each.held]
    if broken:
        mends = "" if context.site.adopted else f"; chaosjc site deploy {site} mends them"
        _err.print(Safe(f"{len(broken)} of {len(results)} things are not as planned{mends}"))
        raise typer.Exit(1)


@app.command()
def status(site: SiteOption, state: StateOption = "", as_json: JsonOption = False) -> None:
    """Show the VMs of the site, and whether one can log in."""
    from dataclasses import asdict

    from chaosjc.site import discover
    from chaosjc.site.context import in_parallel

    context = _open(site, state, adopted=True)
    topology = discover.topology(context.site, context.cloud)
    known = context.state.ssh_config.exists()
    logins = in_parallel(lambda vm: known and vm.status == "ACTIVE" and context.ssh.answers(vm.name), topology.vms)
    if as_json:
        _print_json([asdict(vm) | {"ssh": login} for vm, login in zip(topology.vms, logins, strict=True)])
        return
    table = _table("VM", "role", "address", "status", "SSH", "may be broken")
    for vm, login in zip(topology.vms, logins, strict=True):
        breakable = "protected" if vm.protected else "yes" if vm.opted_in else "no"
        answer = Text("answers") if login else Text("silent", "red")
        table.add_row(vm.name, vm.role, vm.address, vm.status, answer, breakable)
    _out.print(Safe(table))
    _print_front(discover.with_front(topology, context.site, context.cloud).front)
    missing = [each.name for each in context.site.machines if each.name not in topology.names]
    if missing:
        _out.print(Safe(f"not there: {', '.join(missing)}"))


@app.command()
def destroy(site: SiteOption, state: StateOption = "", as_json: JsonOption = False) -> None:
    """Delete everything of the site from its cloud."""
    from chaosjc.cli import changes as printed
    from chaosjc.site import deploy as deploying

    context = _open(site, state)
    with _err.status("deleting"):
        changes = deploying.destroy(context)
    _print_changes(changes, printed.counted, as_json=as_json)  # each was told when it was made


def _print_front(front: Front | None) -> None:
    """Where users come in."""
    if front is None:
        _out.print(Text.assemble("balancer: ", ("Octavia does not answer", "red")))
    elif front.id:
        answering = [each.vm for each in front.members if each.answers]
        told = f"{len(answering)} of {len(front.members)} members answer"
        _out.print(Safe(f"balancer: http://{front.address}:{front.port}, {front.status}, {told}"))


def _open(
    path: Path, state: str, only: list[str] | None = None, *, adopted: bool = False, whole: bool = False
) -> Context:
    """`adopted`: whether the verb is also for sites that others deployed.

    `whole`: whether the verb is for all that the file says: then the hub's chart must take its values.
    """
    from chaosjc.errors import UsageError
    from chaosjc.site import context, hub_chart, model

    site = model.load(path)
    if whole:
        hub_chart.check(path, site)
    if site.adopted and not adopted:
        raise UsageError(
            f"{path}: others deployed this site (managed: false): chaosjc changes nothing of it but for experiments",
            hint="discover, status, verify and run are for such sites",
        )
    unknown = set(only or ()) - {each.name for each in site.machines} if site.managed else set[str]()
    if unknown:
        names = ", ".join(each.name for each in site.machines)
        raise UsageError(f"{path}: no VM {', '.join(sorted(unknown))}", hint=f"it has: {names}")
    return context.open_site(site, state=state, only=only or None, report=_report)


def _report(stage: str, subject: str, text: str) -> None:
    _err.print(Safe(Text.assemble((f"{stage:>10}", "dim"), f"  {subject}: {text}")))


def _print_changes(
    changes: Sequence[Change], in_words: Callable[[Sequence[Change]], RenderableType], *, as_json: bool
) -> None:
    if as_json:
        _print_json([each.to_dict() for each in changes])
    else:
        _out.print(Safe(in_words(changes)) if changes else "nothing to do: the site is what its file says")


def _table(*columns: str) -> Table:
    """Long names are folded, never cut: a person copies them."""
    table = Table(title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print_json(value: object) -> None:
    _out.print_json(json.dumps(value))
