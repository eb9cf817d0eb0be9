"""The stages together, on a cloud in memory: what is planned, what is mended, and that a second time does nothing."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from chaosjc.clock import rfc3339
from chaosjc.drivers.openstack_values import Named, Network, Port, RuleSpec
from chaosjc.errors import StageError
from chaosjc.site import deploy
from chaosjc.site.context import Context
from chaosjc.site.model import NetworkModel, Role, SiteFile
from chaosjc.site.stages.infra import Infra
from tests.unit.fakes import FakeClock
from tests.unit.site.fakes import FakeCloud, small_site
from tests.unit.site.fakes_hosts import PRINCIPALS, SUDO, FakeHosts

WORKER = "worker-001"
EXPORTER = "prometheus-node-exporter.service"


@pytest.fixture
def deployed(context: Context) -> Context:
    deploy.deploy(context)
    return context


def names(context: Context) -> list[str]:
    """What would be done, in a person's words without details."""
    return [f"{each.action} {each.kind} {each.name}" for each in deploy.plan(context)]


def uuid_of(cloud: FakeCloud, name: str) -> str:
    return next(each.id for each in cloud.server_table.values() if each.name == name)


def with_role(site: SiteFile, name: str, **changes: Any) -> SiteFile:
    role = Role.model_validate(site.roles[name].model_dump() | changes, strict=False)
    return site.model_copy(update={"roles": {**site.roles, name: role}})


def test_from_nothing_to_nothing_to_do(context: Context, cloud: FakeCloud) -> None:
    planned = names(context)
    assert planned[0] == "create authority lab users and hosts"
    assert planned[-4:] == [f"create server {each}" for each in ("bastion", WORKER, "worker-002", "monitor")]
    assert not cloud.calls, "a plan changes nothing"
    deploy.deploy(context)
    assert {each.name for each in cloud.server_table.values()} == {"bastion", WORKER, "worker-002", "monitor"}
    calls = list(cloud.calls)
    assert deploy.deploy(context) == ()
    assert names(context) == []
    assert cloud.calls == calls


def test_servers_carry_the_site_mark_and_a_certified_host_key(deployed: Context, cloud: FakeCloud) -> None:
    server = cloud.server_table[uuid_of(cloud, WORKER)]
    assert server.metadata["chaosjc:site"] == "lab"
    assert server.metadata["chaosjc:role"] == "worker"
    data = json.loads(gzip.decompress(cloud.user_data[server.id]).decode().removeprefix("#cloud-config\n"))
    assert data["ssh_keys"]["ed25519_certificate"].startswith("ssh-ed25519-cert-v01@openssh.com ")
    assert WORKER in deployed.state.ssh_config.read_text()


def test_a_rule_deleted_or_added_by_hand_is_named_and_mended(deployed: Context, cloud: FakeCloud) -> None:
    groups = {each.name: each for each in cloud.group_table.values()}
    monitor, internal = groups["lab-monitor"], groups["lab-internal"]
    lost = next(uuid for uuid, rule in internal.rules if rule.port_min == 9100)
    cloud.delete_rule(lost)
    cloud.create_rule(monitor.id, RuleSpec("ingress", "IPv4", "tcp", 4444, 4450))
    cloud.delete_rule(monitor.rules[1][0])
    assert names(deployed) == [
        "create rule lab-monitor: egress IPv6 any to anywhere",
        "delete rule lab-monitor: ingress tcp 4444-4450 from anywhere",
        "create rule lab-internal: ingress tcp 9100 from lab-monitor",
    ]
    assert len(deploy.deploy(deployed)) == 3
    assert names(deployed) == []


def test_a_deleted_server_comes_back_with_its_address(deployed: Context, cloud: FakeCloud) -> None:
    before = cloud.server_table[uuid_of(cloud, WORKER)]
    cloud.delete_server(before.id)
    assert names(deployed) == [f"create server {WORKER}"]
    deploy.deploy(deployed)
    after = cloud.server_table[uuid_of(cloud, WORKER)]
    assert after.id != before.id
    assert after.addresses == before.addresses
    assert names(deployed) == []


