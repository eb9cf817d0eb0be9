"""Write the first site file of a site that others deployed, for `chaosjc site discover --draft`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from chaosjc.cli.state import state_root
from chaosjc.drivers.openstack import Cloud
from chaosjc.errors import UsageError
from chaosjc.site import draft as drafting
from chaosjc.site import model
from chaosjc.site.draft import Facts
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
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", hint="--force replaces it")
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
    path.write_text(drafted.text, encoding="utf-8")
    model.load(path)  # what it says of itself holds
    for note in drafted.notes:
        _err.print(f"not found: {note}", highlight=False, markup=False)
    _err.print(f"{path}: {len(found.servers)} servers; nothing may be broken yet: its policy says how to go on")


def _name(path: Path) -> str:
    """A site's name from its file's."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"^[^a-z]+", "", path.stem.lower()))[:40].strip("-") or "site"


def _absolute(path: Path) -> str:
    return str(path.expanduser().absolute())
