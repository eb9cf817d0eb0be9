"""The program that a VM runs for the stages: it tells what is there, or mends it. Standard library only.

It is sent over SSH (`python3 -c`) with a request as JSON on stdin, and answers with JSON on stdout:

    {"look": {"accounts": [name…], "files": [path…], "units": [name…]}}
    {"mend": {"accounts": [{name, shell, groups}…], "files": [{path, content, mode, owner, reloads, restarts}…],
              "units": [name…]}}
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import hashlib
import json
import os
import pwd
import shlex
import shutil
import signal
import stat
import subprocess  # noqa: TID251 - this file runs on the VM, where chaosjc is not
import sys
import tempfile
from typing import Any

CLOUD_INIT = "/run/cloud-init/result.json"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
SHADOW = "/etc/shadow"
LOCK = "/run/chaosjc.lock"
BY_HAND = ("/etc/systemd/system/", "/run/systemd/system/")


def look(request: dict[str, Any]) -> dict[str, Any]:
    """What is there; `starting` while cloud-init is not through with a new VM, and else its `errors`."""
    text = read(CLOUD_INIT)
    return {
        "starting": not text and os.path.isdir(os.path.dirname(CLOUD_INIT)),
        "errors": list(json.loads(text)["v1"]["errors"]) if text else [],
        "accounts": {name: look_at_account(name) for name in request["accounts"]},
        "files": {path: look_at_file(path) for path in request["files"]},
        "units": look_at_units(request["units"]),
        "host_key": read(HOST_KEY + ".pub"),
        "host_certificate": read(HOST_KEY + "-cert.pub"),
    }


def look_at_account(name: str) -> dict[str, Any] | None:
    """Shell, all groups, and whether no password opens it; None where nobody is called so."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    passwords = dict(line.split(":")[:2] for line in read(SHADOW).splitlines())
    return {
        "shell": found.pw_shell,
        "groups": sorted(map(group_of, os.getgrouplist(name, found.pw_gid))),
        "locked": passwords.get(name, "").startswith(("!", "*")),
    }


def group_of(number: int) -> str:
    """By name, by number where it has none."""
    with contextlib.suppress(KeyError):
        return grp.getgrgid(number).gr_name
    return str(number)


def look_at_file(path: str) -> dict[str, str] | None:
    """Digest, mode and owner; None where nothing is."""
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            return {"digest": "no regular file", "mode": "", "owner": ""}
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
    except FileNotFoundError:
        return None
    return {"digest": digest, "mode": f"{stat.S_IMODE(found.st_mode):04o}", "owner": owner_of(found)}


def owner_of(found: os.stat_result) -> str:
    """user:group by name, by number where it has none."""
    user = str(found.st_uid)
    with contextlib.suppress(KeyError):
        user = pwd.getpwuid(found.st_uid).pw_name
    return f"{user}:{group_of(found.st_gid)}"


def look_at_units(names: list[str]) -> dict[str, dict[str, Any]]:
    """How systemd sees them, and the drop-ins that somebody gave them."""
    if not names:
        return {}
    argv = ["systemctl", "show", "--property=Id,ActiveState,UnitFileState,DropInPaths", *names]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    units: dict[str, dict[str, Any]] = {}
    for name, block in zip(names, said.strip().split("\n\n"), strict=True):
        values = dict(line.split("=", 1) for line in block.splitlines())
        drop_ins = [
            each for each in values["DropInPaths"].split() if each.startswith(BY_HAND) and f"/{name}.d/" in each
        ]
        units[name] = {"enabled": values["UnitFileState"], "active": values["ActiveState"], "drop_ins": drop_ins}
    return units