def test_a_server_on_its_way_out_is_as_good_as_gone(deployed: Context, cloud: FakeCloud) -> None:
    uuid = uuid_of(cloud, WORKER)
    cloud.server_table[uuid] = replace(cloud.server_table[uuid], task_state="deleting")
    assert names(deployed) == [f"create server {WORKER}"]
    deploy.deploy(deployed)
    assert names(deployed) == []


@pytest.mark.parametrize(
    ("status", "action"),
    [("PAUSED", "unpause"), ("SUSPENDED", "resume"), ("SHUTOFF", "start"), ("RESCUE", "reboot"), ("ERROR", "replace")],
)
def test_a_server_in_another_state_is_revived(deployed: Context, cloud: FakeCloud, status: str, action: str) -> None:
    uuid = uuid_of(cloud, WORKER)
    cloud.server_table[uuid] = replace(cloud.server_table[uuid], status=status)
    assert names(deployed) == [f"{action} server {WORKER}"]
    deploy.deploy(deployed)
    assert names(deployed) == []


def test_a_port_deleted_by_hand_costs_its_server(deployed: Context, cloud: FakeCloud) -> None:
    port = next(each for each in cloud.port_table.values() if each.name == f"lab-{WORKER}")
    cloud.delete_port(port.id)
    assert names(deployed)[:2] == [f"create port lab-{WORKER}", f"replace server {WORKER}"]
    deploy.deploy(deployed)
    assert names(deployed) == []


def test_groups_of_a_port_are_mended(deployed: Context, cloud: FakeCloud) -> None:
    port = next(each for each in cloud.port_table.values() if each.name == "lab-monitor")
    cloud.update_port(port.id, [])
    (change,) = deploy.plan(deployed)
    assert str(change) == "infra: update port lab-monitor (groups none → lab-internal, lab-monitor)"
    deploy.deploy(deployed)
    assert names(deployed) == []


def test_accounts_files_and_units_altered_by_hand_are_named_and_mended(deployed: Context, hosts: FakeHosts) -> None:
    hosts.alter_account("bastion", "jump", shell="/bin/bash")
    hosts.alter_account("worker-002", "reader")
    hosts.alter_file("bastion", "/etc/hosts", digest="0" * 64)
    hosts.alter_file(WORKER, "/etc/sudoers.d/90-chaosjc", mode="0644")
    hosts.alter_file("monitor", "/etc/prometheus/prometheus.yml")
    hosts.alter_unit(WORKER, EXPORTER, active="inactive")
    hosts.alter_unit("worker-002", "ssh.service", drop_ins=["/etc/systemd/system/ssh.service.d/x.conf"])
    assert names(deployed) == [
        "update account bastion:jump",
        "update file bastion:/etc/hosts",
        f"update file {WORKER}:/etc/sudoers.d/90-chaosjc",
        "create account worker-002:reader",
        "update unit worker-002:ssh.service",
        f"update unit {WORKER}:{EXPORTER}",
        "create file monitor:/etc/prometheus/prometheus.yml",
    ]
    deploy.deploy(deployed)
    assert names(deployed) == []
    assert sorted(hosts.mended) == ["bastion", "monitor", WORKER, WORKER, "worker-002"]


def test_a_failure_names_stage_host_command_and_log(deployed: Context, hosts: FakeHosts) -> None:
    hosts.alter_unit(WORKER, EXPORTER, active="failed")
    hosts.failing[EXPORTER] = f"systemctl start {EXPORTER}: Job failed."  # as chaosjc.site.remote says it
    with pytest.raises(StageError) as caught:
        deploy.deploy(deployed)
    assert caught.value.message == f"monitoring: {WORKER}: mending {EXPORTER}: systemctl start {EXPORTER}: Job failed."
    assert caught.value.hint == where(deployed, EXPORTER)
    hosts.failing.clear()
    deploy.deploy(deployed)
    assert names(deployed) == []


