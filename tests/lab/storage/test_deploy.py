"""GlusterFS on a site: deployed, broken by hand, mended, a lost brick rebuilt while somebody writes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from chaosjc.site import discover
from tests.lab.cloud import measured, until
from tests.lab.runs import Stage
from tests.lab.site import DeployedSite
from tests.lab.storage.files import BRICK, MOUNT, same_everywhere, still, sums

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

WRITER = (
    f"mkdir -p {MOUNT}/moving; n=0; while :; do n=$((n+1)); "
    f"dd if=/dev/zero of={MOUNT}/moving/$n bs=4k count=1 conv=fsync status=none && echo $n > /run/written; "
    "sleep 0.2; done"
)


@pytest.fixture(scope="module")
def site(storage_site: Stage) -> Iterator[DeployedSite]:
    """With 100 files of known content on the volume; a test that breaks it mends it."""
    with still(storage_site.site) as site:
        yield site
        site.by_hand("worker-001", f"sudo rm -rf {MOUNT}/moving")


def uuids(site: DeployedSite) -> dict[str, str]:
    context = site.context()
    return {each.name: each.uuid for each in discover.topology(context.site, context.cloud).vms}


def mounted(site: DeployedSite, vm: str) -> bool:
    return "fuse.glusterfs" in site.ssh(vm, f"findmnt -no FSTYPE {MOUNT}; stat -f {MOUNT} > /dev/null").stdout


def gluster(site: DeployedSite, words: str) -> None:
    site.by_hand("brick-001", f"sudo gluster --mode=script {words}")


def test_a_second_deploy_plans_nothing_and_both_workers_see_one_file(site: DeployedSite) -> None:
    with measured("site deploy with storage, again"):
        assert site.run("deploy") == []
    assert site.run("plan") == []
    wrong = [each for each in site.run("verify") if not each["held"]]
    assert wrong == []
    assert same_everywhere(site)


def test_drift_is_named_and_mended(site: DeployedSite) -> None:
    gluster(site, "volume set homes network.ping-timeout 42")
    gluster(site, "volume reset homes cluster.quorum-type")
    gluster(site, "volume stop scratch")
    site.by_hand("brick-002", "sudo pkill -9 -f '[g]lusterfsd.*homes.brick-002'")
    site.by_hand("worker-002", "sudo systemctl stop gluster-homes.service")
    named = {
        "update option homes network.ping-timeout",
        "update option homes cluster.quorum-type",
        "start volume scratch",
        "start brick brick-002:/data/homes",
        "update unit worker-002:gluster-homes.service",
    }
    assert named <= site.planned()
    broken = site.broken()
    assert {("brick-002", "brick brick-002:/data/homes"), ("worker-002", f"mount {MOUNT}")} <= broken
    with measured("five things mended"):
        site.run("deploy")
    assert site.run("plan") == []
    assert mounted(site, "worker-002")


def test_a_mount_whose_process_died_comes_back_by_itself(site: DeployedSite) -> None:
    site.by_hand("worker-001", "sudo pkill -9 -f '[g]lusterfs .*volfile-id=/homes'")
    until(lambda: mounted(site, "worker-001"), 30)
    assert site.run("plan") == []


@pytest.mark.long  # brick-vm-deleted does the same by a run
def test_a_lost_brick_is_rebuilt_while_somebody_writes(site: DeployedSite) -> None:
    before = uuids(site)
    site.by_hand("worker-001", f"sudo systemd-run --quiet --unit=writer sh -c {shlex.quote(WRITER)}")
    until(lambda: site.ssh("worker-001", "cat /run/written").stdout != "", 30)
    cloud = site.context().cloud
    cloud.delete_server(before["brick-003"])
    cloud.wait_gone(before["brick-003"])
    assert {"create server brick-003", "replace brick brick-003:/data/homes"} <= site.planned()
    with measured("brick VM rebuilt, its files healed and compared"):
        site.run("deploy")
    after = uuids(site)
    assert after.pop("brick-003") != before.pop("brick-003")
    assert after == before
    site.by_hand("worker-001", "sudo systemctl stop writer.service")
    written = int(site.ssh("worker-001", "cat /run/written").stdout)
    until(lambda: same_everywhere(site) and same_everywhere(site, "moving"), 60)
    assert len(sums(site, "brick-003", f"{BRICK}/moving").splitlines()) >= written
    assert site.run("plan") == []


def test_a_lost_worker_comes_back_with_its_mounts(site: DeployedSite) -> None:
    cloud = site.context().cloud
    cloud.delete_server(uuids(site)["worker-002"])
    site.run("deploy")
    assert mounted(site, "worker-002")
    assert same_everywhere(site)
