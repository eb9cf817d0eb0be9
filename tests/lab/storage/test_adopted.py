"""A site that others deployed: ours, once nothing in the cloud tells that it is; what is found of it is enough."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml

from chaosjc.drivers import command
from chaosjc.site import discover
from tests.lab.cloud import measured
from tests.lab.probe import probing
from tests.lab.runs import CHAOSJC, Stage
from tests.lab.site import ROOT, DeployedSite
from tests.lab.storage.seen import WORKER, Seen
from tests.lab.storage.settled import settled

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
MARKS = (discover.SITE, discover.ROLE, discover.DIGEST)


@pytest.fixture(scope="module")
def strangers(storage_site: Stage) -> Iterator[DeployedSite]:
    """The site, without a mark of ours on its servers while the tests run."""
    import openstack

    site = storage_site.site
    settled(storage_site)
    compute = openstack.connect(cloud=site.lab.cloud).compute
    marks = {each.id: dict(each.metadata) for each in compute.servers()}
    try:
        for server in compute.servers():
            compute.delete_server_metadata(server, [key for key in MARKS if key in server.metadata])
        yield site
    finally:
        for uuid, mark in marks.items():
            compute.set_server_metadata(uuid, **mark)


@pytest.fixture(scope="module")
def adopted(strangers: DeployedSite) -> DeployedSite:
    """The site as `discover --draft` finds it, with a state directory of its own, and bricks and workers as targets."""
    file, state = strangers.file.with_name("adopted.yaml"), strangers.state.with_name("adopted")
    words = ["--draft", "--cloud", strangers.lab.cloud, "--ssh-config", str(strangers.state / "ssh" / "config")]
    with measured("site discover --draft"):
        done = command.run([*CHAOSJC, "site", "discover", str(file), *words], cwd=ROOT, timeout=180)
    assert "7 servers" in done.stderr
    again = command.run([*CHAOSJC, "site", "discover", str(file), *words], cwd=ROOT, check=False)
    assert again.returncode == 2, again.stderr
    assert "is there already" in again.stderr
    text = file.read_text()
    assert "  targets: []\n" in text
    document = yaml.safe_load(text)
    assert document["adopted"]["servers"] == {
        "bastion": "bastion",
        "worker": "worker-*",
        "brick": "brick-*",
        "monitor": "monitor",
    }
    assert (document["adopted"]["bastion"], document["adopted"]["prometheus"]) == ("bastion", "monitor:9090")
    assert document["storage"] == {
        "role": "brick",
        "clients": ["worker"],
        "volumes": {"homes": {"mount": "/srv/homes"}, "scratch": {"mount": "/srv/scratch"}},
    }
    allowed = text.replace("targets: []", "targets: [worker, brick]")
    file.write_text(
        allowed.replace(f"protected: [{', '.join(document['policy']['protected'])}]", "protected: [monitor]")
    )
    return replace(strangers, file=file, state=state)


def test_it_is_shown_and_verified_and_changed_by_nobody(adopted: DeployedSite) -> None:
    done = adopted.try_run("discover")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {vm["name"]: vm["role"] for vm in found["vms"]}["brick-002"] == "brick"
    assert [volume["mounts"] for volume in found["volumes"]] == [["worker-001", "worker-002"]] * 2
    assert all(vm["ssh"] for vm in adopted.run("status"))
    assert all(each["held"] for each in adopted.run("verify"))
    for verb in ("plan", "deploy", "destroy"):
        refused = adopted.try_run(verb)
        assert refused.returncode == 2, refused.stdout
        assert "others deployed this site" in refused.stderr


def test_a_killed_brick_process_on_it_costs_no_stall(strangers: DeployedSite, adopted: DeployedSite) -> None:
    with probing(strangers, [WORKER], "/srv/homes") as (writer,):
        saw = Seen(Stage(adopted).run("brick-process-killed", 0), writer.writes())
    assert (saw.run["verdict"], saw.errors) == ("PASS", set())
    saw.assert_agreed()
    assert_put_back(adopted, saw.run)


@pytest.mark.long
def test_a_frozen_worker_of_it(adopted: DeployedSite) -> None:
    run = Stage(adopted).run("worker-vm-frozen", 0)
    assert run["verdict"] == "PASS"
    assert_put_back(adopted, run)


def assert_put_back(adopted: DeployedSite, run: dict[str, Any]) -> None:
    assert not run["debts"]
    assert set(Stage(adopted).status().values()) == {"ACTIVE"}


def test_nothing_of_it_is_deleted(adopted: DeployedSite) -> None:
    run = Stage(adopted).run("worker-vm-deleted", 4)
    assert (run["verdict"], run["code"]) == ("NOT-STARTED", "not-deployed-here")
    assert len(Stage(adopted).status()) == 7
    assert all(each["held"] for each in adopted.run("verify"))