def where(context: Context, unit: str) -> str:
    """What to read when a unit of the worker failed."""
    return f"ssh -F {context.state.ssh_config} {WORKER} sudo journalctl -u {unit}; log: {context.state.log}"


def test_so_does_a_unit_that_starts_and_does_not_stay(deployed: Context, hosts: FakeHosts) -> None:
    hosts.alter_unit(WORKER, EXPORTER, active="failed")
    hosts.dying.add(EXPORTER)
    with pytest.raises(StageError) as caught:
        deploy.deploy(deployed)
    change = f"monitoring: update unit {WORKER}:{EXPORTER} (enabled, failed → enabled, active)"
    done = f"monitoring: done, and yet not as planned: {change}, after `systemctl start {EXPORTER}`"
    assert (caught.value.message, caught.value.hint) == (done, where(deployed, EXPORTER))


def test_what_mending_does_not_mend_is_an_error(deployed: Context, hosts: FakeHosts, cloud: FakeCloud) -> None:
    hosts.silent.add("monitor")
    assert names(deployed) == [], "a VM so young may still be starting"
    _age(cloud)
    assert names(deployed) == ["reboot server monitor"]
    with pytest.raises(StageError, match="infra: monitor: monitor: no SSH session"):
        deploy.deploy(deployed)
    assert "console of monitor" in (deployed.state.logs / "console-monitor.log").read_text()
    assert "reboot monitor" in cloud.calls


def test_a_deploy_with_nothing_to_do_looks_at_each_vm_once(deployed: Context, hosts: FakeHosts) -> None:
    hosts.looked.clear()
    assert deploy.deploy(deployed) == ()
    assert sorted(hosts.looked) == sorted(each.name for each in deployed.site.machines)


