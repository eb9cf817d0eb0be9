"""The OpenSSH client's configuration: every VM by its name, through the bastion, recognised by its certificate.

Of a site that others deployed, theirs is used as it is, but for the connections, which are our own; for the rest ours
only says what it does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from chaosjc.errors import UsageError
from chaosjc.site.keys import PublicKeys
from chaosjc.site.model import BASTION
from chaosjc.site.roles import access
from chaosjc.site.state import SiteState, write_atomically


@dataclass(frozen=True)
class Host:
    """A VM as SSH reaches it; the UUID keeps a new VM from being reached over an old one's connection."""

    name: str
    uuid: str
    address: str


@dataclass(frozen=True)
class Login:
    """An account and the files that open it."""

    account: str
    identity: Path


_PACE = """\
    ConnectTimeout 5
    ServerAliveInterval 2
    ServerAliveCountMax 3
    LogLevel ERROR
"""
_SHARED = """\
    ControlMaster auto
    ControlPersist 10m
"""


def write(state: SiteState, keys: PublicKeys, hosts: Iterable[Host]) -> None:
    """Bring both configurations and known_hosts up to date; nothing is written that is so already."""
    found = sorted(hosts, key=lambda each: each.name)
    write_atomically(state.ssh / "known_hosts", f"@cert-authority * {keys.hosts}\n")
    for path, account, identity in (
        (state.ssh_config, access.ADMIN, "operator"),
        (state.reader_config, access.READER, "reader"),
    ):
        write_atomically(path, render(found, Login(account, state.ssh / identity), state.sockets))


def adopt(state: SiteState, theirs: str) -> Path:
    """Write the configuration of an adopted site, which includes `theirs`, a path; UsageError where there is none."""
    if not Path(theirs).is_file():
        raise UsageError(f"{theirs}: no such file", hint="`adopted.ssh_config` is the configuration for `ssh -F`")
    write_atomically(state.ssh_config, _including(theirs, state.hashed_sockets))
    return state.ssh_config


def _including(theirs: str, sockets: Path) -> str:
    """What is said first holds: nobody is there to be asked, and the connections, which chaosjc ends, are its own.

    With a ControlPath of theirs it would end those of people. For the rest theirs comes before ours.
    """
    return f"""\
Host *
    BatchMode yes
{_SHARED}    ControlPath "{sockets}/%C"
Include "{theirs}"
Host *
{_PACE}"""


def render(hosts: list[Host], login: Login, sockets: Path) -> str:
    """The text of one configuration file."""
    blocks = [_common(login)]
    for host in hosts:
        blocks.append(_block(host.name, host, login.account, sockets))
        if host.name == BASTION:
            blocks.append(_block(access.JUMP, host, access.JUMP, sockets))
    return "\n".join(blocks)


def _common(login: Login) -> str:
    return f"""\
Host *
    IdentityFile "{login.identity}"
    CertificateFile "{login.identity}-cert.pub"
    IdentitiesOnly yes
    UserKnownHostsFile "{login.identity.parent}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    BatchMode yes
{_PACE}{_SHARED}"""


def _block(alias: str, host: Host, account: str, sockets: Path) -> str:
    through = "" if host.name == BASTION else f"    ProxyJump {access.JUMP}\n"
    return f"""\
Host {alias}
    HostName {host.address}
    HostKeyAlias {host.name}
    User {account}
    ControlPath "{sockets}/{alias}-{account[:1]}{host.uuid[:8]}"
{through}"""
