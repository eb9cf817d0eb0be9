"""Every planned thing on every VM, seen through the bastion: all VMs are looked at at once, each in a few sessions.

$CHAOSJC_VERIFY names a JSON file: {"ssh_config", "vms": [{"vm", "accounts": [{name, shell, groups}…],
"certificates": [path…], "files": [{path, digest, mode, owner}…], "units": [name…], "mounts": [{path, type}…],
"urls": [{name, url, expect, within}…]}…]}. `within`: seconds since the session began, that an answer may take to become
the expected one.
"""

# ruff: noqa: D103, S101 - these are tests

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra  # pyright: ignore[reportMissingTypeStubs]

from chaosjc.clock import rfc3339
from chaosjc.site.keys import validity_of

BEGUN = time.monotonic()
TOLD: dict[str, Any] = json.loads(Path(os.environ["CHAOSJC_VERIFY"]).read_text())
EXPECTED: dict[str, dict[str, Any]] = {each["vm"]: each for each in TOLD["vms"]}


@dataclass(frozen=True)
class Answer:
    """Of a URL: curl's exit code, and what was said."""

    code: int
    said: str


@dataclass(frozen=True)
class Look:
    """What one VM showed: (passwd, shadow, groups) by account, certificates by path, (kind, mode, owner) and digest by
    path, properties by unit, answers by URL.
    """

    host: Any
    accounts: dict[str, list[str]]
    certificates: dict[str, str]
    kinds: dict[str, list[str]]
    digests: dict[str, str]
    units: dict[str, dict[str, str]]
    urls: dict[str, Answer]


def look(expected: dict[str, Any]) -> Look | str:
    """All of a VM at once; the reason, where there is no session."""
    spec = f"ssh://{expected['vm']}?sudo=true&controlpersist=0"
    host: Any = testinfra.get_host(spec, ssh_config=TOLD["ssh_config"])  # pyright: ignore[reportUnknownMemberType]
    accounts = [each["name"] for each in expected["accounts"]]
    paths, units, urls = [each["path"] for each in expected["files"]], expected["units"], expected["urls"]
    try:
        kinds = [each.split(",", 3) for each in _look_at(host, STAT, paths, "\0")]
        digests = [each.split(maxsplit=1) for each in _look_at(host, SUM, paths, "\0")]
        properties = map(_properties, _look_at(host, SHOW, units, "\n\n"))
        return Look(
            host,
            {each.partition(":")[0]: each.split("\n") for each in _look_at(host, ACCOUNT, accounts, "\0")},
            {path: host.run("cat %s", path).stdout for path in expected["certificates"]},
            {path: kind for *kind, path in kinds},
            {path: digest for digest, path in digests},
            dict(zip(units, properties, strict=True)),
            ask(host, [each["url"] for each in urls]),
        )
    except RuntimeError as error:
        return f"no SSH session: {error.args[0].stderr.strip()}"
    except ValueError as error:
        return f"an answer that cannot be read: {error}"


IDENTITY = r'''printf '%s\n%s\n%s\0' "$(getent passwd "$name")" "$(getent shadow "$name")" "$(id -Gn "$name")"'''
ACCOUNT = ("sh", "-c", f"for name; do {IDENTITY}; done", "sh")
STAT = ("stat", "--printf", r"%F,%a,%U:%G,%n\0", "--")
SUM = ("sha256sum", "--zero", "--")
SHOW = ("systemctl", "show", "--property=ActiveState,UnitFileState,DropInPaths", "--")
CURL = ("sh", "-c", r"""for url; do printf '%s %d\0' "$(curl -sS -m 5 "$url" 2>&1)" $?; done""", "sh")


def ask(host: Any, urls: list[str]) -> dict[str, Answer]:
    """What each answers, in one session."""
    told = [each.rpartition(" ") for each in _look_at(host, CURL, urls, "\0")]
    return {url: Answer(int(code), said) for url, (said, _, code) in zip(urls, told, strict=True)}


def _look_at(host: Any, program: tuple[str, ...], things: list[str], separator: str) -> list[str]:
    """One program's word on each of the things; what it does not find it leaves out."""
    said = host.run(shlex.join([*program, *things])).stdout if things else ""
    return [each for each in said.split(separator) if each.strip()]


