"""`make test`: run suites in order, cheap ones first, and end with a table of their minutes.

A failing suite does not keep the next from running. What the lab builds the first time on a machine, for minutes, is
begun at once: there, everybody would have to share the processors with it. Where the lab cannot run its suite is
skipped, with the reasons; under CI=true that is a failure.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess  # noqa: TID251 - streams what the suites say, which chaosjc itself never needs
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass

from chaosjc.lab import host
from chaosjc.lab.environment import BOUND

CHAOSJC = (sys.executable, "-m", "chaosjc.cli.main")
BUILD = (*BOUND, "nice", "-n", "19", *CHAOSJC, "lab", "image", "build", "--kubernetes")
PYTEST_SUMMARY = re.compile(r"^(=+ )?(no tests|\d+ [a-z]+).* in [0-9.]+s")


@dataclass(frozen=True)
class Outcome:
    """How a suite ended: `summary` is pytest's own last line, empty for another tool."""

    suite: str
    result: str  # passed, failed, skipped
    seconds: float = 0.0
    summary: str = ""


def main(suites: list[str]) -> int:
    reasons = host.lacking(host.report()) if "lab" in suites else []
    with _building(needed="lab" in suites and not reasons):
        outcomes = [_skip(suite, reasons) if suite == "lab" and reasons else _run(suite) for suite in suites]
    _print_table(outcomes)
    in_ci = os.environ.get("CI") == "true"
    return exit_code(outcomes, skipping_fails=in_ci)


def exit_code(outcomes: list[Outcome], *, skipping_fails: bool) -> int:
    bad = {"failed", "skipped"} if skipping_fails else {"failed"}
    return int(any(outcome.result in bad for outcome in outcomes))


@contextlib.contextmanager
def _building(*, needed: bool) -> Generator[None]:
    """The lab's images, while nothing else wants the processor. Who needs one waits for it, and tells if it failed."""
    if not needed:
        yield
        return
    with subprocess.Popen(BUILD, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as builder:
        try:
            yield
        finally:
            builder.terminate()


def _run(suite: str) -> Outcome:
    _say(f"\n──── {suite}")
    began, summary = time.monotonic(), ""
    with subprocess.Popen(
        ["make", "--no-print-directory", suite],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            _say(line.rstrip("\n"))
            summary = line.strip() if PYTEST_SUMMARY.match(line) else summary
    return Outcome(suite, "failed" if process.returncode else "passed", time.monotonic() - began, summary)


def _skip(suite: str, reasons: list[host.Probe]) -> Outcome:
    _say(f"\n──── {suite}: skipped, since the lab cannot run here")
    for probe in reasons:
        _say(f"  {probe.name}: {probe.found} ({probe.todo})")
    return Outcome(suite, "skipped")


def _print_table(outcomes: list[Outcome]) -> None:
    _say(f"\n{'suite':10} {'minutes':>8}  result")
    for outcome in outcomes:
        _say(f"{outcome.suite:10} {outcome.seconds / 60:8.1f}  {outcome.result}")
    _say("")
    for outcome in outcomes:
        if outcome.summary:
            _say(f"{outcome.suite}: {outcome.summary}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
