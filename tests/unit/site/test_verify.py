"""The table of `site verify`, with the real pytest and testinfra, and an ssh that nobody answers."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from chaosjc.drivers.kubernetes_values import Pod
from chaosjc.drivers.openstack_values import RuleSpec
from chaosjc.errors import StageError
from chaosjc.site import deploy, verify
from chaosjc.site.context import Context
from chaosjc.site.keys import Keyring
from chaosjc.site.state import SiteState
from chaosjc.site.verify import pods
from tests.unit.site.fakes import FakeCloud

WORKER = "worker-001"


@pytest.fixture
def no_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers, at once."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "ssh"
    script.write_text("#!/bin/sh\necho 'ssh: connect to host: Connection timed out' >&2\nexit 255\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A "VM" whose commands run on this machine, and whose systemd says what is in the directory's files."""
    (tmp_path / "bin").mkdir()
    programs = {
        "ssh": 'for last; do :; done; exec sh -c "$last"',
        "sudo": 'exec "$@"',
        "getent": f'cat "{tmp_path}/$1-$2"',
        "id": f'cat "{tmp_path}/groups-$2"',
        "systemctl": f'shift 3; for unit; do cat "{tmp_path}/$unit" || echo ActiveState=inactive; echo; done',
    }
    for name, text in programs.items():
        script = tmp_path / "bin" / name
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path


def looked(**expected: object) -> list[tuple[bool, str]]:
    """(held, why) of each, in their order."""
    nothing: dict[str, object] = {key: [] for key in ("accounts", "certificates", "files", "units", "mounts", "urls")}
    told = {"ssh_config": "/dev/null", "vms": [{"vm": WORKER, **nothing, **expected}]}
    return [(each["held"], each["why"]) for each in verify.look(told)]


def test_a_backup_that_is_too_old_is_no_backup() -> None:
    query = verify._young("etcd", 150.0, 12.0)
    assert query["name"] == "backup of etcd is younger than 2m30s"
    asked = unquote(query["url"].partition("query=")[2])
    assert asked == 'max(chaosjc_backup_timestamp_seconds{of="etcd"}) > bool time() - 150'
    assert query["expect"] == ',"1"]'


def test_what_is_looked_for_in_an_account(here: Path) -> None:
    for name, shell, groups, password in [
        ("good", "/bin/sh", "good systemd-journal", "!"),
        ("free", "/bin/bash", "free", "!"),
        ("promoted", "/bin/sh", "promoted systemd-journal sudo", "!"),
        ("opened", "/bin/sh", "opened systemd-journal", "$y$j9T$x"),
        ("emptied", "/bin/sh", "emptied systemd-journal", ""),
    ]:
        (here / f"passwd-{name}").write_text(f"{name}:x:1001:1001::/home/{name}:{shell}\n")
        (here / f"shadow-{name}").write_text(f"{name}:{password}:20000::::::\n")
        (here / f"groups-{name}").write_text(f"{groups}\n")
    names = ("good", "free", "promoted", "opened", "emptied", "nobody")
    wishes = [{"name": each, "shell": "/bin/sh", "groups": sorted([each, "systemd-journal"])} for each in names]
    assert looked(accounts=wishes) == [
        (True, ""),
        (False, "shell is /bin/bash, should be /bin/sh"),
        (False, "is in promoted systemd-journal sudo, should be in promoted systemd-journal"),
        (False, "a password opens it"),
        (False, "a password opens it"),
        (False, "missing"),
    ]


def test_what_is_looked_for_in_a_host_certificate(here: Path, state: SiteState) -> None:
    keyring = Keyring(state)
    keyring.create_authorities()
    (here / "fresh").write_text(keyring.new_host(WORKER, 3600).certificate)
    (here / "old").write_text(keyring.new_host(WORKER, 200).certificate)  # it began 300 s ago
    (here / "other").write_text("text")
    held, old, *rest = looked(certificates=[str(here / each) for each in ("fresh", "old", "other", "nothing")])
    assert held == (True, "")
    assert old[1].startswith("to be renewed: ends 20")
    assert rest == [(False, "no certificate"), (False, "missing")]