def mend(request: dict[str, Any]) -> dict[str, Any]:
    """Make accounts, files and units what they should be; answers with what failed: [[what, why]…].

    One at a time on a VM: a daemon-reload of one stage in the middle of another's start is asking for trouble.
    """
    with open(LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return {"failed": mend_alone(request)}


def mend_alone(request: dict[str, Any]) -> list[list[str]]:
    """The same, while nobody else does."""
    failed: list[list[str]] = []
    for account in request["accounts"]:  # first: files may belong to them
        attempt(failed, f"account {account['name']}", make_account, account)
    written = [each for each in request["files"] if attempt(failed, each["path"], write, each)]
    units = [each for each in request["units"] if attempt(failed, each, clear, each)]
    if written or units:
        attempt(failed, "systemd", systemctl, "daemon-reload")
    for unit in units:
        # not `enable`: it brings back Debian's alias sshd.service too, and systemd then confuses the two units' states
        if attempt(failed, unit, systemctl, "add-wants", "multi-user.target", unit):
            attempt(failed, unit, start, unit)
    for verb, key in (("reload-or-restart", "reloads"), ("restart", "restarts")):
        for unit in sorted({each[key] for each in written if each[key]}):
            attempt(failed, unit, systemctl, verb, unit)
    return failed


def attempt(failed: list[list[str]], what: str, act: Any, *args: Any) -> bool:
    """Do it, and note why it could not be done."""
    try:
        act(*args)
    except (OSError, LookupError, subprocess.CalledProcessError) as error:
        failed.append([what, reason(error)])
        return False
    return True


def reason(error: Exception) -> str:
    """What it said; of a command, after the command itself."""
    if not isinstance(error, subprocess.CalledProcessError):
        return str(error)
    return f"{shlex.join(error.cmd)}: {error.stderr.strip() or f'exit code {error.returncode}'}"


def make_account(account: dict[str, Any]) -> None:
    """As cloud-init makes it: with a home and a group of its own, and no password."""
    name, groups = account["name"], account["groups"]
    for group in (name, *groups):
        run("groupadd", "--force", group)
    wanted = ("--gid", name, "--groups", ",".join(groups), "--shell", account["shell"], name)
    if look_at_account(name):
        run("usermod", "--lock", *wanted)
        return
    run("useradd", "--create-home", *wanted)
    run("chown", "--recursive", f"{name}:{name}", os.path.expanduser(f"~{name}"))  # an old home has another's number


def write(file: dict[str, str]) -> None:
    """Replace a file whole, with mode and owner set before anybody can read it."""
    directory = os.path.dirname(file["path"])
    os.makedirs(directory, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".chaosjc-")
    try:
        with os.fdopen(descriptor, "w") as out:
            out.write(file["content"])
        user, group = file["owner"].split(":")
        shutil.chown(temporary, user, group)
        os.chmod(temporary, int(file["mode"], 8))
        os.replace(temporary, file["path"])
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def clear(unit: str) -> None:
    """Take away what somebody put over the unit: masks and drop-ins."""
    subprocess.run(["systemctl", "reset-failed", unit], capture_output=True, check=False)  # too many attempts
    found = look_at_units([unit])[unit]
    if found["enabled"].startswith("masked"):
        systemctl("unmask", unit)
        systemctl("unmask", "--runtime", unit)
    for drop_in in found["drop_ins"]:
        os.unlink(drop_in)


def start(unit: str) -> None:
    """Also where systemd lost sight of it and its process still holds the port."""
    if look_at_units([unit])[unit]["active"] in ("inactive", "failed"):
        for pid in leftovers(unit):
            os.kill(pid, signal.SIGKILL)
    systemctl("start", unit)


def leftovers(unit: str) -> set[int]:
    """Processes in the cgroup of a unit that systemd believes inactive.

    systemd may lose a running ssh.service when Debian's alias sshd.service goes and comes, as with somebody's `disable`
    and `enable`: of the two units that become one it keeps either's state.
    """
    trees = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd")
    found = {int(pid) for tree in trees for pid in read(f"{tree}/system.slice/{unit}/cgroup.procs").split()}
    return found - ancestors()


def ancestors() -> set[int]:
    """This process and those that it lives by: its SSH session, but not the daemon that began it, a child of init."""
    pid, found = os.getpid(), set[int]()
    while (parent := int(read(f"/proc/{pid}/stat").rpartition(")")[2].split()[1])) > 1:
        found.add(pid)
        pid = parent
    return found


def systemctl(*args: str) -> None:
    """Have systemd do it."""
    run("systemctl", *args)


def run(*argv: str) -> None:
    """Run it, and fail with what it said."""
    subprocess.run(argv, capture_output=True, text=True, check=True)


def read(path: str) -> str:
    """The text, empty where there is none."""
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    answer = look(request["look"]) if "look" in request else mend(request["mend"])
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
