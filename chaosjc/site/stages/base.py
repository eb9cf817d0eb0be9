"""What a stage is: it reads facts, plans from them and the file alone, and applies what it planned."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Generic, TypeVar

from chaosjc.drivers.openstack_values import Port
from chaosjc.errors import CommandError, StageError
from chaosjc.site import discover
from chaosjc.site.change import Change
from chaosjc.site.context import Context
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


def vms(context: Context) -> tuple[Vm, ...]:
    """The site's VMs in the cloud."""
    return context.ask("vms", lambda: discover.topology(context.site, context.cloud).vms)


def ports(context: Context) -> tuple[Port, ...]:
    """Those on the site's network."""
    return context.ask("ports", lambda: discover.ports(context.site, context.cloud))


def run_on(
    context: Context, stage: str, vm: str, argv: Sequence[str], *, timeout: float, stdin: str | None = None
) -> str:
    """What a program prints on a VM, as root. Raises Unreachable, or StageError with what it said."""
    context.check_cancelled()
    try:
        return context.ssh.run(vm, ["sudo", "-n", *argv], stdin=stdin, timeout=timeout).stdout
    except CommandError as error:
        raise StageError(
            f"{stage}: {vm}: {error.stderr.strip() or error.message}",
            hint=f"ssh -F {context.state.ssh_config} {vm}; log: {context.state.log}",
        ) from error


def ask_program(
    context: Context, stage: str, vm: str, file: str, request: Mapping[str, Any], *, timeout: float
) -> dict[str, Any]:
    """One request to a program of `chaosjc.site` that runs on the VM: JSON in, JSON out. Raises as `run_on`."""
    program = (resources.files("chaosjc.site") / file).read_text()
    said = run_on(context, stage, vm, ["python3", "-c", program], stdin=json.dumps(request), timeout=timeout)
    return json.loads(said)
