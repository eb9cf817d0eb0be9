"""Who may log in, and what for: certificates only, through the bastion only, and readers may only look."""

from __future__ import annotations

from chaosjc.site.model import BASTION, Machine, SiteFile
from chaosjc.site.roles import Account, Contents, File, Surroundings, Unit
from chaosjc.site.sections import FRONT

ADMIN, READER, JUMP = "chaosjc", "reader", "jump"
"""Accounts: root by sudo, a fixed list of commands, and only the way through."""

READER_COMMANDS = (
    "df -h",
    "free -m",
    "journalctl -n 200 --no-pager",
    "ss -tln",
    "systemctl --failed --no-pager",
    "systemctl list-units --no-pager",
    "uptime",
)

HOST_CERTIFICATE = "/etc/ssh/ssh_host_ed25519_key-cert.pub"
_PRINCIPALS = {ADMIN: "operator", READER: "reader", JUMP: "jump"}
_CONFIG = "/etc/ssh/sshd_config.d/00-chaosjc.conf"
_AUTHORITY = "/etc/ssh/chaosjc_users.pub"
_READER_SHELL = "/usr/local/sbin/chaosjc-reader"


def contents(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """sshd with certificates, its accounts, sudo, and the names of the site's VMs."""
    accounts = [Account(ADMIN), Account(READER, "/bin/sh", ("systemd-journal",))]
    if machine.role == BASTION:
        accounts.append(Account(JUMP, "/usr/sbin/nologin"))
    files = (
        File(_CONFIG, _sshd_config(), reloads="ssh.service", leads_in=True),
        File(_AUTHORITY, around.keys.users + "\n", leads_in=True),
        *(_principals(each.name, machine.role) for each in accounts),
        File(_READER_SHELL, _reader_script(), mode="0755"),
        File("/etc/sudoers.d/90-chaosjc", f"{ADMIN} ALL=(ALL:ALL) NOPASSWD: ALL\n", mode="0440", leads_in=True),
        File("/etc/hosts", _hosts(site, around), live=True),
    )
    return Contents(files, (Unit("ssh.service"),), tuple(accounts))


def _principals(account: str, role: str) -> File:
    """A certificate opens the account everywhere (operator) or on one role (operator@worker)."""
    principal = _PRINCIPALS[account]
    return File(f"/etc/ssh/auth_principals/{account}", f"{principal}\n{principal}@{role}\n", leads_in=True)


def _sshd_config() -> str:
    return f"""\
# Certificates of the site's authority open the accounts; nothing else does.
TrustedUserCAKeys {_AUTHORITY}
AuthorizedPrincipalsFile /etc/ssh/auth_principals/%u
AuthorizedKeysFile none
HostKey /etc/ssh/ssh_host_ed25519_key
HostCertificate {HOST_CERTIFICATE}
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
AllowAgentForwarding no
X11Forwarding no
UseDNS no
Match User {READER}
    ForceCommand {_READER_SHELL}
    AllowTcpForwarding no
    AllowStreamLocalForwarding no
    PermitTTY no
Match User {JUMP}
    ForceCommand /usr/sbin/nologin
    AllowStreamLocalForwarding no
    PermitOpen *:22
    PermitTTY no
"""


def _reader_script() -> str:
    allowed = "|".join(f'"{each}"' for each in READER_COMMANDS)
    listed = "\n".join(READER_COMMANDS)
    return f"""\
#!/bin/sh
# The forced command of the account "{READER}": these commands, word for word, and nothing else.
case "$SSH_ORIGINAL_COMMAND" in
  {allowed})
    exec $SSH_ORIGINAL_COMMAND ;;
esac
cat >&2 <<'END'
This account may only look. It runs:
{listed}
END
exit 126
"""


def _hosts(site: SiteFile, around: Surroundings) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    named = {name: around.addresses.get(name, "") for name in (*(each.name for each in site.machines), FRONT)}
    return "\n".join([*lines, *(f"{address} {name}" for name, address in named.items() if address)]) + "\n"
