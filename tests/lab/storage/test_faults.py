"""Each fault of storage and network on the real thing: it is seen while it lasts, and gone afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.cloud import until
from tests.lab.runs import Stage
from tests.lab.storage.settled import settled

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]
TARGET, PEER = "brick-002", "worker-001"
BRICK = "/scratch/scratch"
MEASURED = (
    "brick.kill",
    "net.partition",
    "disk.fill",
)  # by an experiment each, beside a writer, in every run of the tests
PID = f"$(pgrep -f -- '[-]-brick-name {BRICK} ' | head -1)"


@dataclass(frozen=True)
class Fault:
    """An entry of a file, and a command on the target that ends with 0 while the fault is there, and only then."""

    entry: dict[str, Any]
    seen: str


FAULTS = {
    "brick.kill": Fault({"volume": "scratch"}, f"test -z {PID}"),
    "brick.freeze": Fault({"volume": "scratch"}, f"grep -q '^State:.*stopped' /proc/{PID}/status"),
    "disk.slow": Fault({"volume": "scratch"}, f"! grep -q '^TracerPid:.0$' /proc/{PID}/status"),
    "disk.fill": Fault({"volume": "scratch"}, "test $(df --output=avail /scratch | tail -1) -lt 10000"),
    "net.partition": Fault({"from": PEER}, f"! ping -q -c 1 -W 0.5 {PEER}"),
    "net.delay": Fault(
        {"from": PEER, "delay": "200ms"}, f"ping -q -c 1 -W 0.5 {PEER} | grep -qE 'min/avg/max/mdev = 2[0-4][0-9]'"
    ),
}


def experiment(stage: Stage, name: str, fault: Fault, **more: object) -> Path:
    """A file that breaks the target for six seconds and looks at it there."""
    path = stage.site.state / f"{name}.yaml"
    content = {
        "apiVersion": "chaosjc/v1",
        "kind": "Experiment",
        "name": name.replace(".", "-"),
        "hypotheses": [
            {
                "name": "the fault is there",
                "command": ["sudo", "sh", "-c", fault.seen],
                "host": TARGET,
                "phases": ["during"],
                "min_coverage": 0.5,
                "tolerate": "4s",  # of the time from its intent on, and until it is verified
            },
            {"name": "it is not", "command": ["sudo", "sh", "-c", f"! {{ {fault.seen}; }}"], "host": TARGET,
             "phases": ["before", "after"]},
        ],
        "faults": [{"fault": name, "target": {"name": TARGET}, "duration": "6s", **fault.entry}],
        "recovery": {"within": "2m", "until": [{"check": "gluster.healed", "volume": "scratch"}]},
        "baseline": "2s",
        "settle": "2s",
        **more,
    }  # fmt: skip
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=pytest.mark.long if each in MEASURED else ()) for each in FAULTS]
)
def test_a_fault_is_there_and_then_it_is_not(storage: Stage, name: str) -> None:
    run = storage.run(str(experiment(storage, name, FAULTS[name])), 0)
    assert run["verdict"] == "PASS"
    (target,) = run["faults"][0]["targets"]
    assert (target["name"], target["outcome"]) == (TARGET, "whole")


def test_a_target_that_is_cut_off_from_everyone_heals_itself_by_its_deadline(storage: Stage) -> None:
    """The run and its watchdog are dead, and nobody can reach the target."""
    settled(storage)
    fault = Fault({"from": "everyone", "margin": "10s", "target": {"name": TARGET}}, "false")
    hypotheses = [{"name": "the bastion lets people in", "command": ["true"], "host": "bastion"}]
    recovery = {"within": "1m", "until": [{"check": "vm", "target": TARGET}]}
    file = experiment(storage, "net.partition", fault, hypotheses=hypotheses, recovery=recovery)
    storage.crash(file, "injected:after", "watchdog")
    assert storage.site.ssh(TARGET, "true").returncode != 0, "it is cut off"
    assert storage.last()["state"] == "running", "and nobody puts it back"
    until(lambda: storage.site.ssh(TARGET, "true").returncode == 0, 30, every=0.3)
    began, ended = lifetime(storage, TARGET)
    print(f"cut off for {ended - began:.1f} s, its deadline was 16 s")
    assert ended - began < 18
    assert "chaosjc" not in storage.site.ssh(TARGET, "sudo nft list tables").stdout
    storage.recover()
    run = storage.show(storage.last()["run"])
    (target,) = run["faults"][0]["targets"]
    assert (run["verdict"], target["outcome"], run["debts"]) == ("ABORTED", "whole", [])
    settled(storage)


def lifetime(stage: Stage, vm: str) -> tuple[float, float]:
    """When the fault began that a VM was last freed from, and when it was, by the VM's own journal.

    A fault's unit is named after its run; what systemd says of a unit carries its name as UNIT.
    """
    words = "sudo journalctl --quiet --output=json --since=-2min --unit='chaosjc-2*'"
    done = stage.site.ssh(vm, words)
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert entries, "the journal has nothing of it"
    units = [each.get("UNIT", each["_SYSTEMD_UNIT"]) for each in entries]
    mine = (each for each, unit in zip(entries, units, strict=True) if unit == units[-1])
    times = [int(each["__REALTIME_TIMESTAMP"]) / 1e6 for each in mine]
    return times[0], times[-1]
