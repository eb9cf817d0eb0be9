"""What a site is: pure values, made by `discover`, read by faults, guards and reports."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Vm:
    """A server that carries the site's mark; `status` as Nova writes it, `opted_in` and `protected` by the policy."""

    name: str
    uuid: str
    role: str
    address: str
    opted_in: bool
    protected: bool
    status: str


@dataclass(frozen=True)
class Topology:
    """Everything that was found, sorted by name."""

    vms: tuple[Vm, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all VMs."""
        return tuple(vm.name for vm in self.vms)

    def named(self, name: str) -> Vm | None:
        """The VM that bears this name now."""
        return next((vm for vm in self.vms if vm.name == name), None)

    def by_uuid(self, uuid: str) -> Vm | None:
        """The VM with this UUID; None once it was deleted, whoever bears its name."""
        return next((vm for vm in self.vms if vm.uuid == uuid), None)

    def of_role(self, role: str) -> tuple[Vm, ...]:
        """All VMs of a role."""
        return tuple(vm for vm in self.vms if vm.role == role)

    def others(self, names: Collection[str]) -> tuple[Vm, ...]:
        """All VMs but these."""
        return tuple(vm for vm in self.vms if vm.name not in names)
