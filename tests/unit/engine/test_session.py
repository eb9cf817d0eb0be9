"""When a run looks at volumes or the cluster: where it may break what they need, and not else."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from openstack.config import loader

from chaosjc.checks.sources import Sources
from chaosjc.drivers import command
from chaosjc.drivers.openstack import Cloud
from chaosjc.engine import experiment as experiments
from chaosjc.engine import guards
from chaosjc.engine.experiment import Experiment
from chaosjc.engine.session import Session, Wishes, open_session, touches
from chaosjc.engine.undo_path import Access
from chaosjc.journal.store import Store
from chaosjc.site.calendar import Calendar
from chaosjc.site.cluster import ClusterView
from chaosjc.site.credentials import Credential
from chaosjc.site.sections import Kubernetes, Lbaas, Policy
from chaosjc.site.topology import EMPTY, Topology, Vm
from tests.unit.engine.storage import user_pod
from tests.unit.fakes import FakeClock
from tests.unit.site.adopted_site import adopted_site
from tests.unit.site.fakes import lab_site


def experiment(*faults: dict[str, Any]) -> Experiment:
    document = {
        "apiVersion": "chaosjc/v1",
        "kind": "Experiment",
        "name": "x",
        "hypotheses": [{"check": "gluster.healed", "volume": "homes"}],
        "faults": list(faults),
    }
    return Experiment.model_validate_json(json.dumps(document))


COMMAND = {"fault": "command", "inject": ["true"], "undo": ["true"], "verify": ["true"]}


@pytest.mark.parametrize(
    ("faults", "storage"),
    [
        ([COMMAND], False),
        ([{"fault": "vm.pause", "target": {"role": "monitor", "count": 1}}], False),
        ([{"fault": "vm.pause", "target": {"name": "bastion"}}], False),
        ([{"fault": "vm.pause", "target": {"role": "brick", "count": 1}}], True),
        ([{"fault": "vm.pause", "target": {"name": "brick-002"}}], True),
        ([{"fault": "vm.pause", "target": {"name": ["monitor", "worker-001"]}}], True),
        ([{"fault": "vm.pause", "target": {"role": "worker", "count": 1}}], True),
        ([{"fault": "vm.pause", "target": {"replica_set": "homes/0", "count": 1}}], True),
        ([{"fault": "vm.pause", "target": {"name": "made-by-hand"}}], True),
        ([{"fault": "brick.kill", "volume": "homes", "target": {"role": "brick", "count": 1}}], True),
        ([COMMAND, {"fault": "vm.pause", "target": {"name": "brick-002"}}], True),
    ],
)
def test_touches_storage(faults: list[dict[str, Any]], storage: bool) -> None:
    assert ("storage" in touches(lab_site(), experiment(*faults))) is storage
    assert not touches(lab_site(storage=None), experiment(*faults))


@pytest.mark.parametrize(
    ("faults", "cluster"),
    [
        ([COMMAND], False),
        ([{"fault": "vm.pause", "target": {"role": "monitor", "count": 1}}], False),
        ([{"fault": "vm.pause", "target": {"role": "brick", "count": 1}}], False),
        ([{"fault": "vm.pause", "target": {"name": "worker-001"}}], True),
        ([{"fault": "vm.pause", "target": {"name": "master"}}], True),
        ([{"fault": "node.drain", "target": {"role": "worker", "count": 1}}], True),
        ([{"fault": "pod.delete", "target": {"component": "hub"}}], True),
        ([{"fault": "service.scale", "target": {"name": "hub"}, "replicas": 0}], True),
        ([{"fault": "vm.pause", "target": {"replica_set": "homes/0", "count": 1}}], True),
    ],
)
def test_touches_the_cluster(faults: list[dict[str, Any]], cluster: bool) -> None:
    site = lab_site(kubernetes=Kubernetes())
    assert ("cluster" in touches(site, experiment(*faults))) is cluster
    assert "cluster" not in touches(lab_site(kubernetes=None), experiment(*faults))


def test_what_runs_on_vms_is_no_storage() -> None:
    pods = experiment({"fault": "pod.delete", "target": {"component": "hub"}})
    assert touches(lab_site(kubernetes=Kubernetes()), pods) == {"cluster"}


# ------------------------------------------------------------------ what the guards are told

LOCAL = Path(__file__).parents[3] / "experiments" / "local" / "web-service.yaml"
MONDAY = datetime.datetime(2027, 3, 22, 9, tzinfo=datetime.UTC)


def session(store: Store, clock: FakeClock, access: Access, **calendar: Any) -> Session:
    site = lab_site(policy=Policy(calendar=Calendar.model_validate_json(json.dumps(calendar))))
    wishes = Wishes(store.path, site)
    return Session(wishes, store, lambda _: EMPTY, Sources(clock=clock), clock, lambda _: access)


@pytest.mark.parametrize(
    ("access", "calendar", "code"),
    [
        (Access(), {"closed": ["2027-03-22"]}, "calendar"),
        (Access(lacking=("the kubeconfig's user may not patch nodes",)), {}, "undo-forbidden"),
        (Access((Credential("a key", MONDAY.timestamp() + 1),)), {}, "credentials-end"),
    ],
)
def test_a_run_by_hand_is_refused_as_its_dry_run_says(
    tmp_path: Path, access: Access, calendar: dict[str, Any], code: str
) -> None:
    clock = FakeClock(MONDAY.timestamp())
    (loaded,) = experiments.load([LOCAL], site={}, overrides={})
    with Store(tmp_path / "journal.db", clock) as store:
        about = session(store, clock, access, **calendar)
        plan = about.plan(loaded, 1)
        assert [answer.code for _, answer in guards.answers(about.dry_run(plan)) if answer] == [code]
        assert store.open_runs() == [], "a dry run begins none"
        judged = about.run(plan, lambda _: None).execute()
        assert (judged.verdict, judged.code) == ("NOT-STARTED", code)


@pytest.mark.parametrize("place", ["workspace", "state"])
def test_what_a_session_writes_goes_into_its_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A dry run has one that is gone afterwards; the plan names the state directory all the same."""
    monkeypatch.setattr(Cloud, "connect", lambda *_, **__: None)  # type: ignore[misc]
    (tmp_path / "ssh_config").touch()
    site = adopted_site(storage=None, adopted={"servers": STRANGE, "ssh_config": str(tmp_path / "ssh_config")})
    workspace = str(tmp_path / place) if place == "workspace" else ""
    wishes = Wishes(tmp_path / "journal.db", site, state=str(tmp_path / "state"), workspace=workspace)
    with open_session(wishes, [], print) as about:
        assert about.context.state == str(tmp_path / "state")
    assert (tmp_path / place / "ssh" / "config").is_file()
    assert (tmp_path / "state").exists() is (place == "state")


