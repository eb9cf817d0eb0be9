"""What a killed run leaves to its successors, in a few exact cases; test_crash_everywhere.py has all the others.

The fault takes a file away, slowly, so that there is time to die while the inject is under way.
A busy machine may miss some of the samples: how many are enough is not what these tests are about.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaosjc.clock import SystemClock
from chaosjc.drivers import command
from chaosjc.engine.recover import alive, recover
from chaosjc.journal.events import Closed, Entry, Event
from chaosjc.journal.store import Store

ROOT = Path(__file__).parents[2]
EXPERIMENT = """\
apiVersion: chaosjc/v1
kind: Experiment
name: file-vanishes
hypotheses:
  - {{name: this machine runs programs, command: ["true"], every: 250ms, min_coverage: 0.3}}
faults:
  - fault: command
    inject: [sh, -c, "sleep {slow}; rm -f '{file}'"]
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


@dataclass(frozen=True)
class World:
    directory: Path

    @property
    def file(self) -> Path:
        return self.directory / "file"

    @property
    def journal(self) -> Path:
        return self.directory / "journal.db"

    def crash(self, point: str, *more: str, slow: str = "0", undo: str = "") -> None:
        """Run until it dies."""
        self.file.touch()
        experiment = self.directory / "experiment.yaml"
        undo = undo or f"touch '{self.file}'"
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

    @property
    def entries(self) -> list[Entry]:
        with Store(self.journal) as store:
            return [entry for run in store.runs() for entry in store.entries(run)]

    @property
    def events(self) -> list[Event]:
        return [entry.event for entry in self.entries]

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


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_without_a_crash_it_passes(world: World) -> None:
    world.crash("never")
    assert world.verdict == "PASS"
    world.assert_whole()


@pytest.mark.parametrize("killed", [(), ("watchdog",)], ids=["run", "run and watchdog"])
def test_an_inject_that_outlives_its_run_is_ended(world: World, killed: tuple[str, ...]) -> None:
    """Killed while the inject sleeps: its process goes on, and must not strike after the undo."""
    world.crash("inject:0.3", *killed, slow="1.5")
    if killed:
        world.recover()
    world.wait_closed()
    world.assert_whole()
    time.sleep(2)
    assert world.file.exists(), "the inject struck late"


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
    end = time.monotonic() + 10

    def left() -> list[str]:
        return command.run(["pgrep", "-f", str(world.directory)], check=False).stdout.split()

    while left() and time.monotonic() < end:
        time.sleep(0.1)  # a watchdog ends a moment after it has closed its run
    assert left() == []
