"""What a stage is: it reads facts, plans from them and the file alone, and applies what it planned."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Generic, TypeVar

from chaosjc.drivers.openstack_values import Port
from chaosjc.drivers.ssh import SUDO_REFUSES, Unreachable
from chaosjc.errors import CommandError, CommandTimeout, StageError
from chaosjc.site import discover
from chaosjc.site.change import Change
from chaosjc.site.context import Context
from chaosjc.site.log import shown
from chaosjc.site.model import SiteFile
from chaosjc.site.remote_node import ADMIN
from chaosjc.site.topology import Vm

F = TypeVar("F")
KUBECTL = ("kubectl", "--kubeconfig", ADMIN)
"""On the control plane."""


class Stage(ABC, Generic[F]):
    """One part of a site; `F` is what its facts look like."""

    name: str
    requires: tuple[str, ...] = ()

    @abstractmethod
    def facts(self, context: Context, *, patient: bool) -> F:
        """Ask the cloud and the VMs; `patient` waits for VMs that are still starting."""

    @abstractmethod
    def plan(self, site: SiteFile, facts: F) -> tuple[Change, ...]:
        """What is to be done, in order. Pure."""

    @abstractmethod
    def apply(self, context: Context, facts: F, changes: Sequence[Change]) -> None:
        """Do it. Raises StageError, which names stage, host, command and log."""

    def command(self, change: Change) -> str:
        """What makes it so on the VM, as a person would type it; empty where no single command does."""
        del change
        return ""

    def where(self, context: Context, change: Change) -> str:
        """Where to look if it did not become so."""
        del change
        return f"log: {context.state.log}"


def vms(context: Context) -> tuple[Vm, ...]:
    """The site's VMs in the cloud."""
    return context.ask("vms", lambda: discover.topology(context.site, context.cloud).vms)


def ports(context: Context) -> tuple[Port, ...]:
    """Those on the site's network."""
    return context.ask("ports", lambda: discover.ports(context.site, context.cloud))


def external_network(context: Context) -> str:
    """The id of the network by which the site is reached from outside; empty where the file names none."""
    name, cloud = context.site.network.external, context.cloud
    if not name:
        return ""
    found = cloud.networks(name)
    if not found:
        raise StageError(
            f"no external network {name} in cloud {cloud.name}",
            hint=f"openstack --os-cloud {cloud.name} network list --external",
        )
    return found[0].id


def run_on(
    context: Context, stage: str, vm: str, argv: Sequence[str], *, timeout: float, stdin: str | None = None
) -> str:
    """What a program prints on a VM, as root. Raises StageError with command and what it said.

    Raises Unreachable where nobody gets in, or gets in and does not become root.
    """
    context.check_cancelled()
    try:
        return context.ssh.run(vm, ["sudo", "-n", *argv], stdin=stdin, timeout=timeout).stdout
    except CommandError as error:
        if SUDO_REFUSES in error.stderr:
            raise Unreachable(vm, SUDO_REFUSES, context.ssh.config) from error
        late = f"no end after {timeout:g} s" if isinstance(error, CommandTimeout) else ""
        raise StageError(
            f"{stage}: {vm}: {shown(argv)}: {error.stderr.strip() or late or error.message}",
            hint=f"ssh -F {context.state.ssh_config} {vm}; log: {context.state.log}",
        ) from error


def ask_program(
    context: Context, stage: str, vm: str, file: str, request: Mapping[str, Any], *, timeout: float
) -> dict[str, Any]:
    """One request to a program of `chaosjc.site` that runs on the VM: JSON in, JSON out. Raises as `run_on`."""
    program = (resources.files("chaosjc.site") / file).read_text()
    said = run_on(context, stage, vm, ["python3", "-c", program], stdin=json.dumps(request), timeout=timeout)
    return json.loads(said)
