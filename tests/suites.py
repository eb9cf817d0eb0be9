"""`make test`: run suites in order, cheap ones first, and end with a table of their minutes.

A failing suite does not keep the next from running. What the lab builds the first time on a machine, for minutes, is
begun at once: there, everybody would have to share the processors with it. Where the lab cannot run its suite is
skipped, with the reasons; under CI=true that is a failure.

Ctrl-C reaches a suite once: it puts away what it has started, and no other begins.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess  # noqa: TID251 - streams what the suites say, which chaosjc itself never needs
import sys
import time
from collections.abc import Generator, Sequence
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


class Suites:
    """They run one by one; the one that runs gets the first of any signals that should end us."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[str] | None = None
        self.stopped = False

    def stop(self, *_: object) -> None:
        """As Ctrl-C does in a terminal; a second would interrupt what puts things away."""
        if not self.stopped:
            self.stopped = True
            self._interrupt()

    def run(self, suite: str) -> Outcome:
        """To its end; what it says is passed on."""
        say(f"\n──── {suite}")
        began, summary = time.monotonic(), ""
        with self._process(["make", "--no-print-directory", suite]) as process:
            for line in process.stdout or ():
                say(line.rstrip("\n"))
                summary = line.strip() if PYTEST_SUMMARY.match(line) else summary
        return Outcome(suite, "failed" if process.returncode else "passed", time.monotonic() - began, summary)

    @contextlib.contextmanager
    def _process(self, argv: Sequence[str]) -> Generator[subprocess.Popen[str]]:
        """In a group of its own, so that a terminal's Ctrl-C reaches it through us, and once.

        But in our session: among its processes alone niceness counts, where the kernel shares out time by session.
        """
        with subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", process_group=0
        ) as process:
            self._running = process
            if self.stopped:  # while it was being started
                self._interrupt()
            yield process
        self._running = None

    def _interrupt(self) -> None:
        if self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGINT)


def main(names: list[str]) -> int:
    """Each in turn; the exit code."""
    reasons = host.lacking(host.report()) if "lab" in names else []
    suites = Suites()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, suites.stop)
    outcomes: list[Outcome] = []
    with _building(needed="lab" in names and not reasons):
        steps = (suite for suite in names if not suites.stopped)
        outcomes.extend(_skip(suite, reasons) if suite == "lab" and reasons else suites.run(suite) for suite in steps)
    _print_table(outcomes)
    return 1 if suites.stopped else exit_code(outcomes, skipping_fails=os.environ.get("CI") == "true")


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


def _skip(suite: str, reasons: list[host.Probe]) -> Outcome:
    say(f"\n──── {suite}: skipped, since the lab cannot run here")
    for probe in reasons:
        say(f"  {probe.name}: {probe.found} ({probe.todo})")
    return Outcome(suite, "skipped")


def _print_table(outcomes: list[Outcome]) -> None:
    say(f"\n{'suite':10} {'minutes':>8}  result")
    for outcome in outcomes:
        say(f"{outcome.suite:10} {outcome.seconds / 60:8.1f}  {outcome.result}")
    say("")
    for outcome in outcomes:
        if outcome.summary:
            say(f"{outcome.suite}: {outcome.summary}")


def say(line: str) -> None:
    """At once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
