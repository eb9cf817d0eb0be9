"""`fault: command` on a host: what is sent there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from chaosjc.drivers.command import Completed
from chaosjc.drivers.openstack import Cloud, NotFound
from chaosjc.drivers.openstack_values import Server
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import CommandError, FaultError, RemoteError
from chaosjc.faults.command import ASK, COMMAND, CommandFault
from chaosjc.faults.held import ACT
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


class Nova(Cloud):
    """It knows a server of the host's name, by this UUID; without one it does not answer."""

    def __init__(self, uuid: str) -> None:
        super().__init__(None, "test")
        self.uuid = uuid

    def server(self, uuid: str) -> Server:
        if not self.uuid:
            raise RemoteError("cloud test: no answer")
        if uuid != self.uuid:
            raise NotFound(uuid)
        return Server(uuid, "worker-001", "ACTIVE", "", "", "", (), {}, "", "")


class OnSite(Host):
    """The same host, of a site with that cloud."""

    def __init__(self, uuid: str) -> None:
        super().__init__()
        self.nova = Nova(uuid)

    @property
    def has_site(self) -> bool:
        return True

    @property
    def cloud(self) -> Cloud:
        return self.nova


def test_a_host_is_broken_and_mended_while_it_is_the_same() -> None:
    host = OnSite("u")
    COMMAND.prepare(STEP, host)
    COMMAND.inject(STEP, host)
    COMMAND.undo(STEP, host)
    assert COMMAND.verify(STEP, host).outcome == "whole"
    assert len(host.asked) == 5


def test_nothing_is_done_to_a_successor_of_the_host() -> None:
    host = OnSite("another")
    COMMAND.undo(STEP, host)
    answer = COMMAND.verify(STEP, host)
    assert (answer.outcome, answer.why) == ("gone", "Nova knows no server u")
    for verb in (COMMAND.prepare, COMMAND.inject):
        with pytest.raises(FaultError, match=r"worker-001 \(u\) is gone"):
            verb(STEP, host)
    assert host.asked == []


def test_a_host_that_is_gone_remains_a_debt() -> None:
    """What a command has done through it elsewhere, nobody knows."""
    assert not STEP.gone_is_clean


def test_without_the_cloud_a_host_is_mended_but_neither_broken_nor_called_whole() -> None:
    host = OnSite("")
    with pytest.raises(RemoteError):
        COMMAND.inject(STEP, host)
    assert host.asked == []
    COMMAND.undo(STEP, host)
    assert host.asked[-1] == "sudo -n -- touch '${F}'"
    assert COMMAND.verify(STEP, host).outcome == "unknown"


def test_what_runs_here_asks_no_cloud() -> None:
    true = ("true",)
    (step,) = COMMAND.plan(CommandFault(duration=1.0, inject=true, undo=true, verify=true), NOBODY, "f1")
    world = OnSite("another")
    for verb in (COMMAND.prepare, COMMAND.inject, COMMAND.undo):
        verb(step, world)
    assert COMMAND.verify(step, world).outcome == "whole"


def test_a_host_that_is_no_server_is_not_asked_for() -> None:
    step, host = STEP.model_copy(update={"target": Target(id="local", name="dns", kind="command")}), OnSite("another")
    COMMAND.undo(step, host)
    assert COMMAND.verify(step, host).outcome == "whole"


def test_an_inject_may_strike_for_as_long_as_the_cloud_may_be_asked_before_it() -> None:
    assert STEP.inject_timeout == ENTRY.timeout + ASK


def test_a_connection_to_the_host_that_broke_is_no_answer() -> None:
    """What was asked for may still be done: an undo before that is looked at again."""
    assert STEP.strikes_within == ACT
    here = COMMAND.plan(ENTRY.model_copy(update={"host": None}), NOBODY, "f1")[0]
    assert here.strikes_within is None