def test_what_infra_has_made_is_asked_for_once_by_all_stages_behind_it(
    deployed: Context, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nova and Neutron of a busy cloud take their time."""
    asked: list[str] = []
    ports = cloud.ports

    def counted(network_id: str) -> tuple[Port, ...]:
        asked.append(network_id)
        return ports(network_id)

    monkeypatch.setattr(cloud, "ports", counted)
    with monkeypatch.context() as alone:
        alone.setattr(deploy, "STAGES", [each for each in deploy.STAGES if each.name in deploy.FIRST])
        deploy.deploy(deployed)
    by_them = len(asked)
    deploy.deploy(deployed)
    assert len(asked) == by_them + by_them + 1


def test_once_something_was_done_every_vm_is_looked_at_again(deployed: Context, hosts: FakeHosts) -> None:
    """It may show anywhere: whoever restarts a daemon breaks what others have of it."""
    hosts.alter_file(WORKER, "/etc/hosts", digest="0" * 64)
    hosts.looked.clear()
    assert deploy.deploy(deployed)
    assert [each.name for each in deployed.site.machines if hosts.looked.count(each.name) < 2] == []


@pytest.mark.parametrize(("takes", "planned"), [(7, []), (12, ["reboot server monitor"])])
def test_a_vm_on_a_busy_machine_is_not_taken_for_a_silent_one(
    deployed: Context, hosts: FakeHosts, cloud: FakeCloud, takes: float, planned: list[str]
) -> None:
    """`site plan` beside much else: a handshake was seen to take more than five seconds."""
    _age(cloud)
    hosts.slow["monitor"] = takes
    assert names(deployed) == planned


@pytest.mark.parametrize(("age", "waits"), [(0, 120), (50, 70), (110, 20), (1000, 20)])
def test_a_young_vm_gets_what_is_left_of_its_time(
    deployed: Context, hosts: FakeHosts, cloud: FakeCloud, clock: FakeClock, age: float, waits: float
) -> None:
    for uuid, server in cloud.server_table.items():
        cloud.server_table[uuid] = replace(server, created=rfc3339(clock.now - age))
    hosts.silent.add(WORKER)
    began = clock.now
    assert Infra(finish=lambda context, vm: None).facts(deployed, patient=True).logins[WORKER] == "silent"
    assert clock.now - began == pytest.approx(waits, abs=1)


def test_a_vm_that_refuses_every_login_is_replaced_if_nothing_is_lost(
    deployed: Context, hosts: FakeHosts, cloud: FakeCloud
) -> None:
    _age(cloud)
    hosts.refusing.update({WORKER, "monitor"})
    assert names(deployed) == [f"replace server {WORKER}", "reboot server monitor"]


@pytest.mark.parametrize(("path", "seen"), [(SUDO, "refuses sudo"), (f"{PRINCIPALS}/chaosjc", "refuses every login")])
def test_a_lost_file_that_leads_in_is_named_by_what_it_does_and_mended(
    deployed: Context, hosts: FakeHosts, cloud: FakeCloud, path: str, seen: str
) -> None:
    _age(cloud)
    monitor = uuid_of(cloud, "monitor")
    for each in (WORKER, "monitor"):
        hosts.alter_file(each, path)
    assert [(each.action, each.name, each.before) for each in deploy.plan(deployed)] == [
        ("replace", WORKER, seen),
        ("reboot", "monitor", seen),
    ]
    deploy.deploy(deployed)
    assert names(deployed) == []
    assert uuid_of(cloud, "monitor") == monitor, "its boot wrote the file again"


def test_a_vm_whose_boot_does_not_mend_it_says_what_it_refuses(
    deployed: Context, hosts: FakeHosts, cloud: FakeCloud
) -> None:
    _age(cloud)
    hosts.alter_file("monitor", SUDO)
    hosts.boots["monitor"] = 1  # its user data is of a time when no boot wrote anything
    with pytest.raises(StageError, match="infra: monitor: monitor: no root by sudo"):
        deploy.deploy(deployed)


def test_who_gets_in_and_does_not_become_root_is_not_believed_to_be_there(deployed: Context, hosts: FakeHosts) -> None:
    hosts.alter_file(WORKER, SUDO)
    assert names(deployed) == [], "a VM so young may still be starting"


def test_a_bastion_that_lets_nobody_through_costs_none_behind_it(
    deployed: Context, hosts: FakeHosts, cloud: FakeCloud
) -> None:
    _age(cloud)
    servers, told = set(cloud.server_table), list[tuple[str, str]]()

    def listen(stage: str, subject: str, text: str) -> None:
        told.append((subject, text))

    hosts.alter_file("bastion", f"{PRINCIPALS}/jump")
    context = replace(deployed, report=listen)
    assert names(context) == [f"create file bastion:{PRINCIPALS}/jump"]
    seen = f"monitor refused, {WORKER} refused, worker-002 refused"
    assert told == [("bastion", f"lets us in, and none behind it does: {seen}; they are not judged")]
    done = deploy.deploy(context)
    assert [f"{each.action} {each.name}" for each in done] == [f"create bastion:{PRINCIPALS}/jump"]
    assert names(deployed) == []
    assert set(cloud.server_table) == servers
    assert not [each for each in cloud.calls if each.startswith("reboot ")]


def test_where_nothing_on_the_bastion_keeps_us_from_all_others_that_is_an_error(
    deployed: Context, hosts: FakeHosts, cloud: FakeCloud
) -> None:
    _age(cloud)
    hosts.silent.update({WORKER, "worker-002", "monitor"})
    with pytest.raises(StageError, match=f"access: {WORKER}: no SSH session"):
        deploy.deploy(deployed)
    assert not [each for each in cloud.calls if each.startswith("reboot ")]


def test_one_vm_alone_behind_the_bastion_is_judged(deployed: Context, hosts: FakeHosts, cloud: FakeCloud) -> None:
    _age(cloud)
    hosts.silent.add(WORKER)
    assert names(replace(deployed, only=frozenset({"bastion", WORKER}))) == [f"reboot server {WORKER}"]


def test_a_vm_that_a_reboot_does_not_mend_is_replaced_if_nothing_is_lost(
    deployed: Context, hosts: FakeHosts, cloud: FakeCloud
) -> None:
    _age(cloud)
    old = uuid_of(cloud, WORKER)
    hosts.dead.add(old)
    assert names(deployed) == [f"reboot server {WORKER}"]
    deploy.deploy(deployed)
    assert uuid_of(cloud, WORKER) != old
    assert names(deployed) == []


def test_nothing_is_said_of_vms_behind_a_silent_bastion(deployed: Context, hosts: FakeHosts, cloud: FakeCloud) -> None:
    _age(cloud)
    hosts.silent.add("bastion")
    assert names(deployed) == ["reboot server bastion"]


def test_a_silent_vm_behind_a_lost_rule_is_not_rebooted(deployed: Context, hosts: FakeHosts, cloud: FakeCloud) -> None:
    _age(cloud)
    group = next(each for each in cloud.group_table.values() if each.name == "lab-internal")
    cloud.delete_rule(next(uuid for uuid, rule in group.rules if rule.port_min == 22))
    hosts.silent.add(WORKER)
    assert names(deployed) == ["create rule lab-internal: ingress tcp 22 from lab-bastion"]


@pytest.mark.parametrize(
    ("change", "before"),
    [({"flavor": "m1.small"}, "flavor m1.medium"), ({"image": "newer"}, "image image-1")],
)
def test_flavor_and_image_cannot_change_in_place(
    deployed: Context, cloud: FakeCloud, change: dict[str, str], before: str
) -> None:
    cloud.image_list = (*cloud.image_list, Named("image-2", "newer"))
    altered = replace(deployed, site=with_role(deployed.site, "worker", **change))
    changes = deploy.plan(altered)
    assert [(each.action, each.name, each.before) for each in changes] == [
        ("replace", WORKER, before),
        ("replace", "worker-002", before),
    ]
    deploy.deploy(altered)
    assert names(altered) == []


def test_new_user_data_is_a_new_vm_and_nothing_else(deployed: Context, cloud: FakeCloud) -> None:
    retention = deployed.site.monitoring.model_copy(update={"retention": 3600.0})
    altered = replace(deployed, site=deployed.site.model_copy(update={"monitoring": retention}))
    assert names(altered) == ["replace server monitor"]


def test_live_files_change_while_their_vm_lives(deployed: Context, cloud: FakeCloud) -> None:
    monitor = uuid_of(cloud, "monitor")
    altered = replace(deployed, site=with_role(deployed.site, "worker", count=3))
    assert f"create server {WORKER[:-1]}3" in names(altered)
    deploy.deploy(altered)
    assert names(altered) == []
    assert uuid_of(cloud, "monitor") == monitor


def test_what_the_file_no_longer_names_goes(deployed: Context, cloud: FakeCloud) -> None:
    fewer = replace(deployed, site=with_role(deployed.site, "worker", count=1, numbered=True))
    assert {"delete port lab-worker-002", "delete server worker-002"} <= set(names(fewer))
    deploy.deploy(fewer)
    assert names(fewer) == []
    assert len(cloud.server_table) == 3


def test_only_leaves_the_rest_alone(deployed: Context, cloud: FakeCloud, hosts: FakeHosts) -> None:
    cloud.delete_server(uuid_of(cloud, WORKER))
    cloud.delete_server(uuid_of(cloud, "worker-002"))
    hosts.alter_file("monitor", "/etc/hosts", mode="0600")
    deploy.deploy(replace(deployed, only=frozenset({WORKER})))
    assert names(deployed) == ["create server worker-002", "update file monitor:/etc/hosts"]


def test_a_snapshot_deploys_like_its_file(deployed: Context, cloud: FakeCloud) -> None:
    cloud.delete_server(uuid_of(cloud, WORKER))
    restored = replace(deployed, site=SiteFile.restore(deployed.site.snapshot()))
    deploy.deploy(restored)
    assert names(deployed) == []


def test_destroy_leaves_what_others_own(deployed: Context, cloud: FakeCloud) -> None:
    cloud.create_group("somebody else's", "")
    deploy.destroy(deployed)
    assert not (cloud.server_table or cloud.port_table or cloud.subnet_table)
    assert [each.name for each in cloud.network_table.values()] == ["public"]
    assert [each.name for each in cloud.group_table.values()] == ["somebody else's"]
    assert deploy.destroy(deployed) == ()


def test_a_network_of_somebody_else_is_not_touched(context: Context, cloud: FakeCloud) -> None:
    cloud.network_table["theirs"] = Network("theirs", "lab", "my network")
    with pytest.raises(StageError, match="network lab of cloud fake belongs to somebody else"):
        deploy.deploy(context)


def test_a_missing_image_and_flavor_are_named(context: Context, cloud: FakeCloud) -> None:
    cloud.flavor_list = cloud.flavor_list[:1]
    with pytest.raises(StageError, match=r"no flavor m1\.medium"):
        deploy.plan(context)
    cloud.image_list = ()
    with pytest.raises(StageError, match="no image chaosjc-golden"):
        deploy.plan(context)


def test_router_and_public_address_where_the_file_names_a_way_out(context: Context, cloud: FakeCloud) -> None:
    network = NetworkModel(cidr="10.66.0.0/24", external="public")
    outside = replace(context, site=small_site().model_copy(update={"network": network}))
    assert {"create router lab", "create floating address bastion"} <= set(names(outside))
    deploy.deploy(outside)
    assert names(outside) == []
    assert "HostName 192.0.2.10" in outside.state.ssh_config.read_text()
    router = next(iter(cloud.router_table.values()))
    cloud.router_table[router.id] = replace(router, subnet_ids=frozenset())
    address = next(iter(cloud.floating_table.values()))
    cloud.point_floating_address(address.id, "")
    assert names(outside) == ["update router lab", "update floating address 192.0.2.10"]
    deploy.deploy(outside)
    deploy.deploy(replace(outside, site=small_site()))
    assert not (cloud.router_table or cloud.floating_table)


def test_one_deploy_at_a_time(context: Context) -> None:
    with context.state.writing(), pytest.raises(StageError, match="another deploy"):
        deploy.deploy(context)


def test_an_interrupted_deploy_stops_and_the_next_continues(context: Context) -> None:
    def stop(stage: str, subject: str, text: str) -> None:
        if (subject, text) == ("monitor", "create server"):
            context.cancelled.set()

    with pytest.raises(StageError, match="interrupted"):
        deploy.deploy(replace(context, report=stop))
    deploy.deploy(context)
    assert names(context) == []


def _age(cloud: FakeCloud) -> None:
    for uuid, server in cloud.server_table.items():
        cloud.server_table[uuid] = replace(server, created="2020-01-01T00:00:00Z")


def test_a_vm_whose_sshd_starts_again_is_asked_again(context: Context, hosts: FakeHosts) -> None:
    hosts.restarting[WORKER] = 3
    deploy.deploy(context)
    assert hosts.restarting[WORKER] == 0


def test_a_vm_that_stays_away_is_not_waited_for_for_ever(deployed: Context, hosts: FakeHosts) -> None:
    hosts.restarting[WORKER] = 10_000
    with pytest.raises(StageError, match=f"{WORKER}: no SSH session: kex_exchange"):
        deploy.deploy(deployed)
