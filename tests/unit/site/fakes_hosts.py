"""What `ssh` would meet: VMs that are as their user data has them, unless a test alters accounts, files or units."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chaosjc.drivers.command import Completed
from chaosjc.errors import CommandTimeout
from tests.unit.site.fakes import FakeCloud

WELL: dict[str, Any] = {"enabled": "enabled", "active": "active", "drop_ins": []}
SUDO, PRINCIPALS = "/etc/sudoers.d/90-chaosjc", "/etc/ssh/auth_principals"


class FakeHosts:
    """A Runner for `Ssh`: logins, and the two requests of chaosjc.site.remote; anything else fails the test."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self.silent: set[str] = set()
        self.slow: dict[str, float] = {}  # seconds for a login
        self.refusing: set[str] = set()
        self.restarting: dict[str, int] = {}  # programs that a host does not take while its sshd starts again
        self.dead: set[str] = set()  # by UUID: their successors live
        self.accounts: dict[tuple[str, str], dict[str, Any] | None] = {}
        self.files: dict[tuple[str, str], dict[str, str] | None] = {}  # by UUID and path: a new VM has none of them
        self.boots: dict[str, int] = {}
        self.units: dict[tuple[str, str], dict[str, Any]] = {}
        self.failing: dict[str, str] = {}
        self.dying: set[str] = set()  # units that start, and end at once
        self.mended: list[str] = []
        self.looked: list[str] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 60.0,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        del check, env, cwd
        if "-O" in argv:
            return Completed(tuple(argv), 0, "", "Exit request sent.", 0.0)
        host, remote = argv[argv.index("--") + 1 :]
        refusal = self._refusal(host)
        if refusal:
            return Completed(tuple(argv), 255, "", refusal, 0.0)
        if remote.startswith("sudo -n ") and self._lacks(host, SUDO):
            return Completed(tuple(argv), 1, "", "sudo: a password is required\n", 0.0)
        if remote in ("true", "sudo -n true"):
            if self.slow.get(host, 0.0) > timeout:
                raise CommandTimeout(f"{host}: no answer within {timeout:g} s")
            return Completed(tuple(argv), 0, "", "", 0.0)
        if self.restarting.get(host, 0) > 0:
            self.restarting[host] -= 1
            return Completed(tuple(argv), 255, "", "kex_exchange_identification: Connection closed by remote host", 0.0)
        assert remote.startswith("sudo -n python3 -c "), remote
        answer = self._answer(host, json.loads(stdin or ""))
        return Completed(tuple(argv), 0, json.dumps(answer), "", 0.0)

    def alter_account(self, host: str, name: str, **facts: Any) -> None:
        """Somebody changes it, or with no facts deletes it."""
        self.accounts[host, name] = {**(self._account(host, name) or {}), **facts} if facts else None

    def alter_file(self, host: str, path: str, **facts: str) -> None:
        """Somebody edits it, or with no facts deletes it."""
        self.files[self._uuid(host), path] = {**(self._planned(host, path) or {}), **facts} if facts else None

    def alter_unit(self, host: str, name: str, **facts: Any) -> None:
        """Somebody stops, disables or overrides it."""
        self.units[host, name] = WELL | facts

    def _refusal(self, host: str) -> str:
        servers = self._cloud.server_table.values()
        up = {each.name for each in servers if each.status == "ACTIVE" and each.id not in self.dead}
        if not {host, "bastion"} <= up or {host, "bastion"} & self.silent:
            return f"ssh: connect to host {host} port 22: Connection timed out"
        for each in (host, "bastion"):
            self._boot(each)
        locked = self._lacks(host, f"{PRINCIPALS}/chaosjc") or (
            host != "bastion" and self._lacks("bastion", f"{PRINCIPALS}/jump")
        )
        return f"chaosjc@{host}: Permission denied (publickey)." if locked or host in self.refusing else ""

    def _boot(self, host: str) -> None:
        """What the user data says of each boot, after a reboot."""
        boots = self._cloud.calls.count(f"reboot {host}")
        if boots <= self.boots.get(host, 0):
            return
        self.boots[host] = boots
        for *_, path, mode, content in self._user_data(host).get("bootcmd", []):
            self.files[self._uuid(host), path] = _fact(content, mode, "root:root")

    def _lacks(self, host: str, path: str) -> bool:
        return self.files.get((self._uuid(host), path), {}) is None

    def _answer(self, host: str, request: dict[str, Any]) -> dict[str, Any]:
        if "mend" in request:
            return {"failed": self._mend(host, request["mend"])}
        self.looked.append(host)
        key = self._user_data(host)["ssh_keys"]
        return {
            "starting": False,
            "errors": [],
            "accounts": {name: self._account(host, name) for name in request["look"]["accounts"]},
            "files": {path: self._file(host, path) for path in request["look"]["files"]},
            "units": {name: self.units.get((host, name), WELL) for name in request["look"]["units"]},
            "host_key": key["ed25519_public"],
            "host_certificate": key["ed25519_certificate"],
        }

    def _mend(self, host: str, mend: dict[str, Any]) -> list[list[str]]:
        self.mended.append(host)
        for each in mend["accounts"]:
            self.accounts[host, each["name"]] = _account(each["name"], each["shell"], each["groups"])
        for each in mend["files"]:
            if each["path"] not in self.failing:
                self.files[self._uuid(host), each["path"]] = _fact(each["content"], each["mode"], each["owner"])
        for name in mend["units"]:
            if name not in self.failing and name not in self.dying:
                self.units[host, name] = WELL
        asked = [*(each["path"] for each in mend["files"]), *mend["units"]]
        return [[what, self.failing[what]] for what in asked if what in self.failing]

    def _account(self, host: str, name: str) -> dict[str, Any] | None:
        if (host, name) in self.accounts:
            return self.accounts[host, name]
        for each in self._user_data(host)["users"]:
            if each["name"] == name:
                return _account(name, each["shell"], each.get("groups", []))
        return None

    def _file(self, host: str, path: str) -> dict[str, str] | None:
        altered = (self._uuid(host), path)
        return self.files[altered] if altered in self.files else self._planned(host, path)

    def _planned(self, host: str, path: str) -> dict[str, str] | None:
        for each in self._user_data(host)["write_files"]:
            if each["path"] == path:
                return _fact(each["content"], each["permissions"], each["owner"])
        return None

    def _user_data(self, host: str) -> dict[str, Any]:
        return json.loads(gzip.decompress(self._cloud.user_data[self._uuid(host)]).decode().partition("\n")[2])

    def _uuid(self, host: str) -> str:
        return next(each.id for each in list(self._cloud.server_table.values()) if each.name == host)


def _account(name: str, shell: str, groups: Sequence[str]) -> dict[str, Any]:
    return {"shell": shell, "groups": sorted([name, *groups]), "locked": True}


def _fact(content: str, mode: str, owner: str) -> dict[str, str]:
    return {"digest": hashlib.sha256(content.encode()).hexdigest(), "mode": mode, "owner": owner}
