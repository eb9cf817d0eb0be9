"""Stages access and monitoring: the files and units of each VM, mended over SSH where they are not what was planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chaosjc.clock import rfc3339
from chaosjc.drivers.ssh import Unreachable
from chaosjc.errors import StageError
from chaosjc.site import discover
from chaosjc.site.change import Change
from chaosjc.site.context import Context, in_parallel
from chaosjc.site.keys import Validity
from chaosjc.site.model import Machine, SiteFile
from chaosjc.site.roles import Contents, ContentsOf, File, Surroundings, userdata
from chaosjc.site.stages.base import Stage, ask_program, ports, vms

ANSWER = 90.0  # seconds for one request: mending restarts units
BOOTED = 120.0  # seconds that cloud-init may take on a new VM
REACHED = 20.0  # seconds in which a VM that has just let us in must do so again
CERTIFICATE = "/etc/ssh/ssh_host_ed25519_key-cert.pub"


@dataclass(frozen=True)
class FileFact:
    """A file as it is."""

    digest: str
    mode: str
    owner: str


@dataclass(frozen=True)
class UnitFact:
    """A unit as systemd sees it; drop_ins are those that were put there by hand."""

    enabled: str
    active: str
    drop_ins: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostFacts:
    """One VM; a missing file is None."""

    files: Mapping[str, FileFact | None]
    units: Mapping[str, UnitFact]
    certificate: Validity | None = None
    host_key: str = ""


@dataclass(frozen=True)
class Facts:
    """All VMs that answered, and what their contents should be made from."""

    hosts: Mapping[str, HostFacts]
    around: Surroundings | None
    now: float


class Hosts(Stage[Facts]):
    """Compares VMs with what `contents_of` says of them."""

    def __init__(
        self, name: str, contents_of: ContentsOf, *, requires: tuple[str, ...] = ("infra",), certifies: bool = False
    ) -> None:
        self.name, self.requires = name, requires
        self._contents_of = contents_of
        self._certifies = certifies

    def facts(self, context: Context, *, patient: bool) -> Facts:
        """Ask every VM that runs and answers, all at once."""
        keys = context.keyring.public_keys()
        if keys is None:
            return Facts({}, None, context.clock.time())
        around = Surroundings(keys, discover.addresses(context.site, ports(context)))
        running = {vm.name for vm in vms(context) if vm.status == "ACTIVE"}
        there = [each for each in context.machines if each.name in running and self._concerns(context, each, around)]
        found = in_parallel(lambda each: self._look(context, each, around, patient=patient), there)
        hosts = {each.name: fact for each, fact in zip(there, found, strict=True) if fact is not None}
        return Facts(hosts, around, context.clock.time())

    def plan(self, site: SiteFile, facts: Facts) -> tuple[Change, ...]:
        """VM by VM, in the order of the file."""
        changes: list[Change] = []
        for machine in site.machines:
            host = facts.hosts.get(machine.name)
            if host is None or facts.around is None:
                continue
            contents = self._contents_of(site, machine, facts.around)
            changes += [each for file in contents.files if (each := self._file(machine, file, host))]
            changes += [each for unit in contents.units if (each := self._unit(machine, unit.name, host))]
            if self._certifies and (host.certificate is None or not host.certificate.fresh(facts.now)):
                ends = f"ends {rfc3339(host.certificate.end)}" if host.certificate else ""
                changes.append(Change(self.name, "host certificate", machine.name, "renew", ends, vm=machine.name))
        return tuple(changes)

    def apply(self, context: Context, facts: Facts, changes: Sequence[Change]) -> None:
        """One request a VM, all at once."""
        named = [each for each in context.site.machines if any(change.vm == each.name for change in changes)]
        in_parallel(lambda each: self._mend(context, facts, each, [c for c in changes if c.vm == each.name]), named)

    def _file(self, machine: Machine, file: File, host: HostFacts) -> Change | None:
        found, wanted = host.files[file.path], FileFact(file.digest, file.mode, file.owner)
        if found == wanted:
            return None
        before, after = _differences(found, wanted)
        action = "update" if found else "create"
        return Change(self.name, "file", f"{machine.name}:{file.path}", action, before, after, machine.name)

    def _unit(self, machine: Machine, unit: str, host: HostFacts) -> Change | None:
        found, wanted = host.units[unit], UnitFact("enabled", "active")
        if found == wanted:
            return None
        before, after = _words(found), _words(wanted)
        return Change(self.name, "unit", f"{machine.name}:{unit}", "update", before, after, machine.name)

    def _concerns(self, context: Context, machine: Machine, around: Surroundings) -> bool:
        return self._certifies or self._contents_of(context.site, machine, around) != Contents()

    def _look(self, context: Context, machine: Machine, around: Surroundings, *, patient: bool) -> HostFacts | None:
        contents_of = userdata.everything if context.answers else self._contents_of  # one look for all stages
        contents = contents_of(context.site, machine, around)
        request = {"files": [each.path for each in contents.files], "units": [each.name for each in contents.units]}
        try:
            if patient:
                said = self._look_patiently(context, machine, request)
            else:
                said = context.ask(f"look {machine.name}", lambda: self._ask(context, machine, {"look": request}))
        except Unreachable:
            if patient:
                raise
            return None  # stage infra has said so
        certificate = context.keyring.host_certificate(said["host_certificate"]) if self._certifies else None
        return _host_facts(said, certificate)

    def _look_patiently(self, context: Context, machine: Machine, request: dict[str, Any]) -> dict[str, Any]:
        """Until cloud-init is through with a new VM, whose sshd may start again. Raises StageError where it failed."""
        end = context.clock.monotonic() + BOOTED
        said = self._reach(context, machine, request)
        while said["starting"] and context.clock.monotonic() < end:
            context.clock.sleep(0.3)
            said = self._reach(context, machine, request)
        problems = [f"not through after {BOOTED:g} s"] if said["starting"] else said["errors"]
        if problems:
            raise StageError(
                f"{self.name}: {machine.name}: cloud-init: {'; '.join(map(str, problems))}",
                hint=f"ssh -F {context.state.ssh_config} {machine.name} sudo cat /var/log/cloud-init-output.log",
            )
        return said

    def _reach(self, context: Context, machine: Machine, request: dict[str, Any]) -> dict[str, Any]:
        """Infra has just logged in: if there is no way now, a shared connection died, or sshd is starting again."""
        end = context.clock.monotonic() + REACHED
        while True:
            try:
                return self._ask(context, machine, {"look": request})
            except Unreachable:
                if context.clock.monotonic() >= end:
                    raise
            context.ssh.close(machine.name)
            context.clock.sleep(0.5)

    def _mend(self, context: Context, facts: Facts, machine: Machine, changes: Sequence[Change]) -> None:
        assert facts.around is not None  # noqa: S101 - without authorities nothing was planned
        contents = self._contents_of(context.site, machine, facts.around)
        for change in changes:
            context.report(self.name, machine.name, f"{change.action} {change.kind} {change.name.partition(':')[2]}")
        names = {change.name for change in changes}
        files = [each for each in contents.files if f"{machine.name}:{each.path}" in names]
        if any(change.kind == "host certificate" for change in changes):
            files.append(self._certificate(context, facts, machine))
        self._request_mending(context, machine, files, _units_to_mend(machine, contents, names))

    def _certificate(self, context: Context, facts: Facts, machine: Machine) -> File:
        key = facts.hosts[machine.name].host_key
        text = context.keyring.certify_host(machine.name, key, context.site.ssh.host_certificates)
        return File(CERTIFICATE, text, mode="0600", reloads="ssh.service")

    def _request_mending(self, context: Context, machine: Machine, files: list[File], units: list[str]) -> None:
        request = {"mend": {"files": [asdict(each) for each in files], "units": units}}
        failed = self._ask(context, machine, request)["failed"]
        if failed:
            what, why = failed[0]
            log = f"journalctl -u {what}" if "/" not in what else f"stat {what}"
            raise StageError(
                f"{self.name}: {machine.name}: mending {what}: {why}",
                hint=f"ssh -F {context.state.ssh_config} {machine.name} sudo {log}",
            )

    def _ask(self, context: Context, machine: Machine, request: dict[str, Any]) -> dict[str, Any]:
        return ask_program(context, self.name, machine.name, "remote.py", request, timeout=ANSWER)


def _host_facts(said: dict[str, Any], certificate: Validity | None) -> HostFacts:
    files = {path: FileFact(**found) if found else None for path, found in said["files"].items()}
    units = {
        name: UnitFact(found["enabled"], found["active"], tuple(found["drop_ins"]))
        for name, found in said["units"].items()
    }
    return HostFacts(files, units, certificate, said["host_key"])


def _units_to_mend(machine: Machine, contents: Contents, names: set[str]) -> list[str]:
    """Those that changed, and those whose own unit file is written again."""
    return [each.name for each in contents.units if f"{machine.name}:{each.name}" in names]


def _differences(found: FileFact | None, wanted: FileFact) -> tuple[str, str]:
    """Only what differs, before and after."""
    if found is None:
        return "missing", ""
    pairs = [
        (f"content {found.digest[:8]}", f"content {wanted.digest[:8]}", found.digest != wanted.digest),
        (f"mode {found.mode}", f"mode {wanted.mode}", found.mode != wanted.mode),
        (found.owner, wanted.owner, found.owner != wanted.owner),
    ]
    different = [each for each in pairs if each[2]]
    return ", ".join(each[0] for each in different), ", ".join(each[1] for each in different)


def _words(unit: UnitFact) -> str:
    return ", ".join([unit.enabled or "not installed", unit.active, *(f"drop-in {each}" for each in unit.drop_ins)])
