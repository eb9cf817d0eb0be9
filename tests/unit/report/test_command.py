from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from chaosjc.cli.report import app
from chaosjc.errors import UsageError
from chaosjc.journal.store import Store
from tests.unit.fakes import FakeClock
from tests.unit.report import journals


@pytest.fixture
def state(tmp_path: Path) -> Path:
    clock = FakeClock()
    with Store(tmp_path / "state" / "journal.db", clock) as store:
        for entry in journals.passed():
            clock.now = entry.at
            store.append(entry.event, journals.RUN)
    return tmp_path / "state"


def test_it_writes_files_and_says_where(state: Path, tmp_path: Path) -> None:
    page, xml = tmp_path / "new" / "run.html", tmp_path / "run.xml"
    result = CliRunner().invoke(app, ["k3v9", "--state", str(state), "--html", str(page), "--junit", str(xml)])
    assert result.exit_code == 0
    assert result.output.split() == [str(page), str(xml)]
    assert "worker-vm-frozen" in page.read_text("utf-8")
    assert ElementTree.parse(xml).getroot().tag == "testsuites"


def test_without_a_file_it_prints(state: Path) -> None:
    assert "PASS" in CliRunner().invoke(app, [journals.RUN, "--state", str(state)]).output
    found = json.loads(CliRunner().invoke(app, [journals.RUN, "--state", str(state), "--json"]).output)
    assert found["verdict"] == "PASS"


def test_what_cannot_be_written_is_said(state: Path) -> None:
    argv = [journals.RUN, "--state", str(state), "--html", "/proc/nowhere/run.html"]
    result = CliRunner().invoke(app, argv)
    assert isinstance(result.exception, UsageError)
    assert "/proc/nowhere/run.html cannot be written" in str(result.exception)