def _properties(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.strip().splitlines())


@pytest.fixture(scope="session")
def looks() -> dict[str, Look | str]:
    with ThreadPoolExecutor(len(EXPECTED)) as pool:
        return dict(zip(EXPECTED, pool.map(look, EXPECTED.values()), strict=True))


@pytest.fixture
def seen(looks: dict[str, Look | str], vm: str) -> Look:
    found = looks[vm]
    assert isinstance(found, Look), found
    return found


def each_of(kind: str, name: Callable[[Any], str]) -> pytest.MarkDecorator:
    """A test for each thing of this kind on each VM, called `VM:what`."""
    things = [
        pytest.param(vm, thing, id=f"{vm}:{name(thing)}") for vm, told in EXPECTED.items() for thing in told[kind]
    ]
    return pytest.mark.parametrize(("vm", "thing"), things)


@each_of("accounts", lambda account: f"account {account['name']}")
def test_account(seen: Look, thing: dict[str, Any]) -> None:
    found = seen.accounts.get(thing["name"])
    assert found, "missing"
    passwd, shadow, groups = found
    shell = passwd.rpartition(":")[2]
    assert shell == thing["shell"], f"shell is {shell}, should be {thing['shell']}"
    assert sorted(groups.split()) == thing["groups"], f"is in {groups}, should be in {' '.join(thing['groups'])}"
    assert shadow.partition(":")[2].startswith(("!", "*")), "a password opens it"


@each_of("certificates", lambda _: "host certificate")
def test_certificate(seen: Look, thing: str) -> None:
    text = seen.certificates[thing]
    assert text, "missing"
    found = validity_of(text)
    assert found, "no certificate"
    assert found.fresh(time.time()), f"to be renewed: ends {rfc3339(found.end)}"


@each_of("files", lambda file: f"file {file['path']}")
def test_file(seen: Look, thing: dict[str, str]) -> None:
    found = seen.kinds.get(thing["path"])
    assert found, "missing"
    kind, mode, owner = found
    assert kind.startswith("regular"), "no regular file"
    assert seen.digests.get(thing["path"]) == thing["digest"], "altered"
    assert mode.zfill(4) == thing["mode"], f"mode is {mode.zfill(4)}, should be {thing['mode']}"
    assert owner == thing["owner"], f"belongs to {owner}"


@each_of("units", lambda unit: f"unit {unit}")
def test_unit(seen: Look, thing: str) -> None:
    state = seen.units[thing]
    assert state.get("ActiveState") in ("active", "reloading"), "not running"
    assert state.get("UnitFileState") in ("enabled", "enabled-runtime", "static", "generated"), "not enabled"
    drop_ins = state.get("DropInPaths", "").split()
    theirs = ("/etc/systemd/system/", "/run/systemd/system/")  # an image has its own below /lib or /usr/lib
    by_hand = [each for each in drop_ins if each.startswith(theirs) and f"/{thing}.d/" in each]
    assert not by_hand, f"has drop-in {by_hand[0]}"


@each_of("mounts", lambda mount: f"mount {mount['path']}")
def test_mount(seen: Look, thing: dict[str, str]) -> None:
    found = seen.host.run("timeout 10 findmnt --noheadings --output FSTYPE --mountpoint %s", thing["path"])
    assert found.rc == 0, "not mounted"
    assert found.stdout.strip() == thing["type"], f"mounted is {found.stdout.strip()}"
    answer = seen.host.run("timeout 10 stat --file-system %s", thing["path"])
    assert answer.rc == 0, answer.stderr.strip() or "no answer within 10 s"


@each_of("urls", lambda url: url["name"])
def test_answers(seen: Look, thing: dict[str, Any]) -> None:
    url, answer = thing["url"], seen.urls[thing["url"]]
    while thing["expect"] not in answer.said and time.monotonic() - BEGUN < thing["within"]:
        time.sleep(0.5)
        answer = ask(seen.host, [url])[url]
    assert answer.code == 0, answer.said.strip()
    assert thing["expect"] in answer.said, f"says {answer.said.strip()[:200]}"
