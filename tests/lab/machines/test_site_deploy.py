"""A site from nothing: deployed, broken by hand in every way, mended, verified, destroyed."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from chaosjc.drivers import command
from chaosjc.drivers.openstack_values import RuleSpec
from chaosjc.errors import RemoteError
from chaosjc.lab.layout import Lab
from chaosjc.site import deploy, discover, endpoints
from chaosjc.site.context import Context
from chaosjc.site.roles import Contents, Surroundings, userdata
from chaosjc.site.roles.access import HOST_CERTIFICATE
from chaosjc.site.stages.infra import gather
from chaosjc.site.topology import Vm
from tests.lab.cloud import measured, until
from tests.lab.site import ROOT, DeployedSite

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

EXPORTER = "prometheus-node-exporter.service"
SUDO = "/etc/sudoers.d/90-chaosjc"
NOBODY = 65534


@pytest.fixture(scope="module")
def site(lab: Lab) -> Iterator[DeployedSite]:
    """Deployed once for the module; a test that breaks it mends it."""
    directory = Path(tempfile.mkdtemp(prefix="chaosjc-site-", dir="/var/tmp"))
    site = DeployedSite.on(lab, directory)
    with measured("site deploy, from nothing"):
        site.run("deploy")
    yield site
    site.run("destroy")
    assert_nothing_is_left(site.context())
    assert site.run("destroy") == []
    shutil.rmtree(directory)


def assert_nothing_is_left(context: Context) -> None:
    cloud = context.cloud
    assert cloud.find_servers({discover.SITE: "lab"}) == ()
    assert cloud.networks("lab") == ()
    assert [each.name for each in cloud.groups() if each.name.startswith("lab-")] == []
    with pytest.raises(RemoteError), endpoints.prometheus(context.state):
        pass


@pytest.fixture
def context(site: DeployedSite) -> Context:
    return site.context()


def vm(context: Context, name: str) -> Vm:
    found = discover.topology(context.site, context.cloud).named(name)
    assert found
    return found


def contents(context: Context) -> dict[str, Contents]:
    """VM → what the plan has on it."""
    facts = gather(context)
    assert facts.keys
    around = Surroundings(facts.keys, discover.addresses(context.site, facts.ports))
    return {each.name: userdata.everything(context.site, each, around) for each in context.site.machines}


def test_a_second_deploy_does_nothing_and_takes_seconds(site: DeployedSite) -> None:
    with measured("site deploy, again"):
        assert site.run("deploy") == []
    assert all(each["held"] for each in site.run("verify"))
    assert [(each["name"], each["ssh"]) for each in site.run("status")] == [
        ("bastion", True),
        ("monitor", True),
        ("worker-001", True),
        ("worker-002", True),
    ]


def test_only_the_bastion_can_be_reached_from_outside(site: DeployedSite, context: Context) -> None:
    address = vm(context, "worker-001").address
    argv = ["ssh", "-F", str(site.state / "ssh" / "config"), "-o", "ProxyJump=none", "-o", "ControlPath=none"]
    direct = command.run([*argv, "worker-001", "true"], timeout=30, check=False)
    assert direct.returncode == 255
    assert address in direct.stderr
    assert site.ssh("worker-001", "sudo id -u").stdout == "0\n"


def test_who_only_passes_through_the_bastion_gets_nothing_on_it(site: DeployedSite) -> None:
    done = site.ssh("jump", "id")
    assert done.returncode != 0
    assert "uid=" not in done.stdout


def test_a_reader_may_look_and_nothing_else(site: DeployedSite) -> None:
    assert "load average" in site.ssh("worker-001", "uptime", config="config.reader").stdout
    for words in ("id", "uptime; id", "sudo uptime", "$(id)"):
        done = site.ssh("worker-001", words, config="config.reader")
        assert (done.returncode, "uid=" in done.stdout) == (126, False)
        assert "This account may only look" in done.stderr


def test_prometheus_sees_every_vm_every_second(context: Context) -> None:
    vms = {"bastion", "monitor", "worker-001", "worker-002"}
    with endpoints.prometheus(context.state) as url:
        # ten seconds may not have passed since the deploy
        until(lambda: _query(url, 'up{job="node"} == 1').keys() == vms, 15, every=1)
        until(lambda: min(_query(url, 'count_over_time(up{job="node"}[10s])').values()) >= 8, 15, every=1)


def _query(url: str, query: str) -> dict[str, float]:
    found: list[Any] = httpx.get(f"{url}/api/v1/query", params={"query": query}).json()["data"]["result"]
    return {each["metric"]["vm"]: float(each["value"][1]) for each in found}


def test_every_account_file_and_unit_altered_by_hand_is_named_and_mended(site: DeployedSite, context: Context) -> None:
    wanted: set[str] = set()
    named: set[tuple[str, str]] = set()
    for host, planned in contents(context).items():
        for account in planned.accounts:
            site.by_hand(host, f"sudo usermod --append --groups users {account.name}")
        for file in planned.files:
            site.by_hand(host, f"echo '# by hand' | sudo tee -a {file.path} > /dev/null")
        for unit in planned.units:
            site.by_hand(host, f"sudo systemctl disable {unit.name}")
        wanted |= {f"update account {host}:{each.name}" for each in planned.accounts}
        wanted |= {f"update file {host}:{each.path}" for each in planned.files}
        wanted |= {f"update unit {host}:{each.name}" for each in planned.units}
        named |= {(host, f"account {each.name}") for each in planned.accounts}
        named |= {(host, f"file {each.path}") for each in planned.files}
        named |= {(host, f"unit {each.name}") for each in planned.units}
    age_certificate(site, context, "worker-001")
    wanted.add("renew host certificate worker-001")
    named.add(("worker-001", "host certificate"))
    assert site.planned() == wanted
    assert site.broken() >= named
    assert len(site.run("deploy")) == len(wanted)
    assert all(each["held"] for each in site.run("verify"))


def age_certificate(site: DeployedSite, context: Context, host: str) -> None:
    """Let the host show one that is past half of its life, and holds for as long as the test needs."""
    key = site.ssh(host, f"sudo cat {HOST_CERTIFICATE.replace('-cert', '')}").stdout
    text = context.keyring.certify_host(host, key, 280)  # it began 300 s ago
    site.by_hand(host, f"echo '{text.strip()}' | sudo tee {HOST_CERTIFICATE} > /dev/null")


def test_deleted_accounts_and_files_and_stopped_masked_and_overridden_units(site: DeployedSite) -> None:
    override = "/run/systemd/system/ssh.service.d/slow.conf"
    site.by_hand("monitor", "sudo userdel --force reader")
    site.by_hand("monitor", f"sudo rm /etc/prometheus/prometheus.yml /etc/systemd/system/{EXPORTER}")
    site.by_hand("worker-001", f"sudo systemctl stop {EXPORTER} && sudo chmod 666 /etc/hosts")
    site.by_hand("worker-002", "sudo systemctl mask ssh.service && sudo chown reader /usr/local/sbin/chaosjc-reader")
    site.by_hand("bastion", f"sudo mkdir -p {Path(override).parent} && echo '[Service]' | sudo tee {override}")
    site.by_hand("bastion", "sudo systemctl daemon-reload")
    assert site.planned() == {
        "create account monitor:reader",
        "create file monitor:/etc/prometheus/prometheus.yml",
        f"create file monitor:/etc/systemd/system/{EXPORTER}",
        f"update unit worker-001:{EXPORTER}",
        "update file worker-001:/etc/hosts",
        "update unit worker-002:ssh.service",
        "update file worker-002:/usr/local/sbin/chaosjc-reader",
        "update unit bastion:ssh.service",
    }
    site.run("deploy")
    assert site.planned() == set()


def test_rules_altered_by_hand_are_named_and_mended(site: DeployedSite, context: Context) -> None:
    cloud = context.cloud
    groups = {each.name: each for each in cloud.groups()}
    cloud.delete_rule(next(uuid for uuid, rule in groups["lab-internal"].rules if rule.port_min == 9100))
    cloud.create_rule(groups["lab-monitor"].id, RuleSpec("ingress", "IPv4", "tcp", 9090, 9090))
    assert site.planned() == {
        "create rule lab-internal: ingress tcp 9100 from lab-monitor",
        "delete rule lab-monitor: ingress tcp 9090 from anywhere",
    }
    assert ("-", "rule lab-monitor: ingress tcp 9090 from anywhere") in site.broken()
    site.run("deploy")
    assert site.planned() == set()


def test_servers_altered_by_hand_are_named_and_mended(site: DeployedSite, context: Context) -> None:
    before = vm(context, "worker-001")
    context.cloud.delete_server(before.uuid)
    context.cloud.pause_server(vm(context, "worker-002").uuid)
    context.cloud.wait_gone(before.uuid)
    assert site.planned() == {"create server worker-001", "unpause server worker-002"}
    assert ("worker-001", "server worker-001") in site.broken()
    site.run("deploy")
    after = vm(context, "worker-001")
    assert (after.address, after.uuid == before.uuid) == (before.address, False)
    assert all(each["held"] for each in site.run("verify"))


def test_a_vm_that_lost_its_ssh_comes_back_by_a_reboot(site: DeployedSite) -> None:
    site.by_hand("worker-002", "sudo systemctl stop ssh.service")
    site.ssh("worker-002", "sudo pkill -KILL sshd")
    assert ("worker-002", "unit ssh.service") in site.broken()
    site.run("deploy")
    assert all(each["held"] for each in site.run("verify"))


@pytest.mark.long
def test_files_by_which_one_gets_in_are_mended_by_a_new_vm_or_a_boot(site: DeployedSite, context: Context) -> None:
    ssh, monitor = "/etc/ssh", vm(context, "monitor").uuid
    leading_in = ("auth_principals/chaosjc", "chaosjc_users.pub", "sshd_config.d/00-chaosjc.conf")
    lost = [f"{ssh}/{each}" for each in (*leading_in, "ssh_host_ed25519_key-cert.pub")]
    site.by_hand("worker-001", f"sudo rm {SUDO}")
    site.by_hand("monitor", f"sudo rm {' '.join(lost)} {SUDO}")
    done = {(each["action"], each["name"]) for each in site.run("deploy")}
    assert done >= {("replace", "worker-001"), ("reboot", "monitor")}
    assert site.planned() == set()
    assert vm(context, "monitor").uuid == monitor


def test_only_what_was_asked_for_is_healed(context: Context) -> None:
    for name in ("worker-001", "worker-002"):
        context.cloud.delete_server(vm(context, name).uuid)
    deploy.deploy(replace(context, only=frozenset({"worker-002"})))
    assert [(each.action, each.name) for each in deploy.plan(context)] == [("create", "worker-001")]
    deploy.deploy(context)


def test_an_interrupted_deploy_continues(site: DeployedSite, context: Context, tmp_path: Path) -> None:
    for name in ("worker-001", "worker-002"):
        context.cloud.delete_server(vm(context, name).uuid)
    log = tmp_path / "log"
    process = command.spawn(site.argv("deploy"), log=log, cwd=ROOT)
    until(lambda: "create server" in log.read_text(), within=60)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    assert process.returncode != 0
    site.run("deploy")
    assert all(each["held"] for each in site.run("verify"))


def test_a_failure_names_stage_host_command_and_log(site: DeployedSite) -> None:
    site.by_hand("monitor", "sudo mv /usr/bin/prometheus /usr/bin/away && sudo systemctl stop prometheus")
    try:
        done = site.try_run("deploy")
    finally:
        site.by_hand("monitor", "sudo mv /usr/bin/away /usr/bin/prometheus")
    assert done.returncode == 1
    assert "monitoring: " in done.stderr
    assert "monitor:prometheus.service" in done.stderr
    assert "systemctl start prometheus.service" in done.stderr
    assert "journalctl -u prometheus.service; log: " in done.stderr
    assert "Traceback" not in done.stderr
    site.run("deploy")


def test_an_ordinary_user_with_an_ordinary_project_can_deploy(lab: Lab, site: DeployedSite) -> None:
    """The site is the same one: keys and certificates go along with its state."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        home = Path(name)
        shutil.copytree(site.state, home / "state", ignore=shutil.ignore_patterns("ctl"))
        shutil.copy(site.file, home / "site.yaml")
        shutil.copy(lab.clouds, home / "clouds.yaml")
        for each in (home, *home.rglob("*")):
            os.chown(each, NOBODY, NOBODY)
        as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "--"]
        env = {"HOME": name, "OS_CLIENT_CONFIG_FILE": f"{name}/clouds.yaml"}
        looking = command.run([*as_nobody, "ls", str(lab.private)], check=False, env=env)
        assert looking.returncode != 0, "the lab's state is not for everybody"
        theirs = replace(site, file=home / "site.yaml", state=home / "state")
        cloud = site.context().cloud
        cloud.delete_server(next(each.id for each in cloud.servers() if each.name == "worker-001"))
        for verb in ("deploy", "verify"):
            done = command.run([*as_nobody, *theirs.argv(verb)], timeout=300, check=False, env=env, cwd=ROOT)
            assert done.returncode == 0, done.stdout + done.stderr
            assert verb == "verify" or "worker-001: create server" in done.stderr
    assert site.run("plan") == [], "whose state it was that a server was made from does not matter"
