"""What `ssh` would meet: hosts whose commands say what a test has them say, and nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaosjc.drivers.command import Completed


@dataclass(frozen=True)
class Ran:
    """A command on a host, as root."""

    host: str
    words: tuple[str, ...]
    stdin: str

    @property
    def text(self) -> str:
        return f"{self.host}: {' '.join(self.words)}"


class FakeShell:
    """A Runner for `Ssh`: says the first answer whose key is in `host: command`, takes a failure as (code, stderr)."""

    def __init__(self, answers: Mapping[str, str | tuple[int, str]]) -> None:
        self.answers = dict(answers)
        self.ran: list[Ran] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 60.0,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        del timeout, check, env, cwd
        host, remote = argv[argv.index("--") + 1 :]
        words = shlex.split(remote)
        assert words[:2] == ["sudo", "-n"], remote
        self.ran.append(Ran(host, tuple(words[2:]), stdin or ""))
        text = self.ran[-1].text
        said = next((answer for key, answer in self.answers.items() if key in text), "")
        code, err, out = (*said, "") if isinstance(said, tuple) else (0, "", said)
        return Completed(tuple(argv), code, out, err, 0.0)

    def position(self, part: str) -> int:
        """When the first command that has this was run; fails the test where none was."""
        return next(at for at, each in enumerate(self.ran) if part in each.text)

    def has_run(self, part: str) -> bool:
        """Whether any command has this."""
        return any(part in each.text for each in self.ran)