def test_a_journal_names_the_clouds_yaml_that_its_run_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text("clouds: {}\n")
    monkeypatch.setattr(loader, "CONFIG_SEARCH_PATH", [str(tmp_path)])
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    with Store(tmp_path / "journal.db") as store:
        context = session(store, FakeClock(), Access()).context
    assert context.environment == {"OS_CLIENT_CONFIG_FILE": str(clouds)}


def freeze(directory: Path, target: str) -> experiments.Loaded:
    path = directory / "experiment.yaml"
    document: dict[str, Any] = json.loads(experiment(COMMAND).model_dump_json(by_alias=True, include={"name"}))
    document |= {"apiVersion": "chaosjc/v1", "kind": "Experiment", "hypotheses": [{"command": ["true"]}]}
    document["faults"] = [{"fault": "vm.pause", "target": {"name": target}}]
    path.write_text(json.dumps(document))
    return experiments.load([path], site={}, overrides={})[0]


def test_a_plan_has_whom_it_reaches_and_how_the_site_was_found(tmp_path: Path) -> None:
    """What its journal then has; of people, only how many."""
    site, clock = lab_site(kubernetes=Kubernetes(), policy=Policy(targets=("worker",))), FakeClock()
    vms = tuple(
        Vm(each.name, each.name, each.role, "", True, False, "SHUTOFF" if each.name == "worker-002" else "ACTIVE")
        for each in site.machines
    )
    around = Topology(vms, (), ClusterView(pods=(user_pod("ada"), user_pod("canary-1"))))
    with Store(tmp_path / "journal.db", clock) as store:
        about = Session(Wishes(store.path, site), store, lambda _: around, Sources(clock=clock), clock)
        plan = about.plan(freeze(tmp_path, "worker-001"), 1)
    assert plan.planned.targets == ("worker-001",)
    users, pods, *_ = plan.planned.reached
    assert (users.count, users.names) == (1, ())
    assert (pods.count, pods.names) == (2, ("jhub/jupyter-canary-1",))
    found = {each.name: each.observed for each in plan.planned.facts}
    assert found["VMs of role worker"] == "1 ACTIVE; worker-002 is SHUTOFF"


