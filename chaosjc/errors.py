"""Every error that chaosjc raises on purpose. Each says what, where and what to do next.

ChaosJCError
├── UsageError          the request makes no sense: exit 2, nothing was touched
│   └── SpecError       one or more files are wrong: all their problems at once
├── CommandError        a process failed, or could not be started
│   └── CommandTimeout  it was killed at its time limit
├── RemoteError         an API or a host refused, or did not answer
├── StageError          deploying failed: stage, host, command and log
├── LabError            the lab cannot do what was asked
├── JournalError        the store is full, read-only, locked or damaged: nothing may be injected
│   └── Fenced          an act was refused: halted, closed, or claimed by a newer owner
└── FaultError          an inject, undo or verify did not succeed
"""

from __future__ import annotations

from dataclasses import dataclass


class ChaosJCError(Exception):
    """Base of all; `hint` is the next step for a person, and may be empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(ChaosJCError):
    """Bad arguments, or a file that is not what it should be."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a file; line and column count from 1, 0 where there is no place to name."""

    path: str
    line: int
    column: int
    field: str
    message: str

    def __str__(self) -> str:
        """One line, whatever the names in it: those of a file must not steer a terminal."""
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        told = f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in told)


class SpecError(UsageError):
    """All problems of all files, sorted by place."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(map(str, self.problems)))


class CommandError(ChaosJCError):
    """A process ended badly; carries what it said."""

    def __init__(self, message: str, *, stdout: str = "", stderr: str = "", returncode: int | None = None) -> None:
        super().__init__(message)
        self.stdout = stdout
        self.stderr = stderr
        self.returncode = returncode


class CommandTimeout(CommandError):
    """A process was killed, with its whole group, at its time limit."""


class RemoteError(ChaosJCError):
    """An API or a host refused, or did not answer."""


class StageError(ChaosJCError):
    """Deploying failed; the message names stage, host, command and log."""


class LabError(ChaosJCError):
    """The lab cannot do what was asked; the message says what is missing or where to look."""


class JournalError(ChaosJCError):
    """The store cannot be trusted to hold the next event."""


class Fenced(JournalError):
    """The store refused an act; `code` is one of halted, closed, epoch."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FaultError(ChaosJCError):
    """An inject, undo or verify did not succeed."""
