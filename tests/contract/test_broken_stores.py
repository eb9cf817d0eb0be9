"""A store that is full, read-only, locked or damaged: nothing is injected, the error is clear, and nothing is lost."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from chaosjc.clock import SystemClock
from chaosjc.drivers import command
from chaosjc.engine.recover import recover
from chaosjc.journal.events import Closed, Entry, Halted, Planned, Reading, RecoveryPlan, Resumed, Sample
from chaosjc.journal.store import Store

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(180)
EXPERIMENT = """\
apiVersion: chaosjc/v1
kind: Experiment
name: file-vanishes
hypotheses:
  - {{name: this machine runs programs, command: ["true"], every: 250ms, min_coverage: 0.01}}
faults:
  - fault: command
    inject: [sh, -c, "echo injected >>'{there}/injected'; rm -f '{there}/file'"]
    undo: [sh, -c, "echo whole >'{there}/file'"]
    verify: [test, -e, '{there}/file']
    duration: 500ms
    timeout: 10s
baseline: 1s
settle: 1s
"""
OVER = (
    Planned(experiment="over", recovery=RecoveryPlan(within=60, until=())),
    Closed(verdict="NOT-STARTED", code="not-started", reason=""),
)


class Broken:
    """A state directory whose journal has a story already, and an experiment that would break a file elsewhere."""

    def __init__(self, there: Path) -> None:
        self.there = there
        self.state = there / "state"
        self.state.mkdir()
        self.file = there / "file"
        self.file.write_text("whole\n")
        self.experiment = there / "experiment.yaml"
        self.experiment.write_text(EXPERIMENT.format(there=there))
        sample = Sample(check="h1", readings=(Reading(series="x" * 200, time=1.0, value=1.0),))
        with Store(self.journal) as store:
            store.append_all([Halted(who="ada", why="exam " * 2000), Resumed(who="ada")])
            store.append_all([OVER[0], *[sample] * 100, OVER[1]], "r0")
        self.before = self.entries

    @property
    def journal(self) -> Path:
        return self.state / "journal.db"

    @property
    def entries(self) -> list[Entry]:
        with Store(self.journal) as store:
            return store._select("1 ORDER BY seq", ())

    @property
    def injected(self) -> bool:
        return (self.there / "injected").exists()

    def run(self, *wrapper: str) -> command.Completed:
        argv = [sys.executable, "-m", "chaosjc.cli.main", "run", str(self.experiment), "--state", str(self.state)]
        env = {"CHAOSJC_STATE": str(self.there / "root")}
        return command.run([*wrapper, *argv], check=False, cwd=ROOT, env=env, timeout=120)

    def assert_refused(self, done: command.Completed) -> None:
        """Clearly, and before anything was touched."""
        assert done.returncode == 70, "1 would say FAIL, and nothing was measured"
        assert str(self.journal) in done.stderr and "Nothing was injected" in done.stderr
        assert "Traceback" not in done.stderr and "internal error" not in done.stderr
        assert not self.injected

    def assert_kept(self) -> None:
        assert self.entries[: len(self.before)] == self.before


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    return Broken(tmp_path)


def full_beyond(kilobytes: int) -> list[str]:
    """No file of it grows beyond that, as on a full disk, which an unprivileged process cannot make."""
    return ["bash", "-c", f'ulimit -f {kilobytes}; exec "$@"', "full"]


def test_full_from_the_start(broken: Broken) -> None:
    broken.assert_refused(broken.run(*full_beyond(0)))
    broken.assert_kept()
    assert broken.run().returncode == 0, "once there is room again it goes on"


@pytest.mark.parametrize("kilobytes", [80, 100, 120, 150])
def test_full_while_it_goes_on(broken: Broken, kilobytes: int) -> None:
    """Wherever that strikes: either nothing was injected, or all is put back; and the journal can be read."""
    done = broken.run(*full_beyond(kilobytes))
    assert done.returncode in (0, 70), done.stderr
    if broken.injected:
        assert "Nothing was injected" not in done.stderr
    else:
        broken.assert_refused(done)
    with Store(broken.journal) as store:
        assert all(each.clean for each in recover(store, SystemClock(), lambda _: None))
    assert broken.file.exists()
    broken.assert_kept()


def test_read_only(broken: Broken) -> None:
    """For root too, on a file system that is mounted so; for others a directory that is theirs to read is enough."""
    if os.geteuid():
        broken.state.chmod(0o500)
        broken.journal.chmod(0o400)
        wrapper: list[str] = []
    else:
        mount = f"mount --bind '{broken.state}' '{broken.state}' && mount -o remount,ro,bind '{broken.state}'"
        wrapper = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "read-only"]
        if command.run([*wrapper, "true"], check=False).returncode:
            pytest.skip("root may write anywhere, and no mount namespace can be made here")
    done = broken.run(*wrapper)
    broken.state.chmod(0o700)
    broken.journal.chmod(0o600)
    broken.assert_refused(done)
    broken.assert_kept()


def test_locked_by_another_process(broken: Broken) -> None:
    other = sqlite3.connect(broken.journal, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    done = broken.run()
    other.close()
    broken.assert_refused(done)
    assert "locked" in done.stderr
    broken.assert_kept()


def test_locked_while_the_fault_is_there(broken: Broken) -> None:
    """The run cannot tell what it does any more: its watchdog undoes all the same, and `recover` tells it later."""

    def lock() -> None:
        while not broken.injected and not over.is_set():
            over.wait(0.02)
        other = sqlite3.connect(broken.journal, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        over.wait(100)
        other.close()

    over = threading.Event()
    locking = threading.Thread(target=lock)
    locking.start()
    done = broken.run()
    try:
        assert done.returncode == 70 and "locked" in done.stderr, done.stderr
        assert broken.injected and broken.file.exists()
        assert "Nothing was injected" not in done.stderr and "chaosjc recover" in done.stderr
    finally:
        over.set()
        locking.join()
    with Store(broken.journal) as store:
        assert all(each.clean for each in recover(store, SystemClock(), lambda _: None))
        assert store.open_runs() == []
    broken.assert_kept()


def zero_a_page(path: Path) -> None:
    """The first of the table's own, which only what reads all of the file sees."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(4096))


def zero_what_is_over(path: Path) -> None:
    """A page of samples of a run that nobody asks for any more."""
    data = path.read_bytes()
    page = data.index(b'"type":"sample"', len(data) // 2) // 4096
    path.write_bytes(data[: page * 4096] + bytes(4096) + data[(page + 1) * 4096 :])


def cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def overwrite(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


@pytest.mark.parametrize("damage", [zero_a_page, zero_what_is_over, cut_off, overwrite])
def test_damaged(broken: Broken, damage: Callable[[Path], None]) -> None:
    damage(broken.journal)
    kept = broken.journal.read_bytes()
    broken.assert_refused(broken.run())
    assert broken.journal.read_bytes() == kept, "what can be saved by hand is still there"


def test_no_file_at_all(broken: Broken) -> None:
    broken.journal.unlink()
    broken.journal.mkdir()
    broken.assert_refused(broken.run())
