"""docs/first-steps.md: what chaosjc really printed, from a dry run to a recover: `python -m docs.transcripts`.

Everything is run for real, with state of its own. Needs neither root nor a lab, and half a minute. A test plays it
again, and fails where the file says something else.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chaosjc.cli.demo.stage import ROOT
from chaosjc.drivers import command

FILE = Path(__file__).with_name("first-steps.md")
EXPERIMENT = "experiments/local/first-steps.yaml"
MARK = "CHAOSJC_TRANSCRIPT"
HOME = "~/.local/state"
WIDTH = "100"
PATIENCE = 30.0
"""Seconds for a run to have broken something."""

INTRODUCTION = f"""\
# First steps, and what they print

Everything here needs nothing but a file in `/tmp`: no lab, no site, no root. It is the output of the commands
themselves, written by `python -m docs.transcripts`. The [experiment](../{EXPERIMENT}):
a file is in the way for five seconds, and ten are tolerated.
"""


@dataclass(frozen=True)
class Scene:
    """Some words, then what was typed and what was printed."""

    title: str
    words: str
    shown: str

    def __str__(self) -> str:
        return f"## {self.title}\n\n{self.words}\n\n```console\n{self.shown}\n```\n"


class Shell:
    """chaosjc as a person calls it, with all its state below one directory."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._environment = {"XDG_STATE_HOME": str(state), "COLUMNS": WIDTH, MARK: str(state)}

    def says(self, words: str) -> str:
        """The command, what it printed, and its exit code where that is not 0."""
        done = command.run(self._argv(words), env=self._environment, check=False, cwd=ROOT, timeout=60)
        code = f"\n$ echo $?\n{done.returncode}" if done.returncode else ""
        return f"$ chaosjc {words}\n{self._clean(done.stderr + done.stdout)}{code}"

    def during(self, words: str, act: Callable[[], str]) -> tuple[str, str]:
        """Act once that run has seen what it broke; all that the run printed, and what came of the act."""
        log = self._state / f"run-{time.monotonic_ns()}.log"
        process = command.spawn(self._argv(words), log=log, env=self._environment, cwd=ROOT)
        until = time.monotonic() + PATIENCE
        while " violated " not in log.read_text():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(log.read_text())
            time.sleep(0.1)
        done = act()
        process.wait(PATIENCE)
        return f"$ chaosjc {words} &\n{self._clean(log.read_text())}", done

    def kills(self) -> str:
        """Run and watchdog."""
        return f"# kill -9 of {command.end_marked(MARK, str(self._state))} processes: the run and its watchdog"

    def _argv(self, words: str) -> list[str]:
        return [sys.executable, "-m", "chaosjc.cli.main", *self._words(words)]

    @staticmethod
    def _words(words: str) -> list[str]:
        plain, quote, reason = words.partition('"')
        return [*plain.split(), *([reason.rstrip('"')] if quote else [])]

    def _clean(self, said: str) -> str:
        lines = (line.rstrip() for line in said.replace(str(self._state), HOME).strip("\n").splitlines())
        return "\n".join(lines)


def scenes(state: Path) -> Iterator[Scene]:
    """Play them all, in order."""
    shell, lasting = Shell(state), f"run {EXPERIMENT} --set lasts=1h"
    yield Scene("Check", "Mistakes of all files at once, without touching anything.", shell.says(f"check {EXPERIMENT}"))
    words = "What would be broken, how it would be undone, what would be measured, and what each guard says."
    yield Scene("A dry run", words, shell.says(f"run {EXPERIMENT} --dry-run --seed 7"))
    words = "The journal's events as they are written; then the verdict and why. The exit code is the verdict."
    yield Scene("A run", words, shell.says(f"run {EXPERIMENT} --seed 7"))
    run, halt = shell.during(lasting, lambda: shell.says('halt --reason "exam week"'))
    words = (
        "One run goes on for an hour; somebody presses the kill switch. It undoes, verifies, and ends with exit code 5."
    )
    yield Scene("A halt", words, f"{run}\n\n{halt}")
    refused, resumed = (shell.says(each) for each in (f"run {EXPERIMENT}", 'resume --reason "the exams are over"'))
    yield Scene("A resume", "Until it is released, nothing starts.", f"{refused}\n\n{resumed}")
    run, killed = shell.during(lasting, shell.kills)
    words = "Run and watchdog are both killed while the file is there. What they owe is on disk."
    recovered, listed = (shell.says(each) for each in ("recover", "runs list"))
    yield Scene("A recover", words, f"{run}\n{killed}\n\n{recovered}\n\n{listed}")


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory(prefix="chaosjc-docs-") as state:
        told = [str(scene) for scene in scenes(Path(state))]
    FILE.write_text("\n".join([INTRODUCTION, *told]))


if __name__ == "__main__":
    main()
