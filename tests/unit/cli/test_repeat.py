"""What a report says how to repeat a run: typed anywhere, it makes the same plan."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from chaosjc.cli import run
from chaosjc.journal.events import Planned
from chaosjc.report.story import repeat_command

EXPERIMENT = """\
apiVersion: chaosjc/v1
kind: Experiment
name: x
vars: {what: "it's", limit: 3}
hypotheses:
  - command: [test, $what, "=", "no more than $limit"]
faults:
  - {fault: command, inject: [touch, $what], undo: [rm, $what], verify: [test, "!", -e, $what]}
"""


def planned(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(run.app, [*words, "--dry-run", "--json"], catch_exceptions=False)
    return json.loads(done.stdout)["planned"]


def test_the_command_to_repeat_a_run_makes_the_same_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, elsewhere = tmp_path / "my files", tmp_path / "elsewhere"
    for directory in (there, elsewhere):
        directory.mkdir()
    (there / "a b.yaml").write_text(EXPERIMENT)
    monkeypatch.chdir(there)
    first = planned("a b.yaml", "--state", "here", "--set", 'what="7"', "--set", "limit=4", "--seed", "9")
    assert first["context"]["state"] == str(there / "here")
    assert first["vars"] == {"what": "7", "limit": 4}
    command = repeat_command(Planned.model_validate(first))

    monkeypatch.chdir(elsewhere)
    cd, directory, also, *words = shlex.split(command)
    assert (cd, also, words[:2]) == ("cd", "&&", ["chaosjc", "run"])
    monkeypatch.chdir(directory)
    assert planned(*words[2:]) == first
