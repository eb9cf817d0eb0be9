"""What a lost control plane is made from: a snapshot whose age is told, and never silently nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import StageError
from chaosjc.site.context import Context
from chaosjc.site.model import SiteFile
from chaosjc.site.roles import backup
from chaosjc.site.stages.cluster import Cluster
from chaosjc.site.stages.cluster_backup import Backup
from chaosjc.site.stages.cluster_plan import ClusterFacts, MemberFact, plan
from chaosjc.site.state import write_atomically
from tests.sites import cloud_file
from tests.unit.site.shell import FakeShell

THERE = {"test ! -s /var/lib/etcd-backup/latest.db": "c25hcHNob3Q=", "stat -c %Y": "1000\n1094\n"}


def site(**kubernetes: Any) -> SiteFile:
    raw = cloud_file()
    return SiteFile.restore(json.dumps(raw | {"kubernetes": raw["kubernetes"] | kubernetes}))


def over(context: Context, shell: FakeShell, **kubernetes: Any) -> Context:
    return replace(context, site=site(**kubernetes), ssh=Ssh(context.state.ssh_config, shell))


def test_a_first_cluster_is_new(context: Context) -> None:
    shell = FakeShell({})
    first = Backup(over(context, shell), "cluster")
    first.check(remembered=True)
    assert first.restore("10.67.0.9") == "new, and empty"
    assert shell.ran == []


def test_the_age_of_the_snapshot_is_told(context: Context) -> None:
    shell = FakeShell(THERE)
    again = Backup(over(context, shell), "cluster")
    again.kept.write_text("authorities")
    again.check(remembered=True)
    assert again.restore("10.67.0.9") == "restored from its snapshot of 1970-01-01T00:16:40.000Z, 1m34s old"
    (restoring,) = [each for each in shell.ran if "etcdutl snapshot restore" in each.text]
    assert (restoring.host, restoring.stdin) == ("master", "c25hcHNob3Q=")


def test_a_lost_cluster_without_a_snapshot_is_refused_before_anything_is_done(context: Context) -> None:
    shell = FakeShell({})
    context = over(context, shell)
    kept = Backup(context, "cluster").kept
    kept.write_text("authorities")
    members = {"master": MemberFact(member=False, begun=True), "worker-001": MemberFact(member=True, begun=True)}
    facts = ClusterFacts("absent", members, addresses={"master": "10.67.0.9"})
    with pytest.raises(StageError, match="monitor has no snapshot of its etcd") as refused:
        Cluster().apply(context, facts, plan(context.site, facts))
    assert f"mv {kept} {kept}.lost" in refused.value.hint
    assert [each.host for each in shell.ran] == ["monitor"], "the master is left as it is"
    kept.rename(f"{kept}.lost")
    Backup(context, "cluster").check(remembered=True)


def test_a_cluster_that_no_node_knows_is_begun_anew_under_its_own_authorities(context: Context) -> None:
    """After `site destroy`, or on a lab that was reset."""
    told: list[str] = []

    def report(stage: str, name: str, what: str) -> None:
        told.append(f"{stage} {name} {what}")

    context = replace(over(context, FakeShell({})), report=report)
    write_atomically(context.state.authorities, "authorities")
    backup = Backup(context, "cluster")
    backup.check(remembered=False)
    assert backup.restore("10.67.0.9") == "new, and empty"
    aside = f"{context.state.authorities}.lost"
    assert told == [f"cluster master no node knows the cluster before it; its keys: {aside}"]
    assert Path(aside).read_text() == "authorities"


def test_a_site_that_wants_no_backups_begins_anew_under_its_authorities(context: Context) -> None:
    shell = FakeShell({})
    again = Backup(over(context, shell, backup="0s"), "cluster")
    again.kept.write_text("authorities")
    again.check(remembered=True)
    assert again.restore("10.67.0.9") == "new, and empty: the site file has no backups"
    assert shell.ran[0].stdin == "authorities"


def test_whoever_gets_the_key_takes_the_first_snapshot(context: Context) -> None:
    shell = FakeShell({"master: sh -ec tar": "keys"})
    Backup(over(context, shell), "cluster").give_key()
    assert shell.ran[1].stdin == "keys"
    assert shell.position("systemctl start --no-block etcd-backup.service") == 2


@pytest.mark.parametrize("what", [backup.ETCD, backup.DATABASE])
def test_a_backup_tells_when_it_was_taken(what: str) -> None:
    """As systemd reads the line: escapes within double quotes, and `%%`."""
    line = backup.told(what)
    start, script, end = line.partition('"')[0], line.partition('"')[2].rpartition('"')[0], line[-1]
    assert (start, end) == ("/bin/sh -ec ", '"')
    told = script.replace('\\"', '"').replace("%%", "%")
    assert f"date '+chaosjc_backup_timestamp_seconds{{of=\"{what}\"}} %s'" in told
    assert "$" not in told
