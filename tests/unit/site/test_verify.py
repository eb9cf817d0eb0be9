"""The table of `site verify`, with the real pytest and testinfra, and an ssh that nobody answers."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from chaosjc.drivers.openstack_values import RuleSpec
from chaosjc.errors import StageError
from chaosjc.site import deploy, verify
from chaosjc.site.context import Context
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


def test_a_site_that_was_never_deployed_cannot_be_verified(context: Context) -> None:
    with pytest.raises(StageError, match="has no keys for this site"):
        verify.verify(context)


def test_a_vm_that_does_not_answer_fails_in_everything(context: Context, no_ssh: None) -> None:
    deploy.deploy(context)
    results = verify.verify(replace(context, only=frozenset({WORKER})))
    assert {each.vm for each in results} == {WORKER}
    assert {each.what for each in results} >= {"file /etc/hosts", "unit ssh.service", "node exporter answers"}
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
