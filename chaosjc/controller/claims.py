"""What a controller has begun: one JSON line each, durable before the first act, so that nothing is begun twice."""

from __future__ import annotations

import datetime
import itertools
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, TypeAdapter, ValidationError

from chaosjc.errors import JournalError
from chaosjc.journal.verdict import EXIT_CODES

Outcome = Literal["begun", "busy", "refused", "prepare-failed", "ended"]


def _zoned(time: str) -> str:
    if datetime.datetime.fromisoformat(time).tzinfo is None:
        raise ValueError("a time without its zone")
    return time


@dataclass(frozen=True)
class Claim:
    """One due time of one entry, and what became of it; `code` is the worst verdict's exit code once it has ended."""

    schedule: str
    entry: str
    due: Annotated[str, AfterValidator(_zoned)]
    outcome: Outcome
    code: int | None = None
    why: str = ""

    @property
    def taught(self) -> bool:
        """Whether it ended with a verdict on the site."""
        return self.outcome == "ended" and self.code in (EXIT_CODES["PASS"], EXIT_CODES["FAIL"])


_CLAIM = TypeAdapter(Claim)


class Claims:
    """A file that only grows; a line that a crash cut short is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[Claim]:
        """As they were written. Raises JournalError where the file, or a line of it, cannot be read."""
        try:
            lines = self._path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JournalError(f"{self._path}: {error.strerror}") from error
        return [self._read(number, line) for number, line in enumerate(lines, 1) if line.endswith(b"}")]

    def add(self, claim: Claim) -> None:
        """Durable when it returns. Raises JournalError where it is not."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._path.open("a+b") as file:
                file.seek(0, os.SEEK_END)
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        file.write(b"\n")
                file.write(json.dumps(asdict(claim)).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise JournalError(f"{self._path}: cannot remember what is begun: {error.strerror}") from error

    def _read(self, number: int, line: bytes) -> Claim:
        try:
            return _CLAIM.validate_json(line)
        except ValidationError as error:
            raise JournalError(f"{self._path}:{number}: not a claim", hint="mend this line, or remove it") from error


def latest(claims: Iterable[Claim], schedule: str, entry: str) -> datetime.datetime | None:
    """The latest due time of an entry that was ever dealt with."""
    due = [each.due for each in claims if (each.schedule, each.entry) == (schedule, entry)]
    return max(map(datetime.datetime.fromisoformat, due), default=None)


def in_vain(claims: Sequence[Claim], schedule: str, entry: str) -> int:
    """How many times in a row an entry fell due, up to now, without a verdict on the site; not one still under way."""
    became = {each.due: each for each in claims if (each.schedule, each.entry) == (schedule, entry)}
    ended = list(became.values())
    if ended and ended[-1].outcome == "begun":
        ended.pop()
    return sum(1 for _ in itertools.takewhile(lambda each: not each.taught, reversed(ended)))
