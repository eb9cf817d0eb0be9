"""What a deployment did, line by line, for the person who asks afterwards."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from chaosjc.clock import Clock, rfc3339
from chaosjc.drivers.command import Completed, Runner
from chaosjc.errors import CommandError

LONGEST = 1000  # characters of what a command said that the log keeps
WORD = 160  # characters of each of a command's words: some are whole programs


class Report(Protocol):
    """Told what is happening, from any thread: the stage, the VM or thing, and what is done to it."""

    def __call__(self, stage: str, subject: str, text: str) -> None: ...  # noqa: D102


def silent(stage: str, subject: str, text: str) -> None:
    """A Report that nobody reads."""


class Log:
    """Appends to one file; each line is one write, so that threads and processes may share it."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def write(self, text: str) -> None:
        """One line, with its time."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{rfc3339(self._clock.time())} {text}\n")

    def reporting(self, report: Report) -> Report:
        """`report`, and the same into the log."""

        def both(stage: str, subject: str, text: str) -> None:
            self.write(f"{stage}: {subject}: {text}")
            report(stage, subject, text)

        return both

    def running(self, runner: Runner) -> Runner:
        """`runner`, with each command, its end and what it said on failure in the log; never its stdin."""

        def logged(
            argv: Sequence[str],
            *,
            stdin: str | None = None,
            timeout: float = 60.0,
            check: bool = True,
            env: Mapping[str, str] | None = None,
            cwd: Path | None = None,
        ) -> Completed:
            command = shown(argv)
            try:
                done = runner(argv, stdin=stdin, timeout=timeout, check=check, env=env, cwd=cwd)
            except CommandError as error:
                self.write(f"$ {command}: {error.stderr.strip()[-LONGEST:] or error.message[-LONGEST:]}")
                raise
            said = f": {done.stderr.strip()[-LONGEST:]}" if done.returncode else ""
            self.write(f"$ {command}: exit code {done.returncode} after {done.seconds:.2f} s{said}")
            return done

        return logged


def shown(argv: Sequence[str]) -> str:
    """A command on one line, as a person would type it."""
    return shlex.join(map(_shortened, argv)).replace("\n", "\\n")


def _shortened(word: str) -> str:
    return word if len(word) <= WORD else f"{word[:WORD]}…"
