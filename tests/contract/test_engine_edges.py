"""Where runs used to go wrong: signals, deaths of others, lost readers, faults without a way back, leftovers."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosjc.clock import SystemClock
from chaosjc.drivers import command
from chaosjc.engine import watchdog
from chaosjc.engine.experiment import load
from chaosjc.engine.recover import abandon, recover
from chaosjc.engine.run import Run
from chaosjc.engine.session import Part, open_session
from chaosjc.engine.watchdog import close_abandoned
from chaosjc.errors import FaultError, UsageError
from chaosjc.journal.events import Closed, Entry
from chaosjc.journal.store import Store
from tests.contract.prometheus_process import wait_for
from tests.contract.test_run import World

ROOT = Path(__file__).parents[2]
LOADED = "    min_coverage: 0.2"  # what is tested here is not how fast this machine is


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield World(tmp_path)


def chaosjc(*arguments: str, state: Path, before: str = "", after: str = "", cwd: Path = ROOT) -> command.Completed:
    """The command line in a shell, which can lose readers and ignore signals."""
    words = " ".join(f"'{each}'" for each in (sys.executable, "-m", "chaosjc.cli.main", *arguments))
    script = f"{before} {words} {after}"
    env = {"CHAOSJC_STATE": str(state), "PYTHONPATH": str(ROOT)}
    return command.run(["bash", "-o", "pipefail", "-c", script], check=False, cwd=cwd, env=env)


def journal_of(world: World) -> Store:
    return Store(world.there / "state/local/journal.db")


class SetBack(SystemClock):
    """A wall clock that somebody sets."""

    by = 0.0

    def set_back(self) -> None:
        self.by = 3600.0

    def time(self) -> float:
        return super().time() - self.by


class TestReadersAndSignals:
    def test_a_reader_that_goes_changes_no_verdict(self, world: World) -> None:
        done = chaosjc("run", str(world.experiment(claim=LOADED)), state=world.there / "state", after="2>&1 | true")
        assert done.returncode == 0
        with journal_of(world) as store:
            assert store.entries(store.runs()[0])[-1].event.type == "closed"
            closed = store.entries(store.runs()[0])[-1].event
            assert isinstance(closed, Closed) and closed.verdict == "PASS"

    def test_json_too(self, world: World) -> None:
        path = world.experiment(claim=LOADED)
        done = chaosjc("run", "--json", str(path), state=world.there / "state", after="| true")
        assert done.returncode == 0

    def test_a_signal_that_is_ignored_stays_so(self, world: World) -> None:
        path = world.experiment(duration="1s", claim=LOADED)
        hang_up = f"& pid=$!; until test ! -e '{world.there}/file'; do sleep 0.05; done; kill -HUP $pid; wait $pid"
        done = chaosjc("run", str(path), state=world.there / "state", before="trap '' HUP;", after=hang_up)
        assert done.returncode == 0, done.stderr
        assert world.whole

    def test_a_signal_at_the_very_end_still_ends_the_series(self, world: World) -> None:
        probe = f"""
import os, signal, sys
from chaosjc.engine.watchdog import Watchdog
from chaosjc.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
dismiss = Watchdog.dismiss
Watchdog.dismiss = lambda self: (os.kill(os.getpid(), signal.SIGINT), dismiss(self))
sys.argv = ["chaosjc", "run", "--repeat", "2", {str(world.experiment())!r}]
main.main()
"""
        env = {"CHAOSJC_STATE": str(world.there / "state")}
        done = command.run([sys.executable, "-c", probe], check=False, cwd=ROOT, env=env)
        assert done.returncode == 5
        with journal_of(world) as store:
            assert len(store.runs()) == 1

    def test_a_signal_may_come_while_the_queue_is_read(self, world: World) -> None:
        """Thousands of them: a lock that is held when one comes would be waited for without an end."""
        probe = f"""
import signal
from pathlib import Path
from chaosjc.engine.experiment import load
from chaosjc.engine.session import Wishes, open_session
wishes = Wishes(Path({str(world.journal)!r}))
with open_session(wishes, load([Path({str(world.experiment())!r})]), print) as session:
    run = session.run(session.plan(load([Path({str(world.experiment())!r})])[0], 1), lambda _: None)
    signal.signal(signal.SIGALRM, lambda *_: run.request_stop("signal", "x"))
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.00005)
    for _ in range(20000):
        try: run._inbox.get(timeout=0.0)
        except Exception: pass
    signal.setitimer(signal.ITIMER_REAL, 0)
