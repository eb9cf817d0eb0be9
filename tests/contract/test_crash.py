"""What a killed run leaves to its successors, in a few exact cases; test_crash_everywhere.py has all the others.

The fault takes a file away, and again later, so that there is time to die while the inject is under way.
A busy machine may miss some of the samples: how many are enough is not what these tests are about.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaosjc.clock import SystemClock
from chaosjc.drivers import command
from chaosjc.engine.recover import alive, recover
from chaosjc.journal.events import Closed, Entry, Event, Stopping, UndoClaimed
from chaosjc.journal.store import Store
from tests.contract import processes

ROOT = Path(__file__).parents[2]
EXPERIMENT = """\
apiVersion: chaosjc/v1
kind: Experiment
name: file-vanishes
hypotheses:
  - {{name: this machine runs programs, command: ["true"], every: 250ms, min_coverage: 0.3}}
faults:
  - fault: command
    inject: [sh, -c, "rm -f '{file}'; sleep {slow}; rm -f '{file}'"]
    undo: [sh, -c, "{undo}"]
    verify: [test, -e, '{file}']
    duration: 300ms
    timeout: 3s
recovery:
  within: 20s
  until: [{{command: [test, -e, '{file}'], every: 200ms}}]
baseline: 2s
settle: 1s
"""
HANGS_AT_FIRST = "mkdir '{file}.undoing' && sleep 30; touch '{file}'"
MOMENTS = [
    pytest.param("inject:0.3", {"slow": "30"}, id="during the inject"),
    pytest.param("injected:before", {}, id="between inject and journal"),
    pytest.param("undo:0.3", {"undo": HANGS_AT_FIRST}, id="during the undo"),
]
DEATHS = [
    pytest.param((), "the run's process died", id="run"),
    pytest.param(("watchdog",), "the run's process died, and its watchdog with it", id="run and watchdog"),
]


@dataclass(frozen=True)
class World:
    directory: Path

    @property
    def file(self) -> Path:
        return self.directory / "file"

    @property
    def journal(self) -> Path:
        return self.directory / "journal.db"

    def crash(self, point: str, *more: str, slow: str = "0", undo: str = "touch '{file}'") -> None:
        """Run until it dies."""
        self.file.touch()
        experiment = self.directory / "experiment.yaml"
        undo = undo.format(file=self.file)
        experiment.write_text(EXPERIMENT.format(file=self.file, slow=slow, undo=undo))
        argv = [sys.executable, "-m", "tests.contract.crashing_run", str(experiment), str(self.directory), point, *more]
        done = command.run(argv, cwd=ROOT, check=False, timeout=50)
        assert done.returncode == (-9 if point != "never" else 0), done.stderr

    def wait_closed(self) -> None:
        """Until the watchdog has closed the run, and nobody works on it any more."""
        end = time.monotonic() + 30
        with Store(self.journal) as store:
            while time.monotonic() < end and (alive(store) or any(run.closed is None for run in store.open_runs())):
                time.sleep(0.05)

    def wait_quiet(self) -> None:
        """Until no process of the run, of its watchdog, or of their commands is left."""
        wait(lambda: not processes.naming(str(self.directory)))

    @property
    def entries(self) -> list[Entry]:
        with Store(self.journal) as store:
            return [entry for run in store.runs() for entry in store.entries(run)]

    @property
    def events(self) -> list[Event]:
        return [entry.event for entry in self.entries]

    @property
    def claims(self) -> list[UndoClaimed]:
        return [event for event in self.events if isinstance(event, UndoClaimed)]

    @property
    def verdict(self) -> str:
        closed = [event for event in self.events if isinstance(event, Closed)]
        return closed[0].verdict if closed else "none"

    def recover(self) -> list[str]:
        with Store(self.journal) as store:
            return [step for each in recover(store, SystemClock(), lambda _: None) for step in each.owed]

    def assert_whole(self) -> None:
        assert self.file.exists()
        with Store(self.journal) as store:
            assert store.open_runs() == []

    def assert_told(self, why: str) -> None:
        """Of what the run died, and that what it left was undone and seen whole since."""
        stopped = [event.why for event in self.events if isinstance(event, Stopping)]
        assert (self.verdict, stopped) == ("ABORTED", [why])
        assert [event.type for event in self.events[-4:]] == ["undo-claimed", "undone", "verified", "closed"]


def wait(true: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_without_a_crash_it_passes(world: World) -> None:
    world.crash("never")
    assert world.verdict == "PASS"
    world.assert_whole()


@pytest.mark.parametrize(("killed", "why"), DEATHS)
@pytest.mark.parametrize(("point", "commands"), MOMENTS)
def test_what_an_intent_promises_is_kept(
    world: World, point: str, commands: dict[str, str], killed: tuple[str, ...], why: str
) -> None:
    """By the watchdog alone where it lives; what is under way goes on without its run, and must be ended."""
    world.crash(point, *killed, **commands)
    if killed:
        wait(lambda: not world.file.exists())
        assert world.recover() == []
    else:
        world.wait_closed()
    world.assert_whole()
    world.assert_told(why)
    world.wait_quiet()


def test_a_watchdog_may_die_while_it_undoes(world: World) -> None:
    world.crash("injected:after", "watchdog=undo:0.3", undo=HANGS_AT_FIRST)
    wait(lambda: world.claims)
    assert world.recover() == []
    world.assert_whole()
    world.assert_told("the run's process died")
    assert len({claim.owner for claim in world.claims}) == 2
    world.wait_quiet()


def test_what_cannot_be_undone_stays_a_debt_until_it_can(world: World) -> None:
    allowed = world.directory / "allowed"
    undo = f"test -e '{allowed}' && touch '{world.file}'"
    world.crash("injected:after", undo=undo)
    world.wait_closed()
    assert world.verdict == "UNDO-FAILED"
    assert world.recover() == ["f1.local"]
    allowed.touch()
    assert world.recover() == []
    world.assert_whole()
    assert world.verdict == "UNDO-FAILED", "the verdict of a closed run stands"
    assert world.events[-1].type == "debt-cleared"


def test_nothing_stays_behind(world: World) -> None:
    world.crash("injected:after")
    world.wait_closed()
    world.wait_quiet()
