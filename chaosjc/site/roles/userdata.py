"""Cloud-init user data: the contents of a VM, and the host key that it will be recognised by."""

from __future__ import annotations

import gzip
import hashlib
import json

from chaosjc.site.keys import HostIdentity
from chaosjc.site.model import Machine, SiteFile
from chaosjc.site.roles import (
    Account,
    Contents,
    File,
    Surroundings,
    access,
    backup,
    canary,
    database,
    kubernetes,
    monitoring,
    storage,
)

_WRITE = 'printf %s "$2" | install -D -m "$1" /dev/stdin "$0"'
_WRITE_UNLESS_CERTIFICATE = f'ssh-keygen -Lf "$0" > /dev/null 2>&1 || {_WRITE}'


def everything(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """What all stages together put on a VM."""
    parts = (access, storage, kubernetes, database, backup, canary, monitoring)
    found = (*(each.contents for each in parts), canary.hub_contents)
    return sum((each(site, machine, around) for each in found), Contents())


def render(contents: Contents, identity: HostIdentity) -> str:
    """For Nova. Files and accounts are there before sshd starts; units start at the end."""
    key = {
        "ed25519_private": identity.private,
        "ed25519_public": identity.public,
        "ed25519_certificate": identity.certificate,
    }
    own = {"ssh_keys": key, "bootcmd": _at_each_boot(contents.files, identity)}
    return "#cloud-config\n" + json.dumps(_config(contents.files, contents) | own)


def compressed(text: str) -> bytes:
    """As Nova gets it, which takes 64 KiB of base64; cloud-init unpacks it. The same text gives the same bytes."""
    return gzip.compress(text.encode(), mtime=0)


def digest(contents: Contents) -> str:
    """Of what cannot change while the VM lives: neither its host key nor live files, nor the units that they are."""
    fixed = tuple(each for each in contents.files if not each.live)
    live = {each.path.rpartition("/")[2] for each in contents.files if each.live}
    units = tuple(each for each in contents.units if each.name not in live)
    text = json.dumps(_config(fixed, Contents(fixed, units, contents.accounts)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _config(files: tuple[File, ...], contents: Contents) -> dict[str, object]:
    return {
        "manage_etc_hosts": False,
        "disable_root": True,
        "ssh_pwauth": False,
        "users": [_account(each) for each in contents.accounts],
        "write_files": [_file(each) for each in files],
        "runcmd": _start(contents),
    }


def _at_each_boot(files: tuple[File, ...], identity: HostIdentity) -> list[list[str]]:
    """Cloud-init writes files and keys only once: this way a reboot brings back what leads in.

    Root's, as all of it is. A host certificate that is there stays: it may be younger than the one in the user data.
    """
    written = [["sh", "-c", _WRITE, each.path, each.mode, each.content] for each in files if each.leads_in]
    return [*written, ["sh", "-c", _WRITE_UNLESS_CERTIFICATE, access.HOST_CERTIFICATE, "0600", identity.certificate]]


def _start(contents: Contents) -> list[list[str]]:
    """Patient units must not hold cloud-init up, nor fail it.

    Not `enable`: it takes Debian's alias sshd.service away and brings it back, in the middle of which systemd may lose
    sight of the running ssh.service; and it starts Perl for each old init script.
    """
    waited = [each.name for each in contents.units if not each.patient]
    patient = [each.name for each in contents.units if each.patient]
    commands = [["systemctl", "add-wants", "multi-user.target", *waited, *patient], ["systemctl", "start", *waited]]
    return [*commands, ["systemctl", "start", "--no-block", *patient]] if patient else commands


def _account(account: Account) -> dict[str, object]:
    groups = {"groups": list(account.groups)} if account.groups else {}
    return {"name": account.name, "shell": account.shell, "lock_passwd": True, **groups}


def _file(file: File) -> dict[str, str]:
    return {"path": file.path, "content": file.content, "permissions": file.mode, "owner": file.owner}
