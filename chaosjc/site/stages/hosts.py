"""Stages access and monitoring: accounts, files and units of each VM, mended over SSH where not what was planned."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chaosjc.clock import rfc3339
from chaosjc.drivers.ssh import Unreachable
from chaosjc.errors import StageError
from chaosjc.site import discover
from chaosjc.site.change import Change
from chaosjc.site.context import Context, Whole, in_parallel
from chaosjc.site.keys import Validity
from chaosjc.site.model import BASTION, Machine, SiteFile
from chaosjc.site.roles import Account, Contents, ContentsOf, File, Surroundings, userdata
from chaosjc.site.roles.access import HOST_CERTIFICATE
from chaosjc.site.stages.base import Stage, ask_program, ports, vms

ANSWER = 90.0  # seconds for one request: mending restarts units
BOOTED = 120.0  # seconds that cloud-init may take on a new VM
REACHED = 20.0  # seconds in which a VM that has just let us in must do so again


@dataclass(frozen=True)
class AccountFact:
    """An account as it is, with all its groups in order of their names; no password opens a locked one."""

    shell: str
    groups: tuple[str, ...]
    locked: bool = True

    @property
    def words(self) -> tuple[str, ...]:
        """For a plan."""
        return f"shell {self.shell}", f"groups {', '.join(self.groups)}", "locked" if self.locked else "a password"


@dataclass(frozen=True)
class FileFact:
    """A file as it is."""

    digest: str
    mode: str
    owner: str

    @property
    def words(self) -> tuple[str, ...]:
        """For a plan."""
        return f"content {self.digest[:8]}", f"mode {self.mode}", self.owner


Fact = AccountFact | FileFact


@dataclass(frozen=True)
class UnitFact:
    """A unit as systemd sees it; drop_ins are those that were put there by hand."""

    enabled: str
    active: str
    drop_ins: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostFacts:
    """One VM; a missing account or file is None."""

    accounts: Mapping[str, AccountFact | None]
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
        self, name: str, contents_of: ContentsOf, *, requires: tuple[str, ...] = ("access",), certifies: bool = False
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
        hosts = {each.name: fact for each, fact in zip(there, found, strict=True) if isinstance(fact, HostFacts)}
        facts = Facts(hosts, around, context.clock.time())
        missed = [each for each in found if isinstance(each, Unreachable)]
        if patient and missed and not self._mends_the_way(context.site, facts):
            raise missed[0]
        return facts  # where we are not patient, stage infra has said so

    def plan(self, site: SiteFile, facts: Facts) -> tuple[Change, ...]:
        """VM by VM, in the order of the file."""
        changes: list[Change] = []
        for machine in site.machines:
            host = facts.hosts.get(machine.name)
            if host is None or facts.around is None:
                continue
            changes += self._changes(machine, self._contents_of(site, machine, facts.around), host)
            if self._certifies and (host.certificate is None or not host.certificate.fresh(facts.now)):
                ends = f"ends {rfc3339(host.certificate.end)}" if host.certificate else ""
                changes.append(Change(self.name, "host certificate", machine.name, "renew", ends, vm=machine.name))
        return tuple(changes)

    def apply(self, context: Context, facts: Facts, changes: Sequence[Change]) -> None:
        """One request a VM, all at once."""
        named = [each for each in context.site.machines if any(change.vm == each.name for change in changes)]
        in_parallel(lambda each: self._mend(context, facts, each, [c for c in changes if c.vm == each.name]), named)

    def command(self, change: Change) -> str:
        """Of a unit alone: accounts take several, and files none."""
        return shlex.join(["systemctl", "start", _thing(change)]) if change.kind == "unit" else ""

    def where(self, context: Context, change: Change) -> str:
        """On the VM, and the log."""
        return self._where(context, change.vm, _thing(change) or HOST_CERTIFICATE)

    def _where(self, context: Context, vm: str, what: str) -> str:
        words = f"stat {what}" if "/" in what else f"journalctl -u {what}" if "." in what else "journalctl -n 50"
        return f"ssh -F {context.state.ssh_config} {vm} sudo {words}; log: {context.state.log}"

    def _changes(self, machine: Machine, contents: Contents, host: HostFacts) -> list[Change]:
        """What of these contents is not on the VM as it ought to be."""
        return [
            *(each for account in contents.accounts if (each := self._account(machine, account, host))),
            *(each for file in contents.files if (each := self._file(machine, file, host))),
            *(each for unit in contents.units if (each := self._unit(machine, unit.name, host))),
        ]

    def _account(self, machine: Machine, account: Account, host: HostFacts) -> Change | None:
        wanted = AccountFact(account.shell, account.memberships)
        return self._compared(machine, "account", account.name, host.accounts[account.name], wanted)

    def _file(self, machine: Machine, file: File, host: HostFacts) -> Change | None:
        wanted = FileFact(file.digest, file.mode, file.owner)
        return self._compared(machine, "file", file.path, host.files[file.path], wanted)

    def _compared(self, machine: Machine, kind: str, name: str, found: Fact | None, wanted: Fact) -> Change | None:
        if found == wanted:
            return None
        before, after = _differences(found, wanted)
        action = "update" if found else "create"
        return Change(self.name, kind, f"{machine.name}:{name}", action, before, after, machine.name)

    def _unit(self, machine: Machine, unit: str, host: HostFacts) -> Change | None:
        found, wanted = host.units[unit], UnitFact("enabled", "active")
        if found == wanted:
            return None
        before, after = _words(found), _words(wanted)
        return Change(self.name, "unit", f"{machine.name}:{unit}", "update", before, after, machine.name)

    def _mends_the_way(self, site: SiteFile, facts: Facts) -> bool:
        """What is wrong on the bastion may be what keeps us from all others."""
        return any(change.vm == BASTION for change in self.plan(site, facts))

    def _concerns(self, context: Context, machine: Machine, around: Surroundings) -> bool:
        return self._certifies or self._contents_of(context.site, machine, around) != Contents()

    def _look(
        self, context: Context, machine: Machine, around: Surroundings, *, patient: bool
    ) -> HostFacts | Unreachable:
        contents = userdata.everything(context.site, machine, around)  # one look for all stages
        request = {
            "accounts": [each.name for each in contents.accounts],
            "files": [each.path for each in contents.files],
            "units": [each.name for each in contents.units],
        }
        try:
            if patient:
                whole = context.whole or Whole()
                said = whole.look(
                    machine.name,
                    lambda: self._look_patiently(context, machine, request),
                    lambda said: not self._changes(machine, contents, _host_facts(said, None)),
                )
            else:
                said = context.ask(f"look {machine.name}", lambda: self._ask(context, machine, {"look": request}))
        except Unreachable as error:
            return error
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
            context.report(self.name, machine.name, f"{change.action} {change.kind} {_thing(change)}")
        named = _named(contents, changes)
        if any(change.kind == "host certificate" for change in changes):
            named += Contents((self._certificate(context, facts, machine),))
        self._request_mending(context, machine, named)

    def _certificate(self, context: Context, facts: Facts, machine: Machine) -> File:
        key = facts.hosts[machine.name].host_key
        text = context.keyring.certify_host(machine.name, key, context.site.ssh.host_certificates)
        return File(HOST_CERTIFICATE, text, mode="0600", reloads="ssh.service")

    def _request_mending(self, context: Context, machine: Machine, named: Contents) -> None:
        request = asdict(named) | {"units": [each.name for each in named.units]}
        failed = self._ask(context, machine, {"mend": request})["failed"]
        if failed:
            what, why = failed[0]
            raise StageError(
                f"{self.name}: {machine.name}: mending {what}: {why}", hint=self._where(context, machine.name, what)
            )

    def _ask(self, context: Context, machine: Machine, request: dict[str, Any]) -> dict[str, Any]:
        return ask_program(context, self.name, machine.name, "remote.py", request, timeout=ANSWER)


def _host_facts(said: dict[str, Any], certificate: Validity | None) -> HostFacts:
    accounts = {
        name: AccountFact(found["shell"], tuple(found["groups"]), found["locked"]) if found else None
        for name, found in said["accounts"].items()
    }
    files = {path: FileFact(**found) if found else None for path, found in said["files"].items()}
    units = {
        name: UnitFact(found["enabled"], found["active"], tuple(found["drop_ins"]))
        for name, found in said["units"].items()
    }
    return HostFacts(accounts, files, units, certificate, said["host_key"])


def _thing(change: Change) -> str:
    """What a change is about, without its VM; empty for the host certificate."""
    return change.name.partition(":")[2]


def _named(contents: Contents, changes: Sequence[Change]) -> Contents:
    """What of one VM's contents is to be mended."""
    names = set(map(_thing, changes))
    return Contents(
        tuple(each for each in contents.files if each.path in names),
        tuple(each for each in contents.units if each.name in names),
        tuple(each for each in contents.accounts if each.name in names),
    )


def _differences(found: Fact | None, wanted: Fact) -> tuple[str, str]:
    """Only what differs, before and after."""
    if found is None:
        return "missing", ""
    pairs = [each for each in zip(found.words, wanted.words, strict=True) if each[0] != each[1]]
    return ", ".join(before for before, _ in pairs), ", ".join(after for _, after in pairs)


def _words(unit: UnitFact) -> str:
    return ", ".join([unit.enabled or "not installed", unit.active, *(f"drop-in {each}" for each in unit.drop_ins)])
