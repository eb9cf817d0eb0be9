"""Write the first site file of a site that others deployed, for `chaosjc site discover --draft`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from chaosjc.cli.state import state_root
from chaosjc.drivers.openstack import Cloud
from chaosjc.errors import SpecError, UsageError
from chaosjc.report.safe import Safe
from chaosjc.site import draft as drafting
from chaosjc.site import model
from chaosjc.site.draft import Draft, Facts
from chaosjc.site.state import write_atomically
from chaosjc.site.survey import survey

_err = Console(stderr=True)


@dataclass(frozen=True)
class Sources:
    """Who is asked."""

    cloud: str
    ssh_config: Path | None
    kubeconfig: Path | None


def write(path: Path, sources: Sources, *, force: bool) -> None:
    """Look at everything, and write the file; UsageError where it is there, unless `force`d."""
    cloud = sources.cloud or os.environ.get("OS_CLOUD", "")
    if not cloud:
        raise UsageError("a draft needs a cloud", hint="name its entry of clouds.yaml with --cloud or $OS_CLOUD")
    _check_place(path, force=force)
    name = _name(path)
    facts = Facts(
        name=name,
        cloud=cloud,
        state=str(state_root() / "site" / name),
        servers=(),
        ssh_config=_absolute(sources.ssh_config) if sources.ssh_config else "~/.ssh/config",
        kubeconfig=_absolute(sources.kubeconfig) if sources.kubeconfig else "",
    )
    with _err.status("looking at the site"):
        found = survey(facts, Cloud.connect(cloud), facts.ssh_config if sources.ssh_config else "")
    if not found.servers:
        raise UsageError(f"cloud {cloud}: its project has no servers")
    drafted = drafting.draft(found)
    _write(path, drafted)
    for word, lines in (("found", drafted.notes), ("guarded", drafted.unguarded)):
        for line in lines:
            _err.print(Safe(f"not {word}: {line}"))
    _err.print(Safe(f"{path}: {len(found.servers)} servers; nothing may be broken yet: its policy says how to go on"))


def refuse_without_draft(sources: Sources, *, force: bool) -> None:
    """UsageError where one of a draft's options is given without it: nobody would heed it."""
    given = {
        "--cloud": sources.cloud,
        "--ssh-config": sources.ssh_config,
        "--kubeconfig": sources.kubeconfig,
        "--force": force,
    }
    if names := [name for name, value in given.items() if value]:
        raise UsageError(f"only with --draft: {', '.join(names)}", hint="without it, the site file says all of this")


def _check_place(path: Path, *, force: bool) -> None:
    """Before the long look."""
    if os.path.exists(path) and not force:
        raise UsageError(f"{path} is there already", hint="--force replaces it")
    if os.path.isdir(path) or not os.path.isdir(path.parent) or not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{path} cannot be written", hint="its directory must be there, and yours to write in")


def _write(path: Path, drafted: Draft) -> None:
    """Only what loads: a file that does not would be in the way of the next try."""
    try:
        model.parse(drafted.text, path)
        write_atomically(path, drafted.text, 0o644)
    except SpecError as error:
        raise UsageError(f"what was found makes no site file, and none is written:\n{error}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def _name(path: Path) -> str:
    """A site's name from its file's."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"^[^a-z]+", "", path.stem.lower()))[:40].strip("-") or "site"


def _absolute(path: Path) -> str:
    return str(path.expanduser().absolute())