def test_what_is_looked_for_in_a_file(here: Path) -> None:
    plain, altered, link = here / "pl,a in", here / "altered", here / "link"
    plain.write_text("text")
    plain.chmod(0o640)
    altered.write_text("")
    link.symlink_to(plain)
    right = {
        "digest": hashlib.sha256(b"text").hexdigest(),
        "mode": "0640",
        "owner": f"{plain.owner()}:{plain.group()}",
    }
    wishes = [
        {**right, "path": str(plain)},
        {**right, "path": str(plain), "mode": "0600"},
        {**right, "path": str(plain), "owner": "nobody:nogroup"},
        {**right, "path": str(altered)},
        {**right, "path": str(link)},
        {**right, "path": str(here / "nothing")},
    ]
    assert looked(files=wishes) == [
        (True, ""),
        (False, "mode is 0640, should be 0600"),
        (False, f"belongs to {right['owner']}"),
        (False, "altered"),
        (False, "no regular file"),
        (False, "missing"),
    ]


def test_what_is_looked_for_in_a_unit(here: Path) -> None:
    ours, by_hand = "/lib/systemd/system/a.service.d/ours.conf", "/etc/systemd/system/a.service.d/override.conf"
    for unit, active, enabled, drop_ins in [
        ("good.service", "active", "enabled", ""),
        ("dead.service", "failed", "enabled", ""),
        ("off.service", "active", "disabled", ""),
        ("a.service", "active", "enabled", f"{ours} {by_hand}"),
    ]:
        (here / unit).write_text(f"DropInPaths={drop_ins}\nActiveState={active}\nUnitFileState={enabled}\n")
    assert looked(units=["good.service", "dead.service", "off.service", "a.service", "unknown.service"]) == [
        (True, ""),
        (False, "not running"),
        (False, "not enabled"),
        (False, f"has drop-in {by_hand}"),
        (False, "not running"),
    ]


def test_a_systemd_that_says_nothing_fails_in_everything(here: Path) -> None:
    (here / "bin" / "systemctl").write_text("#!/bin/sh\nexit 1\n")
    ((held, why),) = looked(units=["good.service"])
    assert not held
    assert why.startswith("an answer that cannot be read")


def test_a_site_that_was_never_deployed_cannot_be_verified(context: Context) -> None:
    with pytest.raises(StageError, match="has no keys for this site"):
        verify.verify(context)


def test_a_vm_that_does_not_answer_fails_in_everything(context: Context, no_ssh: None) -> None:
    deploy.deploy(context)
    results = verify.verify(replace(context, only=frozenset({WORKER})))
    assert {each.vm for each in results} == {WORKER}
    whats = {"account reader", "host certificate", "file /etc/hosts", "unit ssh.service", "node exporter answers"}
    assert {each.what for each in results} >= whats
    assert not any(each.held for each in results)
    assert {each.why for each in results} == {"no SSH session: ssh: connect to host: Connection timed out"}


def test_what_is_wrong_in_the_cloud_is_in_the_table(context: Context, cloud: FakeCloud) -> None:
    deploy.deploy(context)
    for server in list(cloud.server_table):
        cloud.delete_server(server)
    group = next(each for each in cloud.group_table.values() if each.name == "lab-monitor")
    cloud.create_rule(group.id, RuleSpec("ingress", "IPv4", "udp", 53, 53))
    table = {(each.role, each.vm, each.what, each.why) for each in verify.verify(context)}
    assert ("-", "-", "rule lab-monitor: ingress udp 53 from anywhere", "not in the file") in table
    assert ("worker", WORKER, f"server {WORKER}", "missing") in table


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ([("hub-1", {"ready": True})], ""),
        ([("hub-1", {"ready": True}), ("hub-2", {"ready": False})], "not Ready: hub-2"),
        ([("hub-1", {"ready": True}), ("hub-0", {"phase": "Failed"}), ("hub-2", {"deleting": True})], ""),
        ([("hub-0", {"phase": "Succeeded", "ready": True})], "none"),
        ([], "none"),
    ],
)
def test_pods_are_ready_but_for_those_that_end(found: list[tuple[str, dict[str, Any]]], why: str) -> None:
    hub = [Pod("jhub", name, name, labels={"component": "hub"}, **more) for name, more in found]
    result = pods("hub", [*hub, Pod("jhub", "proxy-1", "p", labels={"component": "proxy"})])
    assert (result.what, result.held, result.why) == ("pods hub", not why, why)
