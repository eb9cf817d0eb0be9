"""What is said of a command that failed on a VM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from chaosjc.drivers.command import Completed
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import CommandTimeout, StageError
from chaosjc.site.context import Context
from chaosjc.site.stages.base import run_on


class Failing:
    """A Runner; where nothing is said, it is the time limit that ended it."""

    def __init__(self, said: str) -> None:
        self._said = said

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
        del stdin, timeout, check, env, cwd
        if not self._said:
            raise CommandTimeout("ssh and a whole program")
        return Completed(tuple(argv), 1, "", self._said, 0.0)


@pytest.mark.parametrize(("said", "told"), [("no such job\n", "no such job"), ("", "no end after 5 s")])
def test_stage_host_command_and_log(context: Context, said: str, told: str) -> None:
    failing = replace(context, ssh=Ssh(context.state.ssh_config, Failing(said)))
    with pytest.raises(StageError) as caught:
        run_on(failing, "cluster", "worker-001", ["sh", "-ec", "fg"], stdin="SECRET", timeout=5.0)
    assert caught.value.message == f"cluster: worker-001: sh -ec fg: {told}"
    assert caught.value.hint == f"ssh -F {context.state.ssh_config} worker-001; log: {context.state.log}"
