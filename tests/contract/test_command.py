"""The one place that starts processes, with real ones."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from chaosjc.drivers import command
from chaosjc.errors import CommandError, CommandTimeout


def test_what_does_not_end_is_ended_with_its_children_and_what_it_said_is_kept() -> None:
    began = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"no end after 0\.3 s") as caught:
        command.run(["sh", "-c", "echo said; echo failed >&2; sleep 30 & wait"], timeout=0.3)
    assert (caught.value.stdout, caught.value.stderr) == ("said\n", "failed\n")
    assert time.monotonic() - began < 10


def test_a_pipe_that_somebody_else_still_holds_is_not_waited_for_and_not_left_open() -> None:
    """As the shared connection of SSH does it, in a session of its own. That nothing is left open, pytest watches."""
    began = time.monotonic()
    with pytest.raises(CommandTimeout) as caught:
        command.run(["sh", "-c", "echo said; setsid sleep 5 & sleep 30"], timeout=0.3)
    assert caught.value.stdout == "said\n"
    assert time.monotonic() - began < 4


def test_what_fails_says_what_it_printed() -> None:
    with pytest.raises(CommandError, match="exit code 3: no such thing") as caught:
        command.run(["sh", "-c", "echo no such thing >&2; exit 3"])
    assert caught.value.returncode == 3
    with pytest.raises(CommandError, match="nothing-of-that-name: cannot start"):
        command.run(["nothing-of-that-name"])


def test_who_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    deaf = command.spawn(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"], log=log)
    while "ready" not in log.read_text():
        time.sleep(0.05)
    command.end(deaf, patience=0.3)
    assert deaf.returncode == -signal.SIGKILL
    polite = command.spawn(["sleep", "60"], log=log)
    command.end(polite)
    assert polite.returncode == -signal.SIGTERM
