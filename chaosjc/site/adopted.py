"""A site that others deployed: how its servers are recognised, and the ways to them.

Nothing of it is planned here, so nothing bears a mark of ours: a server belongs to the site when its name, or metadata
that its people gave it, say so. Everything here is pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, StringConstraints, model_validator

from chaosjc.drivers.openstack_values import Server
from chaosjc.errors import UsageError
from chaosjc.site.sections import Name
from chaosjc.site.topology import is_called
from chaosjc.spec.model import Model

BASTION, MONITOR = "bastion", "monitor"
"""Roles that are never drawn."""

HOST = r"[A-Za-z0-9][A-Za-z0-9._-]*"
SshHost = Annotated[str, StringConstraints(pattern=rf"^{HOST}$")]
"""What `ssh -F FILE HOST` takes."""

FIELDS: Mapping[str, frozenset[str]] = {
    "storage": frozenset({"role", "clients", "volumes"}),
    "kubernetes": frozenset({"control_plane", "workers"}),
    "hub": frozenset({"namespace", "release"}),
}
"""What an adopted site's sections may say; all else of them is for deploying."""
VOLUME_FIELDS = frozenset({"mount", "sacrificial"})
PLANNED = ("network", "security_groups", "roles", "ssh", "monitoring", "lbaas")
"""Sections that are for deploying."""


class Match(Model):
    """Servers whose name fits one of the patterns (`k8s-node-*`), and whose metadata fit all of these patterns."""

    name: str | tuple[str, ...] = "*"
    metadata: dict[str, str] = Field(default_factory=dict[str, str])

    def named(self, name: str) -> bool:
        """Whether a server of this name may fit."""
        patterns = (self.name,) if isinstance(self.name, str) else self.name
        return any(fnmatchcase(name, each) for each in patterns)

    def fits(self, server: Server) -> bool:
        """Whether it does."""
        found = server.metadata
        return self.named(server.name) and all(
            key in found and fnmatchcase(found[key], pattern) for key, pattern in self.metadata.items()
        )


