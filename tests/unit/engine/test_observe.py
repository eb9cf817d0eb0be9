"""`observe:` in a file: questions without a claim, and the plans that they become."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaosjc.engine import experiment as files
from chaosjc.engine.plan import Circumstances, needs, plan
from chaosjc.errors import SpecError
from chaosjc.journal.events import EVENT, Context, Planned

HEAD = """\
apiVersion: chaosjc/v1
kind: Experiment
name: x
hypotheses: [{command: ["true"]}]
faults: [{fault: command, inject: ["true"], undo: ["true"], verify: ["true"]}]
"""


def load(directory: Path, observe: str) -> files.Loaded:
    path = directory / "x.yaml"
    path.write_text(HEAD + observe)
    return files.load([path])[0]


def told(directory: Path, observe: str) -> list[str]:
    with pytest.raises(SpecError) as error:
        load(directory, observe)
    return [f"{each.line}:{each.column}: {each.field}: {each.message}" for each in error.value.problems]


def test_each_kind_of_check_can_be_observed(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """\
observe:
  - {name: heal backlog, promql: "sum(chaosjc_gluster_heal_pending)", every: 2s}
  - promql: up
  - {http: "http://hub/", timeout: 2s}
  - {command: [df], host: brick-001}
  - {check: vm, target: brick-001}
""",
    )
    planned = plan(loaded, Circumstances(1, Context())).planned
    found = [(each.id, each.name, each.kind, each.expect, each.every) for each in planned.observations]
    assert found == [
        ("o1", "heal backlog", "promql", "", 2.0),
        ("o2", "up", "promql", "", 1.0),
        ("o3", "GET http://hub/", "http", "", 1.0),
        ("o4", "df on brick-001", "command", "", 1.0),
        ("o5", "vm brick-001", "vm", "", 1.0),
    ]
    assert planned.recovery.until == planned.hypotheses, "what is observed promises no recovery"
    assert needs(loaded.experiment) == {"prometheus", "http", "ssh", "cloud"}


@pytest.mark.parametrize(
    "claim",
    ['expect: "== 1"', "tolerate: 2s", "stop: true", "series: 2", "require: any", "phases: [after]", "min_coverage: 1"],
)
def test_what_only_a_hypothesis_can_claim_is_refused_at_its_place(tmp_path: Path, claim: str) -> None:
    option = claim.partition(":")[0]
    (problem,) = told(tmp_path, f"observe:\n  - promql: up\n    {claim}\n")
    assert (
        problem == f"8:{7 + len(option)}: observe[0].{option}: what is observed is not judged: say it of a hypothesis"
    )


def test_other_mistakes_are_told_as_in_a_hypothesis(tmp_path: Path) -> None:
    twice = "observe: [{name: a, http: 'http://a'}, {name: a, http: 'http://b'}]"
    assert told(tmp_path, twice)[0].endswith("two observations have the same name: a")
    missing, unknown = told(tmp_path, "observe: [{check: vmm}]")
    assert missing.endswith("target: required, but missing")
    assert unknown.endswith('unknown check "vmm"; did you mean "vm"?')
    assert told(tmp_path, "observe: [{promql: up, evry: 2s}]")[0].endswith('unknown key; did you mean "every"?')


def test_a_plan_of_before_there_were_observations_is_readable() -> None:
    old = EVENT.validate_json('{"type": "planned", "experiment": "x", "recovery": {"within": 60, "until": []}}')
    assert isinstance(old, Planned) and old.observations == ()
