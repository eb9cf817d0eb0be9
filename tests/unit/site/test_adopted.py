"""A site that others deployed: what its file may say, and which servers it means."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosjc.drivers.openstack_values import Server
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import SpecError, UsageError
from chaosjc.site import discover, endpoints, model, sshconfig
from chaosjc.site.endpoints import Way
from chaosjc.site.model import SiteFile
from chaosjc.site.state import SiteState
from tests.sites import lab_file
from tests.unit.site.adopted_site import SERVERS, adopted_site, raw
from tests.unit.site.fakes import FakeCloud
from tests.unit.site.test_sshconfig import read


def cloud(*servers: Server) -> FakeCloud:
    made = FakeCloud()
    made.server_table = {each.id: each for each in servers or SERVERS}
    return made


def loaded(tmp_path: Path, document: dict[str, Any]) -> SiteFile:
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump(document))
    return model.load(path)


def test_a_snapshot_is_the_same_site() -> None:
    assert SiteFile.restore(adopted_site().snapshot()) == adopted_site()


def test_paths_begin_at_the_file(tmp_path: Path) -> None:
    site = loaded(tmp_path, raw(adopted={"ssh_config": "ssh/config"}))
    assert site.adopted
    assert site.adopted.ssh_config == str(tmp_path / "ssh" / "config")
    assert site.adopted.kubeconfig == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adopted": None}, "the section `adopted` must say how to find it"),
        ({"managed": True}, "write `managed: false`"),
        ({"network": {"cidr": "10.0.0.0/24"}}, "network: is for sites that chaosjc deploys"),
        ({"monitoring": {"retention": "1h"}}, "monitoring: is for sites that chaosjc deploys"),
        ({"storage": {"volumes": {"homes": {"mount": "/srv/homes", "replica": 2}}}}, "storage.volumes.homes.replica"),
        ({"adopted": raw(adopted={"prometheus": "http://[::1"})["adopted"]}, "prometheus: Invalid IPv6 URL"),
        ({"storage": {"role": "bricks"}}, 'no role "bricks"; did you mean "brick"?'),
        ({"kubernetes": {"control_plane": "worker"}}, "go together"),
        ({"kubernetes": {"version": "v1.30.0", "control_plane": "worker"}}, "kubernetes.version: is for sites"),
        ({"policy": {"targets": ["wrker"]}}, 'policy: no role or VM "wrker"; did you mean "worker"?'),
        ({"environment": "production"}, "a production site has one writer"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        loaded(tmp_path, raw() | change)
    assert message in str(caught.value)


@pytest.mark.parametrize("missing", ["network", "roles", "security_groups"])
def test_a_site_that_chaosjc_deploys_says_all_of_it(tmp_path: Path, missing: str) -> None:
    document = lab_file(storage=True)
    del document[missing]
    with pytest.raises(SpecError, match=missing.replace("_", ".").rstrip("s")):
        loaded(tmp_path, document)


# ------------------------------------------------------------------ servers


def test_servers_are_known_by_their_names_and_no_other_is_touched() -> None:
    found = discover.topology(adopted_site(), cloud())
    assert {vm.name: vm.role for vm in found.vms} == {
        "jump": "bastion",
        "k8s-node-a": "worker",
        "k8s-node-b": "worker",
        "gluster01.storage": "brick",
        "gluster02.storage": "brick",
        "gluster03.storage": "brick",
    }
    assert [vm.name for vm in found.vms if vm.opted_in and vm.role == "bastion"] == []


def test_servers_are_known_by_their_metadata() -> None:
    marked = [replace(each, metadata={"groups": "kube_node,etcd"}) for each in SERVERS if each.name == "k8s-node-a"]
    rest = [each for each in SERVERS if each.name != "k8s-node-a"]
    servers = {"worker": {"metadata": {"groups": "*kube_node*"}}, "brick": "gluster*"}
    found = discover.topology(adopted_site(adopted={"servers": servers}), cloud(*marked, *rest))
    assert [vm.name for vm in found.of_role("worker")] == ["k8s-node-a"]


@pytest.mark.parametrize(
    ("servers", "policy", "message"),
    [
        ({"worker": "k8s-node-*", "brick": "ceph-*"}, {}, "brick: no server fits name ceph-*"),
        ({"worker": "k8s-*", "brick": ["gluster*", "k8s-node-a"]}, {}, "k8s-node-a fits several roles: worker, brick"),
        (
            {"worker": "k8s-node-*", "brick": "gluster*"},
            {"protected": ["k8s-node-z"]},
            "policy: there is no server k8s-",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused(servers: Any, policy: dict[str, Any], message: str) -> None:
    site = adopted_site(adopted={"servers": servers}, policy=policy)
    with pytest.raises(UsageError) as caught:
        discover.topology(site, cloud())
    assert message in str(caught.value)
    assert discover.present(site, cloud())  # who puts things back does not depend on it


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"bastion": "metrics"}, "metrics is the host of adopted.bastion: its role must be bastion, not gateway"),
        ({"bastion": "metrics.campus.example.org"}, "metrics is the host of adopted.bastion"),
        ({"bastion": "10.1.0.30"}, "metrics is the host of adopted.bastion"),
        ({"prometheus": "metrics:9090"}, "metrics is the host of adopted.prometheus: its role must be monitor, not g"),
        ({"prometheus": "http://10.1.0.30:9090"}, "metrics is the host of adopted.prometheus"),
        ({"bastion": "jump", "prometheus": "jump:9090"}, ""),
        ({"bastion": "elsewhere", "prometheus": "https://prometheus.example.org/at"}, ""),
    ],
)
def test_what_no_run_can_do_without_is_of_a_role_that_is_never_drawn(section: dict[str, str], message: str) -> None:
    servers = {"gateway": "metrics", "bastion": "jump", "brick": "gluster*", "worker": "k8s-node-*"}
    site = adopted_site(adopted={"servers": servers, **section})
    if not message:
        assert discover.topology(site, cloud()).named("jump")
        return
    with pytest.raises(UsageError) as caught:
        discover.topology(site, cloud())
    assert message in str(caught.value)


def test_two_servers_of_one_name_are_refused() -> None:
    twin = Server("twin", "k8s-node-a", "ACTIVE")
    with pytest.raises(UsageError, match="k8s-node-a is the name of several servers"):
        discover.topology(adopted_site(), cloud(*SERVERS, twin))


def test_its_pool_and_its_clients_are_those_that_are_there() -> None:
    site = adopted_site()
    found = discover.topology(site, cloud())
    pool = discover.pool(site, Ssh(Path("config")), found.vms)
    assert pool
    assert pool.hosts == ("gluster01.storage", "gluster02.storage", "gluster03.storage")
    assert discover.mounting(site, "homes", found) == {"k8s-node-a": ("10.1.0.11",), "k8s-node-b": ("10.1.0.12",)}


def test_a_client_with_several_addresses_is_one() -> None:
    servers = [replace(each, addresses=(*each.addresses, f"192.0.2.{n}")) for n, each in enumerate(SERVERS)]
    site = adopted_site()
    mounting = discover.mounting(site, "homes", discover.topology(site, cloud(*servers)))
    assert mounting == {"k8s-node-a": ("10.1.0.11", "192.0.2.2"), "k8s-node-b": ("10.1.0.12", "192.0.2.3")}


# ------------------------------------------------------------------ the ways there


def test_their_ssh_configuration_is_used_and_their_connections_are_not(state: SiteState, tmp_path: Path) -> None:
    theirs = tmp_path / "their config"
    theirs.write_text(
        "ControlMaster no\nControlPath ~/.ssh/mine-%C\nControlPersist 1\n"
        "Host k8s-node-a\n  HostName 10.1.0.11\n  User ubuntu\n  ConnectTimeout 9\n  ProxyJump jump\n"
    )
    sshconfig.adopt(state, str(theirs))
    found = read(state, "k8s-node-a")
    assert (found["hostname"], found["user"], found["proxyjump"]) == ("10.1.0.11", "ubuntu", "jump")
    assert (found["connecttimeout"], found["batchmode"], found["controlmaster"]) == ("9", "yes", "auto")
    assert re.fullmatch(rf"{re.escape(str(state.hashed_sockets))}/[0-9a-f]{{40}}", found["controlpath"])
    assert found["controlpersist"] == "600"
    assert read(state, "jump")["controlpath"] != found["controlpath"]
    assert read(state, "another")["serveraliveinterval"] == "2"


def test_a_configuration_that_is_not_there_is_an_error(state: SiteState) -> None:
    with pytest.raises(UsageError, match="no such file"):
        sshconfig.adopt(state, "/nowhere/config")


@pytest.mark.parametrize(
    ("server", "bastion", "through"),
    [
        ("https://10.1.0.11:6443", "jump", "k8s-node-a"),
        ("https://api.example.org:6443", "jump", "jump"),
        ("https://api.example.org", None, ""),
    ],
)
def test_the_way_to_its_api_server(tmp_path: Path, server: str, bastion: str | None, through: str) -> None:
    path = tmp_path / "kubeconfig"
    whole = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k"}}],
        "clusters": [{"name": "k", "cluster": {"server": server}}],
    }
    path.write_text(yaml.safe_dump(whole))
    section = {"kubeconfig": str(path), "bastion": bastion}
    site = adopted_site(adopted=section, kubernetes={"control_plane": "worker"})
    host = server.removeprefix("https://").partition(":")[0]
    assert endpoints.way_to(site, discover.topology(site, cloud()).vms) == Way(path, through, host)


def test_a_prometheus_that_answers_here_needs_no_forward(state: SiteState) -> None:
    with endpoints.prometheus(state, at="https://metrics.example.org/") as url:
        assert url == "https://metrics.example.org"