class Adopted(Model):
    """How a site that others deployed is reached, and which servers of the project are its.

    `ssh_config` is an OpenSSH client configuration in which each server is a Host by its name; `bastion` is the Host
    through which the others are reached, if there is one. `prometheus` is a URL that answers here, without a login
    (`drivers.prometheus` has the variables for one), or HOST:PORT for one that answers there, on an SSH host's own
    loopback. Relative paths begin at the site file.

    `servers` are roles: of each, a name pattern, several, or `{name, metadata}`. A server that fits none is not of the
    site, and is never touched. `bastion` and `monitor` are roles that are never drawn: a server that `bastion` names
    must be of the first, and one that `prometheus` names of either. Of a Host by another name nobody knows which it is.
    """

    ssh_config: str = Field(min_length=1)
    bastion: SshHost | None = None
    kubeconfig: str = ""
    prometheus: Annotated[str, StringConstraints(pattern=rf"^(https?://[^/\s]+.*|{HOST}:\d{{1,5}})$")] | None = None
    servers: dict[Name, str | tuple[str, ...] | Match] = Field(min_length=1)

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if empty := [role for role, each in self.matches.items() if not each.name]:
            raise ValueError(f"adopted: servers: {empty[0]} has no pattern")
        try:
            _ = self.essential
        except ValueError as error:
            raise ValueError(f"adopted: prometheus: {error}") from error
        return self

    @property
    def matches(self) -> dict[str, Match]:
        """By role, whatever way the file says it."""
        return {role: each if isinstance(each, Match) else Match(name=each) for role, each in self.servers.items()}

    def roles_of(self, server: Server) -> tuple[str, ...]:
        """The roles that it fits: one, or it is none of the site's, or the file is wrong."""
        return tuple(role for role, each in self.matches.items() if each.fits(server))

    @property
    def essential(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """What the file calls hosts without which no run can do, those hosts, and the roles that keep them whole."""
        at = self.prometheus or ""
        measures = (urlsplit(at).hostname or "") if "://" in at else at.rpartition(":")[0]
        return ("bastion", self.bastion or "", (BASTION,)), ("prometheus", measures, (MONITOR, BASTION))

    def may_name(self, name: str) -> bool:
        """Whether it is a role, or a server could have it as its name."""
        return name in self.servers or any(each.named(name) for each in self.matches.values())

    def beside(self, directory: Path) -> Adopted:
        """With the paths as they are seen from anywhere."""
        paths = {"ssh_config": self.ssh_config, "kubeconfig": self.kubeconfig}
        whole = {key: str((directory / Path(each).expanduser()).absolute()) for key, each in paths.items() if each}
        return self.model_copy(update=whole)


def check_file(whole: Model, kubeconfig: str) -> None:
    """Raise ValueError where the file of an adopted site says what only a deployment needs, or less than it must."""
    ours = [name for name in PLANNED if name in differing(whole)]
    for name, fields in FIELDS.items():
        section = getattr(whole, name)
        ours += [f"{name}.{each}" for each in differing(section) if each not in fields] if section else []
    volumes: Mapping[str, BaseModel] = getattr(getattr(whole, "storage", None), "volumes", {})
    for name, volume in volumes.items():
        ours += [f"storage.volumes.{name}.{each}" for each in differing(volume) if each not in VOLUME_FIELDS]
    if ours:
        raise ValueError(f"{', '.join(ours)}: is for sites that chaosjc deploys, and others deployed this one")
    if bool(getattr(whole, "kubernetes", None)) != bool(kubeconfig):
        raise ValueError("`kubernetes` and adopted.kubeconfig go together: one is there without the other")


def differing(section: BaseModel) -> list[str]:
    """The fields that are not at their defaults; a snapshot names all of them, and means no more by it."""
    return [
        name
        for name, field in type(section).model_fields.items()
        if not field.is_required() and getattr(section, name) != field.get_default(call_default_factory=True)
    ]


def check_servers(adopted: Adopted, servers: Collection[Server], named: Iterable[str]) -> None:
    """Raise UsageError with all reasons why the file does not fit the project's servers; `named` are the policy's."""
    wrong = list(_misfits(adopted, servers, named))
    if wrong:
        raise UsageError(
            "the site file does not fit the servers of the project:\n  " + "\n  ".join(wrong),
            hint="correct `adopted`, most likely the patterns of its servers, or the policy",
        )


def _misfits(adopted: Adopted, servers: Collection[Server], named: Iterable[str]) -> Iterator[str]:
    ours = [each for each in servers if adopted.roles_of(each)]
    for role, match in adopted.matches.items():
        if not any(match.fits(each) for each in servers):
            yield f"{role}: no server fits {_told(match)}"
    for each in ours:
        roles = adopted.roles_of(each)
        if len(roles) > 1:
            yield f"{each.name} fits several roles: {', '.join(roles)}"
        if sum(other.name == each.name for other in servers) > 1:
            yield f"{each.name} is the name of several servers"  # SSH, and people, could mean either
        if not re.fullmatch(HOST, each.name):
            yield f"{each.name!r} cannot be the name of an SSH host"
        yield from _drawable(adopted, each, roles)
    known = {*adopted.servers, *(each.name for each in ours)}
    yield from (f"policy: there is no server {each}" for each in named if each not in known)


def _drawable(adopted: Adopted, server: Server, roles: Collection[str]) -> Iterator[str]:
    """By role is known what may never be drawn, and what a cut from it means."""
    for what, host, needed in adopted.essential:
        if host and is_called(host, server.name, server.addresses) and not set(roles) & set(needed):
            yield f"{server.name} is the host of adopted.{what}: its role must be {needed[0]}, not {', '.join(roles)}"


def _told(match: Match) -> str:
    names = match.name if isinstance(match.name, str) else ", ".join(match.name)
    return " and ".join([f"name {names}", *(f"metadata {key}={value}" for key, value in match.metadata.items())])
