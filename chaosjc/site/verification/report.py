"""A pytest plugin that writes what became of each test as one JSON line to $CHAOSJC_VERIFY_RESULTS."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test ends with its call, or with a set-up that failed; what is skipped is a kind of thing that the VM lacks."""
    if report.skipped or (report.when != "call" and report.passed):
        return
    vm, _, what = report.nodeid.partition("[")[2].removesuffix("]").partition(":")
    line = {"vm": vm, "what": what, "held": report.passed, "why": "" if report.passed else _reason(report)}
    with Path(os.environ["CHAOSJC_VERIFY_RESULTS"]).open("a") as file:
        file.write(json.dumps(line) + "\n")


def _reason(report: pytest.TestReport) -> str:
    """The assertion's message alone: the first line of what crashed."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(getattr(crash, "message", report.longrepr)).strip()
    return message.splitlines()[0].removeprefix("AssertionError: ") if message else "failed"