"""
        command.run([sys.executable, "-c", probe], cwd=ROOT, timeout=30)


class TestRuns:
    def test_a_fault_without_a_way_back_does_not_wait_for_the_deadline(self, world: World) -> None:
        path = world.experiment(claim=LOADED)
        text = path.read_text()
        start, end = text.index("    undo:"), text.index("    duration:")
        path.write_text(text[:start] + "    irreversible: it comes back by itself\n" + text[end:])
        path.write_text(path.read_text().replace("rm ", "true "))
        loaded, wishes = world.session(path)
        began = time.monotonic()
        with open_session(wishes, loaded, print) as session:
            judged = session.run(session.plan(loaded[0], 1), world.entries.append).execute()
        assert (judged.verdict, judged.code) == ("PASS", "held")
        assert time.monotonic() - began < 15

    def test_nor_may_it_come_back_late(self, world: World) -> None:
        """Later than promised from when its time was over, which stands for the undo that it has not got."""
        back = f"(sleep 3.5; touch '{world.there}/file') >/dev/null 2>&1 &"
        path = world.experiment(claim=LOADED, within="1s", inject=f"rm '{world.there}/file'; {back}")
        text = path.read_text()
        start, end = text.index("    undo:"), text.index("    duration:")
        path.write_text(text[:start] + "    irreversible: it comes back by itself\n" + text[end:])
        loaded, wishes = world.session(path)
        with open_session(wishes, loaded, print) as session:
            judged = session.run(session.plan(loaded[0], 1), world.entries.append).execute()
        assert (judged.verdict, judged.code) == ("FAIL", "recovered-late")
        assert judged.time_to_recover is not None
        assert 1 < judged.time_to_recover < 10

    def test_a_clock_that_is_set_back_lengthens_no_fault(self, world: World) -> None:
        clock = SetBack()
        loaded, wishes = world.session(world.experiment(duration="1s", claim=LOADED))

        def observe(entry: Entry) -> None:
            world.entries.append(entry)
            if entry.event.type == "injected":
                threading.Timer(0.3, clock.set_back).start()
            if entry.event.type == "undone":
                clock.by = 0.0

        with open_session(wishes, loaded, print, clock) as session:
            run = session.run(session.plan(loaded[0], 1), observe)
            giving_up = threading.Timer(15, run.request_stop, ("signal", "it goes on and on"))
            giving_up.start()
            run.execute()
            giving_up.cancel()
        assert "stopping" not in world.types
        assert world.whole

    def test_the_deadline_leaves_time_to_settle(self, world: World) -> None:
        loaded, wishes = world.session(world.experiment(more="").resolve())
        path = Path(loaded[0].path)
        path.write_text(path.read_text().replace("settle: 1s", "settle: 10m"))
        loaded = load([path])
        with open_session(wishes, loaded, print) as session:
            assert session.plan(loaded[0], 1).planned.deadline > 600

    def test_a_person_outranks_a_reason_of_our_own(self, world: World) -> None:
        asked = world.there / "asked"

        def interrupt(run: Run) -> None:
            wait_for(lambda: "undo-claimed" in world.types)
            run.request_stop("signal", "interrupted by SIGINT")
            asked.touch()

        undo = f"until test -e '{asked}'; do sleep 0.05; done; touch '{world.there}/file'"
        judged = world.run(interrupt, inject="exit 3", undo=undo)
        assert (judged.verdict, judged.code) == ("ABORTED", "signal")
        assert world.types.count("stopping") == 2

    def test_after_an_undo_that_failed_nothing_more_is_broken(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chaosjc.engine.undo.BACKOFF", 0.01)
        second = world.there / "second"
        more = (
            f"\n  - {{fault: command, start: 4s, inject: [touch, '{second}'], "
            f"undo: [rm, -f, '{second}'], verify: [test, '!', -e, '{second}']}}\n"
        )
        path = world.experiment(undo="exit 1")
        path.write_text(path.read_text().replace("\nrecovery:", more + "recovery:"))
        loaded, wishes = world.session(path)
        with open_session(wishes, loaded, print) as session:
            judged = session.run(session.plan(loaded[0], 1), world.entries.append).execute()
        assert judged.verdict == "UNDO-FAILED"
        assert world.types.count("intent") == 1

    def test_the_watchdog_s_verdict_stands(self, world: World) -> None:
        """It has taken the run for hung and closed it: the run tells that verdict, and does not fail."""

        def close(run: Run) -> None:
            time.sleep(0.2)
            close_abandoned(run._parts.undoer, "death", "silent")

        judged = world.run(close, duration="1s")
        assert (judged.verdict, judged.code) == ("ABORTED", "death")
        assert world.whole

    def test_no_check_s_process_stays_behind(self, world: World) -> None:
        hang = world.there / "hang"
        slow = f"test ! -e '{hang}' || exec sleep 3"
        claim = (
            LOADED
            + f'\n  - {{name: slow, command: [sh, -c, "{slow}"], timeout: 2s, phases: [before], min_coverage: 0.2}}'
        )
        judged = world.run(lambda _: hang.touch(), claim=claim)
        assert judged.verdict == "PASS"
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("check")]

    def test_a_plan_is_made_for_the_site_as_it_is_now(self, world: World) -> None:
        loaded, wishes = world.session(world.experiment())
        seen: list[frozenset[Part]] = []

        def look(parts: frozenset[Part]) -> None:
            seen.append(parts)

        with open_session(wishes, loaded, print) as session:
            session._topology = look
            for _ in range(2):
                session.plan(loaded[0], 1)
        assert len(seen) == 2


class TestOthers:
    def test_a_debt_of_a_living_run_cannot_be_given_up(self, world: World) -> None:
        refused: list[str] = []

        def give_up(_: Run) -> None:
            with Store(world.journal) as store:
                try:
                    abandon(store, "f1.local", "ada", "why not")
                except UsageError as error:
                    refused.append(str(error))

        assert world.run(give_up, claim=LOADED).verdict == "PASS"
        assert world.whole and refused

    def test_recover_from_elsewhere_finds_relative_paths(
        self, world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("chaosjc.engine.undo.BACKOFF", 0.01)
        monkeypatch.chdir(world.there)
        script = world.there / "undo.sh"
        script.write_text(f"#!/bin/sh\ntest -e '{world.there}/allowed' && touch '{world.there}/file'\n")
        script.chmod(0o755)
        assert world.run(undo="./undo.sh").verdict == "UNDO-FAILED"
        (world.there / "allowed").touch()
        monkeypatch.chdir("/")
        with Store(world.journal) as store:
            assert [each.owed for each in recover(store, SystemClock(), lambda _: None)] == [()]
        assert world.whole

    def test_a_watchdog_that_hangs_is_not_waited_for_for_ever(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        python = world.there / "python"
        python.write_text("#!/bin/sh\nexec sleep 30\n")
        python.chmod(0o755)
        monkeypatch.setattr(watchdog, "READY_WITHIN", 0.5)
        monkeypatch.setattr(sys, "executable", str(python))
        hanging = watchdog.Watchdog(world.journal, "r")
        with pytest.raises(FaultError, match="not ready: no answer"):
            hanging.wait_ready()
        assert not hanging.alive

    def test_a_run_that_dies_before_its_watchdog_is_ready_is_closed_by_it(self, world: World) -> None:
        loaded, wishes = world.session(world.experiment(claim=LOADED))
        with open_session(wishes, loaded, print) as session:
            run = session.run(session.plan(loaded[0], 1), world.entries.append)
            run._record(run._planned)
        alone = watchdog.Watchdog(world.journal, run.id)
        os.close(alone._pipe)
        assert alone._process.wait(20) == 0
        with Store(world.journal) as store:
            state = store.state(run.id)
        assert state and state.closed and (state.closed.verdict, state.closed.code) == ("ABORTED", "death")

    def test_an_old_journal_opens_while_another_writes(self, world: World) -> None:
        """And so on a full disk: to open one writes nothing."""
        Store(world.journal).close()
        other = sqlite3.connect(world.journal, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        Store(world.journal, busy_seconds=0.1).close()
        other.close()


class TestFullDisk:
    """Nothing can be written any more, in the middle of a run."""

    def test_the_watchdog_undoes_all_the_same(self, world: World) -> None:
        probe = world.there / "probe.py"
        probe.write_text(FULL)
        argv = [sys.executable, str(probe), str(world.experiment(duration="20s")), str(world.journal)]
        done = command.run(argv, check=False, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, timeout=50)
        assert "database or disk is full" in done.stdout or "disk I/O error" in done.stdout, done.stdout + done.stderr
        assert world.whole
        with Store(world.journal) as store:
            assert [each.owed for each in recover(store, SystemClock(), lambda _: None)] == [()], "told afterwards"


FULL = """
import os, resource, sys
from pathlib import Path
from chaosjc.engine import session as sessions
from chaosjc.engine.experiment import load
from chaosjc.engine.watchdog import Watchdog
from chaosjc.errors import JournalError

watchdogs = []
sessions.Watchdog = lambda path, run: watchdogs.append(Watchdog(path, run)) or watchdogs[-1]

def fill(entry):
    if entry.event.type == "injected":  # from here on no file of either process can grow: not the journal either
        for pid in (0, watchdogs[0]._process.pid):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

loaded = load([Path(sys.argv[1])])
with sessions.open_session(sessions.Wishes(Path(sys.argv[2])), loaded, print) as session:
    try:
        session.run(session.plan(loaded[0], 1), fill).execute()
    except JournalError as error:
        resource.prlimit(0, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(error)
"""