def test_without_a_site_there_is_neither(tmp_path: Path) -> None:
    clock = FakeClock()
    (loaded,) = experiments.load([LOCAL], site={}, overrides={})
    with Store(tmp_path / "journal.db", clock) as store:
        plan = Session(Wishes(store.path), store, lambda _: None, Sources(clock=clock), clock).plan(loaded, 1)
    assert (plan.planned.reached, plan.planned.facts) == ((), ())


def test_a_journal_has_by_what_its_run_was_made(tmp_path: Path) -> None:
    clock, git = FakeClock(), ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    loaded = freeze(tmp_path, "worker-001")
    with Store(tmp_path / "journal.db", clock) as store:
        about = Session(Wishes(store.path, lab_site()), store, lambda _: EMPTY, Sources(clock=clock), clock)
        assert about.plan(loaded, 1).planned.context.commit == ""
        for words in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message", "x"]):
            command.run([*git, *words])
        context = about.plan(loaded, 1).planned.context
    assert context.commit == command.run([*git, "rev-parse", "HEAD"]).stdout.strip()
    assert context.python.startswith("3.")
    assert context.kernel.startswith("Linux ")


STRANGE = {"worker": "k8s-node-a", "gpu": "k8s-node-b", "brick": ["gluster01*", "gluster02*"], "archive": "gluster03*"}


@pytest.mark.parametrize("role", ["gpu", "archive", "worker"])
def test_of_an_adopted_site_no_role_tells_what_a_vm_does(role: str) -> None:
    adopted = {"servers": STRANGE, "kubeconfig": "/home/ada/kubeconfig"}
    site = adopted_site(adopted=adopted, kubernetes={"control_plane": "worker"})
    freezes = experiment({"fault": "vm.pause", "target": {"role": role, "count": 1}})
    assert touches(site, freezes) == {"storage", "cluster"}
    assert touches(adopted_site(adopted={"servers": STRANGE}), freezes) == {"storage"}
    assert not touches(site, experiment(COMMAND))


@pytest.mark.parametrize(
    ("fault", "front"),
    [
        ({"fault": "lb.member", "target": {"role": "worker", "count": 1}}, True),
        ({"fault": "vm.pause", "target": {"name": "worker-001"}}, True),
        ({"fault": "vm.pause", "target": {"role": "brick", "count": 1}}, False),
        ({"fault": "pod.delete", "target": {"component": "hub"}}, False),
        (COMMAND, False),
    ],
)
def test_touches_the_front(fault: dict[str, Any], front: bool) -> None:
    site = lab_site(kubernetes=Kubernetes(), lbaas=Lbaas())
    assert ("front" in touches(site, experiment(fault))) is front
    assert "front" not in touches(lab_site(kubernetes=Kubernetes()), experiment(fault))
