"""`fault: command` on a host: what is sent there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from chaosjc.drivers.command import Completed
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import CommandError
from chaosjc.faults.command import COMMAND, CommandFault
from chaosjc.faults.target import Chosen
from chaosjc.faults.world import World
from chaosjc.journal.events import Context, Target


class Host(World):
    """A world whose host answers 0 to everything and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(Context(), "run")
        self.asked: list[str] = []

    @property
    def ssh(self) -> Ssh:
        def runner(argv: Sequence[str], **_: object) -> Completed:
            self.asked.append(argv[-1])
            return Completed(tuple(argv), 0, "", "", 0.0)

        return Ssh(Path("config"), runner)  # type: ignore[arg-type]


@pytest.fixture
def host() -> Host:
    return Host()


ENTRY = CommandFault(
    host="worker-001",
    duration=1.0,
    inject=("sh", "-c", "rm ${F}; echo $$"),
    undo=("touch", "${F}"),
    verify=("test", "-e", "${F}"),
)
TARGET = Target(id="u", name="worker-001")
NOBODY = Chosen((), (), (), 1)
STEP = COMMAND.plan(ENTRY, Chosen((TARGET,), (), (), 1), "f1")[0]


def test_systemd_puts_no_variables_into_an_inject(host: Host) -> None:
    COMMAND.inject(STEP, host)
    assert host.asked == [
        "sudo -n -- systemd-run --quiet --collect --wait --pipe --unit=chaosjc-run-f1.worker-001.service "
        "-- sh -c 'rm $${F}; echo $$$$'"
    ]


def test_an_undo_first_ends_the_inject(host: Host) -> None:
    COMMAND.undo(STEP, host)
    assert host.asked == [
        "sudo -n -- systemctl stop chaosjc-run-f1.worker-001.service",
        "sudo -n -- touch '${F}'",
    ]


def test_a_command_here_finds_the_clouds_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """An undo such as `openstack server start` may run in a shell that exports another file."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "/shell/clouds.yaml")
    asks = ("sh", "-c", "test $OS_CLIENT_CONFIG_FILE = /srv/clouds.yaml")
    (step,) = COMMAND.plan(CommandFault(duration=1.0, inject=asks, undo=asks, verify=asks), NOBODY, "f1")
    COMMAND.undo(step, World(Context(environment={"OS_CLIENT_CONFIG_FILE": "/srv/clouds.yaml"}), "run"))
    with pytest.raises(CommandError):
        COMMAND.undo(step, World(Context(), "run"))
