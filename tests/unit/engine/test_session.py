"""When a run looks at volumes or the cluster: where it may break what they need, and not else."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from openstack.config import loader

from chaosjc.checks.sources import Sources
from chaosjc.engine import experiment as experiments
from chaosjc.engine import guards
from chaosjc.engine.experiment import Experiment
from chaosjc.engine.session import Session, Wishes, touches
from chaosjc.engine.undo_path import Access
from chaosjc.journal.store import Store
from chaosjc.site.calendar import Calendar
from chaosjc.site.credentials import Credential
from chaosjc.site.sections import Kubernetes, Lbaas, Policy
from chaosjc.site.topology import EMPTY
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


def test_a_journal_names_the_clouds_yaml_that_its_run_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text("clouds: {}\n")
    monkeypatch.setattr(loader, "CONFIG_SEARCH_PATH", [str(tmp_path)])
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    with Store(tmp_path / "journal.db") as store:
        context = session(store, FakeClock(), Access()).context
    assert context.environment == {"OS_CLIENT_CONFIG_FILE": str(clouds)}


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
