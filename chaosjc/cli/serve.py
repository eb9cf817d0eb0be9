"""`chaosjc serve`: the controller of one site."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chaosjc.cli.say import say
from chaosjc.errors import UsageError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from chaosjc.controller.model import Loaded

app = typer.Typer()


@app.command()
def serve(
    files: Annotated[list[Path], typer.Argument(help="Schedule files of one site.", readable=False)],
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where Prometheus finds it.")] = "127.0.0.1:9830",
    state: Annotated[str, typer.Option(help="The state directory of the site.")] = "",
) -> None:
    """Run what falls due, one thing at a time, until it is told to end; what is under way then is put back first."""
    import datetime

    from prometheus_client import CollectorRegistry

    from chaosjc.cli.state import halts, journal_of, remember
    from chaosjc.clock import SystemClock, rfc3339
    from chaosjc.controller import daemon
    from chaosjc.controller.admission import Admission
    from chaosjc.controller.claims import Claims
    from chaosjc.controller.controller import Controller
    from chaosjc.controller.exporter import Exporter
    from chaosjc.controller.model import load
    from chaosjc.controller.served import Served
    from chaosjc.engine.locks import Locks
    from chaosjc.engine.recover import recover
    from chaosjc.journal.store import Store

    clock = SystemClock()

    def tell(line: str) -> None:
        say(f"{rfc3339(clock.time())} {line}")

    loaded = load(files)
    name, where = _site_of(loaded, state)
    journal = journal_of(name, where)
    remember(journal)
    locks = Locks(journal)
    with locks.held("controller", wait=False) as alone:
        if not alone:
            raise UsageError(f"{journal.parent}: another controller serves this site", hint="end that one first")
        with Store(journal) as store:
            owed = [step for each in recover(store, clock, tell) for step in each.owed]
        if owed:
            tell(f"STILL OWED, and until it is not, nothing begins: {', '.join(owed)}")
        claims = Claims(journal.parent / "claims.jsonl")
        runner = daemon.Runner(journal.parent / "controller.log", locks)
        now = functools.partial(datetime.datetime.now, datetime.UTC)
        controller = Controller(claims, runner, now, Admission(journal, halts()), where)
        served = Served(loaded)
        registry = CollectorRegistry()
        registry.register(Exporter(controller, served, claims, journal, halts()))
        with _listening(listen, registry):
            daemon.serve(controller, served, runner, tell)


def _site_of(loaded: Sequence[Loaded], state: str) -> tuple[str, str]:
    """Its name, and its state directory where that is not the usual one."""
    from chaosjc.spec.problems import repeated

    sites = {each.site.name if each.site else "" for each in loaded}
    if len(sites) > 1:
        named = ", ".join(f"{each.path}: {each.schedule.site or 'none'}" for each in loaded)
        raise UsageError(
            f"schedules of several sites: {named}", hint="a controller serves one site: start one for each"
        )
    if twice := repeated(each.schedule.name for each in loaded):
        raise UsageError(f"two schedules have the same name: {', '.join(twice)}")
    site = loaded[0].site
    return sites.pop(), state or (site.state if site else "")


@contextlib.contextmanager
def _listening(where: str, registry: CollectorRegistry) -> Generator[None]:
    """Answer Prometheus. Raises UsageError where the port cannot be had."""
    from prometheus_client import start_http_server

    host, colon, port = where.rpartition(":")
    if not colon or not port.isdigit():
        raise UsageError(f"--listen {where}: expected HOST:PORT")
    try:
        server, thread = start_http_server(int(port), host or "0.0.0.0", registry)  # noqa: S104 - as it was asked for
    except OSError as error:
        raise UsageError(f"--listen {where}: {error.strerror}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
