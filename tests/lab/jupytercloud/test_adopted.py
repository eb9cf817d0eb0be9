"""The same JupyterCloud as one that others deployed: drafted from Nova, kubeconfig and volume, and experimented on."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from chaosjc.drivers import command
from tests.lab.jupytercloud.test_experiments import settle
from tests.lab.runs import CHAOSJC, Stage
from tests.lab.site import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture
def adopted(stage: Stage, tmp_path: Path) -> Stage:
    """A state directory and a file of its own, in which the name servers' pods may be broken."""
    state, file = stage.site.state, tmp_path / "adopted.yaml"
    ways = ["--ssh-config", str(state / "ssh" / "config"), "--kubeconfig", str(state / "kubeconfig")]
    words = ["site", "discover", str(file), "--draft", "--cloud", stage.site.lab.cloud, *ways]
    command.run([*CHAOSJC, *words], cwd=ROOT, timeout=180)
    text = file.read_text().replace("targets: []", "targets: [pods/coredns]")
    file.write_text(re.sub(r"(?m)^  protected: .*$", "  protected: [master, brick, monitor]", text))
    return Stage(replace(stage.site, file=file, state=tmp_path / "state"))


@pytest.mark.long
def test_an_experiment_on_a_cluster_that_others_made(stage: Stage, adopted: Stage) -> None:
    settle(stage)
    document = yaml.safe_load(adopted.site.file.read_text())
    assert document["kubernetes"] == {"control_plane": "master", "workers": ["worker"]}
    assert document["hub"]["namespace"] == "jhub"
    found = json.loads(adopted.site.try_run("discover").stdout)
    assert {each["name"] for each in found["cluster"]["nodes"]} == {"master", "worker-001", "worker-002"}
    assert all(each["held"] for each in adopted.site.run("verify"))
    run = adopted.run("coredns-killed", 0)
    assert run["verdict"] == "PASS"
    assert {each["outcome"] for each in run["faults"][0]["targets"]} == {"whole"}
