"""Stage cluster: facts → plan (tests/cases/site/cluster), what kubeadm and kubectl are told, secrets."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from chaosjc.errors import StageError
from chaosjc.site import manifests, secrets
from chaosjc.site.keys import PublicKeys
from chaosjc.site.model import SiteFile
from chaosjc.site.roles import Surroundings, database, kubernetes
from chaosjc.site.stages import cluster_plan
from chaosjc.site.stages.cluster import BACK, Awaited, join_words
from chaosjc.site.stages.cluster_plan import ClusterFacts, MemberFact
from tests.sites import ROOT, cloud_file

CASES = ROOT / "tests" / "cases" / "site" / "cluster" / "cases.yaml"
AROUND = Surroundings(PublicKeys("ssh-ed25519 U", "ssh-ed25519 H"), {})
CORE, USER = ({"hub.jupyter.org/node-purpose": each} for each in ("core", "user"))


def site(**changed: Any) -> SiteFile:
    return SiteFile.restore(json.dumps(cloud_file() | {"name": "whole"} | changed))


def listed() -> list[Any]:
    return [pytest.param(each, id=each["name"]) for each in yaml.safe_load(CASES.read_text())]


def facts(case: dict[str, Any]) -> ClusterFacts:
    ready = {"ready": True, "schedulable": True}
    settings, kubelet = made_with(case.get("made with", {}))
    names = ("master", "worker-001", "worker-002")
    raw: dict[str, Any] = {
        "control_plane": "ready",
        "members": {each: {"member": True, "begun": True, "kubelet": kubelet} for each in names},
        "nodes": {"master": {**ready, "labels": {}}}
        | {
            "worker-001": {**ready, "labels": dict(CORE), "owned": list(CORE)},
            "worker-002": {**ready, "labels": dict(USER), "owned": list(USER)},
        },
        "differ": {"flannel": ""},
        "coredns": True,
        "kubeconfig": "text",
        "kept": "text",
        "settings": settings,
        "ends": 365 * 86400.0,
        "now": 0.0,
    }
    for path, value in case.get("set", {}).items():
        *way, last = path.split(".")
        place(raw, way)[last] = copy.deepcopy(value)
    for path in case.get("drop", []):
        *way, last = path.split(".")
        del place(raw, way)[last]
    return TypeAdapter(ClusterFacts).validate_python(raw)


def made_with(changed: dict[str, Any]) -> tuple[str, str]:
    """What kubeadm keeps of a cluster that was made when the file said this, and what its kubelets have."""
    raw = cloud_file()["kubernetes"]
    cluster = site(kubernetes=raw | changed).kubernetes
    assert cluster
    kept: dict[str, Any] = manifests.cluster_configuration(cluster, "master") | {"clusterName": "kubernetes", "dns": {}}
    return yaml.safe_dump(kept), yaml.safe_dump(manifests.kubelet_configuration(cluster) | {"syncFrequency": "0s"})


def place(raw: dict[str, Any], way: list[str]) -> dict[str, Any]:
    for each in way:
        raw = raw[each]
    return raw


@pytest.mark.parametrize("case", listed())
def test_plan(case: dict[str, Any]) -> None:
    if "refused" in case:
        with pytest.raises(StageError) as refused:
            cluster_plan.plan(site(), facts(case))
        assert refused.value.message == case["refused"]
        assert "let the file say what is" in refused.value.hint
        return
    assert [str(each) for each in cluster_plan.plan(site(), facts(case))] == case["plan"]


def test_a_site_without_a_cluster_plans_and_puts_nothing() -> None:
    raw = {name: value for name, value in cloud_file().items() if name not in ("kubernetes", "hub", "lbaas")}
    plain = SiteFile.restore(json.dumps(raw))
    assert cluster_plan.plan(plain, ClusterFacts()) == ()
    assert manifests.manifests(plain) == {}
    for machine in plain.machines:
        assert kubernetes.contents(plain, machine, AROUND).files == ()
        assert database.contents(plain, machine, AROUND).files == ()


class TestPatience:
    """How long a deploy waits for what may come back by itself."""

    MEMBER, NEW = MemberFact(True, True), MemberFact(False, False)

    @pytest.mark.parametrize(
        ("worker", "ready", "unavailable", "seconds"),
        [
            (MEMBER, True, [], 0.0),
            (MEMBER, False, [], BACK),
            (MEMBER, True, ["daemonset/flannel"], BACK),
            (NEW, False, ["daemonset/flannel"], 0.0),  # neither is so before it has joined
        ],
    )
    def test_it_is_for_members(self, worker: MemberFact, ready: bool, unavailable: list[str], seconds: float) -> None:
        nodes = {"master": {"ready": True}, "worker-001": {"ready": ready}}
        awaited = Awaited.of({"master": self.MEMBER, "worker-001": worker})
        assert awaited.patience({"state": "ready", "nodes": nodes, "unavailable": unavailable}) == seconds

    def test_a_control_plane_that_has_just_started_is_waited_for_longest(self) -> None:
        assert Awaited.of({"master": self.MEMBER}).patience({"state": "silent"}) > BACK


class TestModel:
    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"kubernetes": None}, "it runs on `kubernetes`"),
            ({"kubernetes": {"control_plane": "mastr"}}, 'did you mean "master"'),
            ({"kubernetes": {"workers": ["wroker"]}}, 'did you mean "worker"'),
            ({"kubernetes": {"control_plane": "worker"}}, "is the control plane: count 1"),
            ({"kubernetes": {"labels": {"nobody": {}}}}, 'no role or VM "nobody"'),
            ({"kubernetes": {"pods": "10.244.0.0/99"}}, "/99"),
            ({"hub": {"homes": "home"}}, 'did you mean "homes"'),
            ({"hub": {"port": 80}}, "30000"),
        ],
    )
    def test_a_wrong_section_is_told(self, changed: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            site(**changed)


class TestKubeadm:
    def test_init_names_the_master_by_name_and_address(self) -> None:
        cluster = site().kubernetes
        assert cluster
        parts = [json.loads(each) for each in manifests.kubeadm_init(site(), cluster, "10.67.0.9").split("\n---\n")]
        init, whole, kubelet, proxy = parts
        assert [each["kind"] for each in parts] == [
            "InitConfiguration",
            "ClusterConfiguration",
            "KubeletConfiguration",
            "KubeProxyConfiguration",
        ]
        assert init["localAPIEndpoint"]["advertiseAddress"] == "10.67.0.9"
        assert init["skipPhases"] == ["addon/coredns"]
        assert whole["controlPlaneEndpoint"] == "master:6443"
        assert whole["apiServer"]["certSANs"] == ["master", "localhost", "127.0.0.1"]
        assert {"name": "leader-elect", "value": "false"} in whole["scheduler"]["extraArgs"]
        grace = {each["name"]: each["value"] for each in whole["controllerManager"]["extraArgs"]}
        assert grace["leader-elect"] == "false", "there is nobody to elect"
        assert grace["node-monitor-period"] == "2s"
        assert grace["node-monitor-grace-period"] == "12s"
        assert (kubelet["cgroupDriver"], kubelet["nodeStatusUpdateFrequency"]) == ("cgroupfs", "3s")
        assert proxy["conntrack"] == {"maxPerCore": 0}

    def test_join_trusts_one_authority(self) -> None:
        cluster = site().kubernetes
        assert cluster
        said = "kubeadm join master:6443 --token abc.def --discovery-token-ca-cert-hash sha256:00 \n"
        join = json.loads(manifests.kubeadm_join(cluster, "worker-001", *join_words(said)))
        assert join["discovery"]["bootstrapToken"] == {
            "apiServerEndpoint": "master:6443",
            "token": "abc.def",
            "caCertHashes": ["sha256:00"],
        }
        assert join["nodeRegistration"] == {"name": "worker-001", "imagePullPolicy": "Never"}

    def test_flannel_knows_the_pods_network_and_asks_the_master(self) -> None:
        items = json.loads(manifests.manifests(site())["flannel"])["items"]
        by_kind = {each["kind"]: each for each in items}
        assert json.loads(by_kind["ConfigMap"]["data"]["net-conf.json"])["Network"] == "10.244.0.0/16"
        pod = by_kind["DaemonSet"]["spec"]["template"]["spec"]
        environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
        assert (environment["KUBERNETES_SERVICE_HOST"], environment["KUBERNETES_SERVICE_PORT"]) == ("master", "6443")
        mounts = {each["name"] for each in pod["containers"][0]["volumeMounts"]}
        assert mounts == {each["name"] for each in pod["volumes"]}


class TestContents:
    def test_a_kubelet_waits_for_the_volumes_of_its_node_and_a_worker_s_for_the_api_server(self) -> None:
        units: dict[str, str] = {}
        for machine in site().machines:
            found = kubernetes.contents(site(), machine, AROUND)
            for each in found.files:
                if each.path.endswith("kubelet.service"):
                    units[machine.name] = each.content
        assert set(units) == {"master", "worker-001", "worker-002"}
        assert "After=containerd.service gluster-homes.service\n" in units["worker-001"]
        assert "After=containerd.service\n" in units["master"]
        asked = {name: "https://master:6443/readyz" in unit for name, unit in units.items()}
        assert asked == {"master": False, "worker-001": True, "worker-002": True}
        gives_up = "Environment=HTTP2_READ_IDLE_TIMEOUT_SECONDS=3 HTTP2_PING_TIMEOUT_SECONDS=3\n"
        assert all(gives_up in unit for unit in units.values()), "together half of the patience, which is 12 s"

    def test_nodes_without_name_servers_have_one_that_nobody_is(self) -> None:
        def resolv(whole: SiteFile) -> str:
            master = next(each for each in whole.machines if each.name == "master")
            return next(e.content for e in kubernetes.nodes(whole, master, AROUND).files if "resolv" in e.path)

        assert resolv(site()) == f"nameserver {kubernetes.NOBODY}\n"
        network = {"cidr": "10.67.0.0/24", "nameservers": ["10.0.0.1", "10.0.0.2"]}
        assert resolv(site(network=network)) == "nameserver 10.0.0.1\nnameserver 10.0.0.2\n"

    def test_the_database_lets_the_hub_in_from_the_sites_network_alone(self) -> None:
        monitor = next(each for each in site().machines if each.name == "monitor")
        files = {each.path: each.content for each in database.contents(site(), monitor, AROUND).files}
        access = files["/etc/hub-database/pg_hba.conf"].split("\n")
        assert [each.split() for each in access if each] == [
            ["local", "all", "postgres", "peer"],
            ["host", "hub", "hub", "10.67.0.0/24", "scram-sha-256"],
        ]


class TestSecrets:
    def test_they_are_made_once_for_their_owner_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "secrets.json"
        assert secrets.load(path) is None
        secrets.create(path)
        made = secrets.load(path)
        assert made
        assert len({made.database, made.salt, made.proxy, made.hub, made.canary}) == 5
        assert path.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"database": "x"}'])
    def test_a_damaged_file_is_told(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "secrets.json").write_text(text)
        with pytest.raises(StageError, match="does not hold this site's secrets"):
            secrets.load(tmp_path / "secrets.json")

    def test_a_verifier_admits_its_password_alone(self) -> None:
        """By the definition of RFC 5803, the other way round: what a server computes of a client's proof."""
        made = secrets.Secrets("pencil", "00112233", "", "", "")
        scheme, middle, keys = made.verifier().split("$")
        rounds, salt = middle.split(":")
        stored, _ = (base64.b64decode(each) for each in keys.split(":"))
        assert (scheme, rounds, base64.b64decode(salt).hex()) == ("SCRAM-SHA-256", "4096", "00112233")

        def stored_of(password: str) -> bytes:
            salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
            return hashlib.sha256(secrets._sign(salted, b"Client Key")).digest()

        assert stored == stored_of("pencil")
        assert stored != stored_of("pencils")
        assert made.verifier() == made.verifier()
