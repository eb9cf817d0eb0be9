"""What was found of a site that others deployed → a site file that loads, and lets nothing be broken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from chaosjc.drivers.kubernetes_values import Node
from chaosjc.drivers.openstack_values import Server
from chaosjc.site import discover, draft, model, survey
from chaosjc.site.draft import Facts
from chaosjc.site.model import SiteFile
from tests.unit.site.adopted_site import HOMES, SERVERS, facts
from tests.unit.site.fakes import FakeCloud


def drafted(tmp_path: Path, found: Facts) -> tuple[SiteFile, str, tuple[str, ...]]:
    path = tmp_path / "campus.yaml"
    made = draft.draft(found)
    path.write_text(made.text)
    return model.load(path), made.text, made.notes


def test_a_whole_site(tmp_path: Path) -> None:
    site, text, notes = drafted(tmp_path, facts())
    assert notes == ()
    assert "nothing: all that was looked for was found" in text
    assert site.adopted
    assert site.adopted.servers == {
        "bastion": "jump",
        "master": "k8s-master-1",
        "worker": "k8s-node-*",
        "brick": "gluster*",
        "jenkins": "jenkins",
        "monitor": "metrics",
    }
    assert (site.adopted.bastion, site.adopted.prometheus) == ("jump", "metrics:9090")
    assert site.storage
    assert (site.storage.role, site.storage.clients, set(site.storage.volumes)) == ("brick", ("worker",), {"homes"})
    assert site.kubernetes
    assert (site.kubernetes.control_plane, site.kubernetes.workers) == ("master", ("worker",))
    assert site.hub
    assert (site.hub.namespace, site.hub.release) == ("jhub", "jupyterhub")


def test_nothing_may_be_broken(tmp_path: Path) -> None:
    site, _, _ = drafted(tmp_path, facts())
    cloud = FakeCloud()
    cloud.server_table = {each.id: each for each in SERVERS}
    found = discover.topology(site, cloud)
    assert len(found.vms) == len(SERVERS)
    assert all(vm.protected and not vm.opted_in for vm in found.vms)
    assert (site.environment, site.managed, site.policy.users) == ("production", False, 0)


def test_only_nova(tmp_path: Path) -> None:
    bare = Facts("campus", "campus", "/srv/state", SERVERS, missing=("volumes: nobody was asked",))
    site, text, notes = drafted(tmp_path, bare)
    assert site.adopted
    assert site.adopted.servers["k8s-node"] == "k8s-node-*"
    assert site.adopted.servers["gluster"] == "gluster*"
    assert (site.storage, site.kubernetes, site.hub) == (None, None, None)
    assert notes == ("volumes: nobody was asked",)
    assert "# - volumes: nobody was asked" in text
    assert "  users:" not in text


NO_QUORUM, NO_USERS = "# not guarded: the quorum of volumes", "# not guarded: people"


@pytest.mark.parametrize(
    ("found", "unguarded"),
    [
        (facts(), ()),
        (facts(volumes=()), (NO_QUORUM,)),
        (facts(bastion="gluster01.storage"), (NO_QUORUM,)),  # bricks on two roles
        (facts(nodes=(), hubs=()), (NO_USERS,)),
        (facts(nodes=(Node("elsewhere", "e", True, True),)), (NO_USERS,)),
        (facts(volumes=(), nodes=()), (NO_QUORUM, NO_USERS)),
    ],
)
def test_what_no_guard_looks_at_is_said(tmp_path: Path, found: Facts, unguarded: tuple[str, ...]) -> None:
    site, text, _ = drafted(tmp_path, found)
    assert (site.storage is None, site.kubernetes is None) == (NO_QUORUM in unguarded, NO_USERS in unguarded)
    head = [line for line in text.partition("apiVersion")[0].splitlines() if line.startswith("# not guarded")]
    assert [line.partition(", as")[0] for line in head] == list(unguarded)
    assert ("  users: 0" in text) is (site.kubernetes is not None)
    assert draft.draft(found).unguarded == tuple(line.removeprefix("# not guarded: ") for line in head)


@pytest.mark.parametrize(
    ("found", "roles"),
    [
        (facts(bastion="gateway", jump="jump"), {"jump": "bastion"}),  # a Host by another name than the server's
        (facts(bastion="192.0.2.9"), {"jump": "bastion"}),
        (facts(prometheus="k8s-node-b"), {"k8s-node-b": "monitor", "k8s-node-a": "worker"}),
        (facts(prometheus="gluster03.storage"), {"gluster03.storage": "monitor"}),
        (facts(prometheus="jump"), {"jump": "bastion"}),
    ],
)
def test_what_no_run_can_do_without_gets_a_role_that_is_never_drawn(
    tmp_path: Path, found: Facts, roles: dict[str, str]
) -> None:
    site, _, _ = drafted(tmp_path, found)
    cloud = FakeCloud()
    cloud.server_table = {each.id: each for each in SERVERS}
    assert {vm.name: vm.role for vm in discover.topology(site, cloud).vms}.items() >= roles.items()


def test_words_that_yaml_takes_for_something_else_are_quoted(tmp_path: Path) -> None:
    servers = (*SERVERS, Server("n", "null", "ACTIVE"), Server("o", "no-1", "ACTIVE"))
    site, text, _ = drafted(tmp_path, facts(name="true", servers=servers, hubs=(("on", "yes"),)))
    assert site.adopted and {"null", "no"} < set(site.adopted.servers)
    assert (site.name, site.hub and site.hub.namespace) == ("true", "on")
    by_yaml_1_1 = yaml.safe_load(text)
    assert (by_yaml_1_1["name"], by_yaml_1_1["hub"]) == ("true", {"namespace": "on", "release": "yes"})
    assert {"null", "no"} < set(by_yaml_1_1["adopted"]["servers"]) & set(by_yaml_1_1["policy"]["protected"])


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (facts(mounts={}), "volume homes is not named in the file: no server was seen to mount it"),
        (facts(volumes=(replace(HOMES, name="Home_Vol"),)), "volume Home_Vol is not named in the file"),
        (facts(hubs=()), "no hub: no Deployment bears the label component=hub"),
        (facts(hubs=(("jhub", "a"), ("test", "b"))), "another hub is in namespace test"),
        (facts(nodes=facts().nodes[1:]), "no server is a node of the control plane"),
        (facts(bastion="gluster01.storage"), "the bricks' hosts are servers of bastion, brick"),
        (
            facts(servers=(*SERVERS, Server("t", "jenkins", "ACTIVE"))),
            "jenkins is the name of several servers: left out",
        ),
        (facts(servers=(*SERVERS, Server("t", "my box", "ACTIVE"))), "'my box' cannot be the name of an SSH host"),
    ],
)
def test_what_could_not_be_said_is_said(tmp_path: Path, found: Facts, note: str) -> None:
    _, text, notes = drafted(tmp_path, found)
    assert any(note in each for each in notes)
    assert all(f"# - {each}\n" in text for each in notes)


def test_a_pattern_means_its_servers_and_no_other() -> None:
    def of(names: str, others: str) -> list[str]:
        servers = {name: Server(name, name, "ACTIVE") for name in (*names.split(), *others.split())}
        return draft.patterns([servers[name] for name in names.split()], list(servers.values()))

    assert of("worker-001 worker-002", "monitor") == ["worker-*"]
    assert of("worker-001 worker-002", "worker-old") == ["worker-001", "worker-002"]
    assert of("worker-9 worker-10 gpu", "") == ["worker-*", "gpu"]
    assert of("1 2", "monitor") == ["1", "2"]


def test_what_a_server_says_of_itself() -> None:
    said = "prometheus\nmount brick-001:/homes /srv/homes\nmount localhost:scratch /srv/scratch\n"
    host = survey.told("worker-001", said)
    assert (host.prometheus, host.glusterd) == (True, False)
    assert host.mounts == {"homes": "/srv/homes", "scratch": "/srv/scratch"}
