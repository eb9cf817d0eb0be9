"""The controller's real process, with real runs that take a file away."""

from __future__ import annotations

import contextlib
import datetime
import json
import signal
import sys
import urllib.request
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosjc.controller.admission import CHILD
from chaosjc.controller.claims import Claims
from chaosjc.drivers import command
from chaosjc.engine.locks import Locks
from chaosjc.journal.events import Halted
from chaosjc.journal.store import Store
from tests.contract.prometheus_process import free_port, wait_for
from tests.contract.test_run import World
from tests.schedules import firing_at

ROOT = Path(__file__).parents[2]
SOON = datetime.timedelta(seconds=8)  # a process needs one to start, and more where others do, too


class Served:
    """A schedule that fires in a few seconds, and its controllers."""

    def __init__(self, world: World) -> None:
        self.world, self.port = world, free_port()
        self.file, self.log = world.there / "schedule.yaml", world.there / "serve.log"
        self.files, self.written = [self.file], datetime.datetime.now(datetime.UTC)
        self.claims = Claims(world.there / "claims.jsonl")

    def write(self, soon: datetime.timedelta = SOON, **changes: str) -> None:
        self.written = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + soon
        self.file.write_text(json.dumps(firing_at(self.written, self.world.experiment(**changes))))

    def write_another(self, later: datetime.timedelta) -> None:
        """A second schedule, with the same experiment, due so long after the first."""
        at = self.written + later
        raw = firing_at(at, self.world.there / "experiment.yaml")
        self.files[1:] = [self.world.there / "another.yaml"]
        self.files[1].write_text(json.dumps(raw | {"name": "another"}))

    def argv(self, port: int) -> list[str]:
        where = ["--listen", f"127.0.0.1:{port}", "--state", str(self.world.there)]
        return [sys.executable, "-m", "chaosjc.cli.main", "serve", *map(str, self.files), *where]

    @contextlib.contextmanager
    def controller(self) -> Generator[Any]:
        process = command.spawn(self.argv(self.port), log=self.log, cwd=ROOT)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @property
    def outcomes(self) -> list[str]:
        return [each.outcome for each in self.claims.all()]

    def verdicts(self) -> list[str]:
        with Store(self.world.journal) as store:
            states = [store.state(run) for run in store.runs()]
        return [state.closed.verdict if state.closed else "RUNNING" for state in states if state]

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def says(self, words: str) -> bool:
        return self.log.exists() and words in self.log.read_text()

    def broken(self) -> bool:
        return not self.world.whole

    def die_while_broken(self) -> None:
        """A controller is killed as soon as its run has broken something."""
        with self.controller() as process:
            wait_for(self.broken, 30)
            process.kill()
            process.wait()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    yield Served(World(tmp_path))


def test_what_falls_due_runs_once_and_is_told(served: Served) -> None:
    served.write()
    with served.controller() as process:
        wait_for(lambda: served.outcomes == ["begun", "ended"], 30)
        assert served.verdicts() == ["PASS"]
        told = served.metrics()
        assert 'chaosjc_runs_total{verdict="PASS"} 1.0' in told
        assert 'chaosjc_schedule_due_total{entry="soon",outcome="ended",schedule="s"} 1.0' in told
        assert "chaosjc_undo_debts 0.0" in told
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert "s/soon: ended, exit code 0; next " in served.log.read_text()


def test_a_signal_ends_the_run_too_and_puts_everything_back(served: Served) -> None:
    served.write(duration="60s")
    with served.controller() as process:
        wait_for(served.broken, 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert served.world.whole
    assert served.verdicts() == ["ABORTED"]
    assert served.outcomes == ["begun", "ended"]


def test_a_controller_that_is_killed_owes_nothing_and_begins_nothing_twice(served: Served) -> None:
    served.write(duration="4s")
    served.die_while_broken()
    with served.controller() as again:
        wait_for(lambda: served.verdicts() == ["PASS"], 30)
        again.send_signal(signal.SIGTERM)
        assert again.wait(10) == 0
    assert served.world.whole
    assert served.outcomes == ["begun"]
    assert served.verdicts() == ["PASS"]


def test_what_a_dead_run_left_is_undone_before_anything_begins(served: Served) -> None:
    """Run and watchdog are killed: nobody is left but the next controller."""
    served.write(duration="60s")
    served.die_while_broken()
    argv = ["pgrep", "-f", f"watchdog {served.world.there}|main run {served.world.there}"]
    pids = command.run(argv).stdout.split()
    assert len(pids) == 2
    command.run(["kill", "-KILL", *pids])
    with served.controller():
        wait_for(lambda: served.world.whole, 20)
        wait_for(lambda: served.verdicts() == ["ABORTED"], 20)


@pytest.mark.timeout(150)
def test_beside_a_run_that_outlived_its_controller_nothing_begins(served: Served) -> None:
    """Another entry falls due while it goes on."""
    served.write(soon=2 * SOON, duration="60s")  # two schedules take twice the time to write
    served.write_another(datetime.timedelta(seconds=30))  # a controller must have begun anew by then
    served.die_while_broken()
    with Locks(served.world.journal).held(CHILD, wait=False) as free:
        assert not free, "its child says that it lives, whatever the journal says"
    with served.controller():
        wait_for(lambda: len(served.claims.all()) > 1, 60)
        with Store(served.world.journal) as store:
            store.append(Halted(who="tests", why="enough"))
        wait_for(lambda: served.world.whole, 20)
    begun, other = served.claims.all()
    assert (begun.schedule, begun.outcome) == ("s", "begun")
    assert (other.schedule, other.outcome) == ("another", "busy")
    assert other.why.startswith("run ") and other.why.endswith(" was under way")
    assert len(served.verdicts()) == 1


@pytest.mark.timeout(150)
def test_a_schedule_that_changes_is_followed_at_once_when_that_is_asked(served: Served) -> None:
    """SIGHUP does not end it. The file that it began with had nothing for days."""
    served.write()
    good = json.loads(served.file.read_text())
    never = {"closed": ["2026-01-01..2099-12-31"]}
    served.file.write_text(json.dumps(good | {"calendar": good["calendar"] | never}))
    with served.controller() as process:
        wait_for(lambda: served.says("s/soon: never again"), 20)
        served.write()
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: served.says("s/soon: next "), 20)
        wait_for(lambda: served.outcomes == ["begun", "ended"], 30)
        served.file.write_text("no schedule")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: served.says("and begins nothing: "), 20)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert served.verdicts() == ["PASS"]


def test_a_site_has_one_controller(served: Served) -> None:
    served.write()
    with served.controller():
        wait_for(lambda: served.says("next"), 20)
        done = command.run(served.argv(free_port()), check=False, cwd=ROOT)
    assert done.returncode == 2
    assert "another controller serves this site" in done.stderr
