"""What several runs sum up to, for people, and for programs in a file: stdout stays one object a run.

A busy machine may leave a run inconclusive; what is asked here holds whatever the verdict.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from chaosjc.journal.verdict import EXIT_CODES
from tests.contract.test_command_line import GOOD, chaosjc


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    path = tmp_path / "suite" / "good.yaml"
    path.parent.mkdir()
    path.write_text(GOOD)
    return path


def test_repeats_sum_up_into_a_file_and_stdout_has_one_object_a_run(tmp_path: Path, experiment: Path) -> None:
    summary = tmp_path / "new" / "sum.json"
    options = ("--repeat", "2", "--json", "--summary", str(summary))
    done = chaosjc(tmp_path / "state", "run", str(experiment.parent), *options)
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    [found] = json.loads(summary.read_text())["experiments"]
    assert found["runs"] == [run["run"] for run in runs] and len(runs) == 2
    assert (found["experiment"], found["verdicts"]) == ("good", Counter(run["verdict"] for run in runs))
    took = [run["statistics"]["time_to_recover_s"] for run in runs]
    assert (found["time_to_recover_s"]["min"], found["time_to_recover_s"]["max"]) == (min(took), max(took))


def test_repeats_sum_up_on_a_terminal(tmp_path: Path, experiment: Path) -> None:
    done = chaosjc(tmp_path / "state", "run", str(experiment), "--repeat", "2")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert [line for line in lines if line.startswith("good, 2 runs: ")]
    [recovery] = [line for line in lines if line.startswith("   recovery")]
    assert recovery.endswith("needs 6 runs")


def test_a_summary_that_cannot_be_written_is_said_and_changes_no_exit_code(tmp_path: Path, experiment: Path) -> None:
    (tmp_path / "file").touch()
    summary = tmp_path / "file" / "sum.json"
    done = chaosjc(tmp_path / "state", "run", str(experiment), "--json", "--summary", str(summary))
    assert done.returncode == EXIT_CODES[json.loads(done.stdout)["verdict"]]
    assert f"chaosjc: {summary} cannot be written: " in done.stderr
