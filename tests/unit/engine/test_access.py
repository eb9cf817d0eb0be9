"""What is asked for a plan, of whom: no more than its undo goes through, and the answers as the guard needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chaosjc.drivers.kubernetes import Cluster
from chaosjc.drivers.kubernetes_values import Right
from chaosjc.drivers.openstack import Cloud
from chaosjc.drivers.openstack_access import CloudAccess
from chaosjc.drivers.ssh import Ssh
from chaosjc.engine import access
from chaosjc.errors import RemoteError
from chaosjc.faults.world import World
from chaosjc.journal.events import Context, StepPlan, Target
from chaosjc.site.keys import Keyring
from chaosjc.site.model import SiteFile
from chaosjc.site.sections import Kubernetes
from chaosjc.site.state import SiteState
from tests.unit.drivers.cluster import FakeApi
from tests.unit.engine.fakes import step
from tests.unit.faults.test_held import NoCloud
from tests.unit.site.fakes import lab_site


class Asked(NoCloud):
    def __init__(self, found: CloudAccess | None) -> None:
        super().__init__()
        self.found = found

    def access(self) -> CloudAccess:
        if self.found is None:
            raise RemoteError("Keystone does not answer")
        return self.found


class Sited(World):
    def __init__(self, directory: Path, api: FakeApi | None = None, cloud: CloudAccess | None = None) -> None:
        super().__init__(Context(state=str(directory)))
        self.api, self.found = api or FakeApi(), cloud

    @property
    def site(self) -> SiteFile:
        return lab_site(kubernetes=Kubernetes())

    @property
    def has_site(self) -> bool:
        return True

    @property
    def state(self) -> SiteState:
        return SiteState.of("lab", self.context.state)

    @property
    def ssh(self) -> Ssh:
        return Ssh(Path("config"))

    @property
    def cloud(self) -> Cloud:
        return Asked(self.found)

    @property
    def kubernetes(self) -> Cluster:
        return self.api.cluster


def broken(fault: str, **options: Any) -> StepPlan:
    return step("x", fault=fault, target=Target(id="uuid", name="worker-001"), options=options)


SCALE = broken("service.scale", kind="StatefulSet", namespace="jhub")


def test_without_a_site_nobody_is_asked() -> None:
    assert access.look(World(Context()), [broken("vm.pause")]) == access.Access()


def test_a_fault_of_this_machine_asks_for_no_right(tmp_path: Path) -> None:
    api = FakeApi()
    world = Sited(tmp_path, api)
    Keyring(world.state).create_authorities()
    Keyring(world.state).certify_user("operator", 600)
    assert access.look(world, [broken("command")]) == access.Access(), "what does not lead elsewhere needs no key"
    assert api.requests == []
    assert access.look(world, [broken("command", host="monitor")]).credentials


@pytest.mark.parametrize(
    ("made", "denied"),
    [
        (SCALE, "patch statefulsets.apps in jhub"),
        (broken("node.drain"), "create pods/eviction"),
        (broken("node.drain"), "patch nodes"),
        (broken("pod.delete", namespace="jhub"), "delete pods in jhub"),
        (broken("pod.freeze", namespace="jhub", host="worker-001"), "get pods in jhub"),
        (broken("pod.delete", namespace="jhub", owner={"kind": "Deployment"}), "get deployments.apps in jhub"),
        (broken("pod.delete", namespace="jhub", owner={}, user="canary-1"), "get services/proxy in jhub"),
    ],
)
def test_each_right_of_inject_undo_and_verify_is_asked_for(tmp_path: Path, made: StepPlan, denied: str) -> None:
    assert access.look(Sited(tmp_path, FakeApi()), [made]).lacking == ()
    found = access.look(Sited(tmp_path, FakeApi(denied=frozenset({denied}))), [made])
    assert found.lacking == (f"the kubeconfig's user may not {denied}",)


def test_a_cluster_that_cannot_be_asked_has_not_agreed(tmp_path: Path) -> None:
    (why,) = access.look(Sited(tmp_path, FakeApi(silent=True)), [SCALE]).lacking
    assert why.startswith("whether the kubeconfig's user may do it, nobody can say: cluster fake")


def test_what_the_cloud_s_credentials_are_and_lack(tmp_path: Path) -> None:
    limited = CloudAccess("the token", 7.0, rules=(("DELETE", "/v2.1/servers/*"),))
    found = access.look(Sited(tmp_path, cloud=limited), [broken("vm.delete")])
    assert [each.until for each in found.credentials] == [7.0]
    assert found.lacking == ("the token of clouds.yaml cannot do it: its access rules have no POST /servers",)
    paused = access.look(Sited(tmp_path, cloud=limited), [broken("vm.pause")])
    assert "POST /servers/uuid/action" in paused.lacking[0]
    assert access.look(Sited(tmp_path, cloud=limited), [SCALE]).lacking == ()


@pytest.mark.parametrize("fault", ["vm.pause", "vm.delete", "lb.member"])
def test_a_keystone_that_says_nothing_has_not_agreed(tmp_path: Path, fault: str) -> None:
    said = "whether the user of clouds.yaml may do it, nobody can say: Keystone does not answer"
    assert access.look(Sited(tmp_path), [broken(fault)]).lacking == (said,)
    assert access.look(Sited(tmp_path), [broken("command", host="monitor")]).lacking == (), "no way leads through it"


def test_the_role_must_do_the_inject_too(tmp_path: Path) -> None:
    limited = CloudAccess("the token", rules=(("POST", "/v2.1/servers"),))
    found = access.look(Sited(tmp_path, cloud=limited), [broken("vm.delete")])
    assert found.lacking == ("the token of clouds.yaml cannot do it: its access rules have no DELETE /servers/uuid",)


def test_the_certificate_is_among_the_credentials(tmp_path: Path) -> None:
    world = Sited(tmp_path)
    keyring = Keyring(world.state)
    keyring.create_authorities()
    keyring.certify_user("operator", 600)
    assert [each.name for each in access.look(world, [broken("vm.pause")]).credentials] == [
        "the operator's SSH certificate"
    ]


def test_a_right_as_kubernetes_asks_for_it() -> None:
    assert Right("create", "pods/eviction").attributes == {
        "verb": "create",
        "resource": "pods",
        "subresource": "eviction",
    }
    assert Right("patch", "deployments.apps", "jhub").attributes == {
        "verb": "patch",
        "resource": "deployments",
        "group": "apps",
        "namespace": "jhub",
    }
