"""A pool of hosts that say what a test tells them to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from chaosjc.drivers.command import Completed
from chaosjc.errors import CommandTimeout
from tests.unit.fakes import FakeClock

CASES = Path(__file__).parents[2] / "cases" / "gluster"

Answer: TypeAlias = str | Completed | Exception
Host: TypeAlias = Answer | list[str] | Mapping[str, Answer]
"""What a host says: always the same, one text after the other, or by what follows `gluster …` (`own`: its state)."""


def said(name: str) -> str:
    """What GlusterFS 10.3 printed."""
    return (CASES / name).read_text()


@dataclass
class Pool:
    """Runs nothing; a host that hangs uses up its time."""

    clock: FakeClock
    hosts: Mapping[str, Host]
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list[tuple[str, tuple[str, ...]]])

    def __call__(self, host: str, argv: Sequence[str], *, timeout: float) -> Completed:
        self.asked.append((host, tuple(argv)))
        said = self.hosts[host]
        if isinstance(said, Mapping):
            said = said["own" if argv[4] == "sh" else " ".join(argv[8:])]
        if isinstance(said, CommandTimeout) or (isinstance(said, Completed) and said.returncode == 124):
            self.clock.sleep(float(argv[3]))
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Completed):
            return said
        text = said.pop(0) if isinstance(said, list) else said
        return Completed(tuple(argv), 0, text, "", 0.1)

    @property
    def words(self) -> list[tuple[str, ...]]:
        """What came after `gluster --mode=script --xml --timeout=N`."""
        return [argv[8:] for _, argv in self.asked]
