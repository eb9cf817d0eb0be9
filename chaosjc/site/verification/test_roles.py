"""Every planned thing on one VM, seen through the bastion.

$CHAOSJC_VERIFY names a JSON file: {"vm", "ssh_config", "files": [{path, digest, mode, owner}…], "units": [name…],
"mounts": [{path, type}…], "urls": [{name, url, expect, within}…]}. `within`: seconds since the session began, that an
answer may take to become the expected one.
"""

# ruff: noqa: D103, S101 - these are tests

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import testinfra  # pyright: ignore[reportMissingTypeStubs]

BEGUN = time.monotonic()
EXPECTED: dict[str, Any] = json.loads(Path(os.environ["CHAOSJC_VERIFY"]).read_text())


@pytest.fixture(scope="session")
def vm() -> Any:
    spec = f"ssh://{EXPECTED['vm']}?sudo=true&controlpersist=0"
    host: Any = testinfra.get_host(spec, ssh_config=EXPECTED["ssh_config"])  # pyright: ignore[reportUnknownMemberType]
    try:
        host.run("true")  # the first failure counts for all tests, and is waited for once
    except RuntimeError as error:
        raise AssertionError(f"no SSH session: {error.args[0].stderr.strip()}") from error
    return host


@pytest.mark.parametrize("file", EXPECTED["files"], ids=lambda each: f"file {each['path']}")
def test_file(vm: Any, file: dict[str, str]) -> None:
    path = file["path"]
    found = vm.run("stat --format %s -- %s && sha256sum -- %s", "%F,%a,%U:%G", path, path)  # all of it in one session
    assert found.stdout, "missing"
    (kind, mode, owner), digest = found.stdout.splitlines()[0].split(","), found.stdout.splitlines()[-1].split()[0]
    assert kind.startswith("regular"), "no regular file"
    assert digest == file["digest"], "altered"
    assert mode.zfill(4) == file["mode"], f"mode is {mode.zfill(4)}, should be {file['mode']}"
    assert owner == file["owner"], f"belongs to {owner}"


@pytest.mark.parametrize("unit", EXPECTED["units"], ids=lambda each: f"unit {each}")
def test_unit(vm: Any, unit: str) -> None:
    found = vm.run("systemctl show --property=ActiveState,UnitFileState,DropInPaths -- %s", unit)
    state = dict(line.split("=", 1) for line in found.stdout.splitlines())
    assert state.get("ActiveState") in ("active", "reloading"), "not running"
    assert state.get("UnitFileState") in ("enabled", "enabled-runtime", "static", "generated"), "not enabled"
    drop_ins = state.get("DropInPaths", "").split()
    theirs = ("/etc/systemd/system/", "/run/systemd/system/")  # an image has its own below /lib or /usr/lib
    by_hand = [each for each in drop_ins if each.startswith(theirs) and f"/{unit}.d/" in each]
    assert not by_hand, f"has drop-in {by_hand[0]}"


@pytest.mark.parametrize("mount", EXPECTED["mounts"], ids=lambda each: f"mount {each['path']}")
def test_mount(vm: Any, mount: dict[str, str]) -> None:
    found = vm.run("timeout 10 findmnt --noheadings --output FSTYPE --mountpoint %s", mount["path"])
    assert found.rc == 0, "not mounted"
    assert found.stdout.strip() == mount["type"], f"mounted is {found.stdout.strip()}"
    answer = vm.run("timeout 10 stat --file-system %s", mount["path"])
    assert answer.rc == 0, answer.stderr.strip() or "no answer within 10 s"


@pytest.mark.parametrize("url", EXPECTED["urls"], ids=lambda each: each["name"])
def test_answers(vm: Any, url: dict[str, Any]) -> None:
    found = vm.run("curl -sS -m 5 %s", url["url"])
    while url["expect"] not in found.stdout and time.monotonic() - BEGUN < url["within"]:
        time.sleep(0.5)
        found = vm.run("curl -sS -m 5 %s", url["url"])
    assert found.rc == 0, found.stderr.strip()
    assert url["expect"] in found.stdout, f"says {found.stdout.strip()[:200]}"
