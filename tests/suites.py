"""`make test`: run suites in order, cheap ones first, and end with a table of their minutes.

`machines+jupytercloud` are two at the same time, each with a lab of its own: they mostly wait, as `storage` does not,
whose bricks want all there is. A failing suite does not keep the next from running. What the lab builds the first time
on a machine, for minutes, is begun at once: there, everybody would have to share the processors with it. Where the lab
cannot run its suites are skipped, with the reasons; under CI=true that is a failure.

Ctrl-C reaches each suite once: it puts away what it has started, and no other begins.
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
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from chaosjc.lab import host
from chaosjc.lab.environment import BOUND

CHAOSJC = (sys.executable, "-m", "chaosjc.cli.main")
BUILD = (*BOUND, "nice", "-n", "19", *CHAOSJC, "lab", "image", "build", "--kubernetes")
ON_A_LAB = frozenset({"storage", "machines", "jupytercloud"})
BESIDE = "+"
AWAKE = 0.2
"""Seconds: a signal may reach another thread, and Python's handlers run in the main one, once that is awake."""
PYTEST_SUMMARY = re.compile(r"^(=+ )?(no tests|\d+ [a-z]+).* in [0-9.]+s")


@dataclass(frozen=True)
class Outcome:
    """How a suite ended: `summary` is pytest's own last line, empty for another tool."""

    suite: str
    result: str  # passed, failed, skipped
    seconds: float = 0.0
    summary: str = ""


class Suites:
    """The processes that run now; all get the first of any signals that should end us."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []
        self.stopped = False

    def stop(self, *_: object) -> None:
        """As Ctrl-C does in a terminal; a second would interrupt what puts things away."""
        if not self.stopped:
            self.stopped = True
            say("\nstopping: each suite puts away what it has started")
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)

    def run(self, together: Sequence[str]) -> list[Outcome]:
        """Side by side; returns when the last has ended."""
        say(f"\n──── {' and '.join(together)}")
        with ThreadPoolExecutor(len(together)) as pool:
            prefixes = [f"{suite}: " if len(together) > 1 else "" for suite in together]
            running = [pool.submit(self._one, *each) for each in zip(together, prefixes, strict=True)]
            while wait(running, timeout=AWAKE).not_done:
                pass
            return [each.result() for each in running]

    def _one(self, suite: str, prefix: str) -> Outcome:
        began, summary = time.monotonic(), ""
        with self._process(["make", "--no-print-directory", suite]) as process:
            for line in process.stdout or ():
                say(prefix + line.rstrip("\n"))
                summary = line.strip() if PYTEST_SUMMARY.match(line) else summary
        return Outcome(suite, "failed" if process.returncode else "passed", time.monotonic() - began, summary)

    @contextlib.contextmanager
    def _process(self, argv: Sequence[str]) -> Generator[subprocess.Popen[str]]:
        """In a group of its own, so that a terminal's Ctrl-C reaches it through us, and once.

        But in our session: among its processes alone niceness counts, where the kernel shares out time by session.
        """
        with subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
        ) as process:
            self._running.append(process)
            if self.stopped:  # while it was being started
                os.killpg(process.pid, signal.SIGINT)
            yield process
            process.wait()
            self._running.remove(process)


def main(words: list[str]) -> int:
    """Each word is a suite, or some that run side by side; the exit code."""
    steps = [word.split(BESIDE) for word in words]
    reasons = host.lacking(host.report()) if any(ON_A_LAB & set(step) for step in steps) else []
    suites = Suites()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, suites.stop)
    outcomes: list[Outcome] = []
    with _building(needed=any(ON_A_LAB & set(step) for step in steps) and not reasons):
        for step in steps:
            if suites.stopped:
                break
            skipped = [suite for suite in step if suite in ON_A_LAB and reasons]
            outcomes += [_skip(suite, reasons) for suite in skipped] or suites.run(step)
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
    """At once, and whole, whichever thread says it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
