"""A run from plan to verdict in this process, with real commands as fault and checks."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaosjc.checks import registry
from chaosjc.checks.sources import Sources
from chaosjc.engine import experiment as files
from chaosjc.engine import guards
from chaosjc.engine.run import Run
from chaosjc.engine.session import Session, Wishes, open_session
from chaosjc.errors import RemoteError, UsageError
from chaosjc.journal.events import (
    Admitted,
    CheckPlan,
    Closed,
    Entry,
    Event,
    Halted,
    Injected,
    Intent,
    Reading,
    Sample,
    Target,
    UndoClaimed,
    Undone,
    Verified,
)
from chaosjc.journal.store import Store
from chaosjc.journal.verdict import Judgement, judge
from chaosjc.report.data import run_object
from chaosjc.site.topology import Topology
from tests.unit.engine import storage
from tests.unit.engine.fakes import planned

EXPERIMENT = """\
apiVersion: chaosjc/v1
kind: Experiment
name: file-vanishes
hypotheses:
  - name: the other file stays
    command: [test, -e, '{there}/other']
    every: 200ms
{claim}
faults:
  - fault: command
    inject: [sh, -c, "{inject}"]
    undo: [sh, -c, "{undo}"]
    verify: [test, -e, '{there}/file']
    duration: {duration}
    timeout: 5s
recovery:
  within: {within}
  until: [{{command: [test, -e, '{there}/file'], every: 200ms}}]
baseline: 2s
settle: 1s
{more}
"""


class World:
    """A directory with two files, and runs that take one away."""

    def __init__(self, there: Path) -> None:
        self.there = there
        (there / "file").touch()
        (there / "other").touch()
        self.entries: list[Entry] = []

    def experiment(self, **changes: str) -> Path:
        words = {
            "there": str(self.there),
            "claim": "",
            "inject": f"rm '{self.there}/file'",
            "undo": f"touch '{self.there}/file'",
            "duration": "500ms",
            "within": "10s",
            "more": "",
        }
        path = self.there / "experiment.yaml"
        path.write_text(EXPERIMENT.format(**(words | changes)))
        return path

    @property
    def journal(self) -> Path:
        return self.there / "journal.db"

    def session(self, path: Path) -> tuple[list[files.Loaded], Wishes]:
        return files.load([path]), Wishes(self.journal)

    def run(self, meanwhile: Callable[[Run], None] = lambda _: None, **changes: str) -> Judgement:
        """Execute it; `meanwhile` is called from another thread as soon as the fault is there."""
        loaded, wishes = self.session(self.experiment(**changes))
        with open_session(wishes, loaded, print) as session:
            run = self._prepare(session, loaded[0], meanwhile)
            judged = run.execute()
        assert judge(self.entries).verdict == judged.verdict, "the verdict follows from the journal alone"
        return judged

    def _prepare(self, session: Session, loaded: files.Loaded, meanwhile: Callable[[Run], None]) -> Run:
        def observe(entry: Entry) -> None:
            self.entries.append(entry)
            if entry.event.type == "intent":
                threading.Thread(target=meanwhile, args=(run,), daemon=True).start()

        run = session.run(session.plan(loaded, 1), observe)
        return run

    def at(self, kind: str) -> float:
        return next(entry.at for entry in self.entries if entry.event.type == kind)

    @property
    def types(self) -> list[str]:
        return [entry.event.type for entry in self.entries if entry.event.type != "sample"]

    @property
    def whole(self) -> bool:
        return (self.there / "file").exists()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield World(tmp_path)


def test_pass(world: World) -> None:
    judged = world.run()
    assert (judged.verdict, judged.code) == ("PASS", "held")
    assert world.types == [
        "planned",
        "admitted",
        "intent",
        "injected",
        "undo-claimed",
        "undone",
        "verified",
        "recovered",
        "settling",
        "closed",
    ]
    assert world.whole


def test_fail_because_a_hypothesis_was_violated(world: World) -> None:
    judged = world.run(
        inject=f"rm '{world.there}/file' '{world.there}/other'",
        undo=f"touch '{world.there}/file' '{world.there}/other'",
    )
    assert (judged.verdict, judged.code) == ("FAIL", "violated")
    assert judged.outages
    assert judged.time_to_detect is not None and judged.time_to_detect < 1


def test_fail_because_recovery_came_late(world: World) -> None:
    slow = f"(sleep 2.5; touch '{world.there}/file') >/dev/null 2>&1 &"
    judged = world.run(undo=slow, within="1s")
    assert (judged.verdict, judged.code) == ("FAIL", "recovered-late")
    assert judged.time_to_recover is not None and judged.time_to_recover > 1


def test_a_stop_check_undoes_at_once(world: World) -> None:
    both = f"rm '{world.there}/file' '{world.there}/other'"
    judged = world.run(
        inject=both,
        undo=f"touch '{world.there}/file' '{world.there}/other'",
        duration="30s",
        claim="    stop: true",
    )
    assert (judged.verdict, judged.code) == ("FAIL", "stopped")
    assert world.at("undo-claimed") - world.at("injected") < 3
    assert world.whole


def test_a_stop_check_that_claims_nothing_of_the_fault_does_not_end_it(world: World) -> None:
    judged = world.run(
        inject=f"rm '{world.there}/file' '{world.there}/other'",
        undo=f"touch '{world.there}/file' '{world.there}/other'",
        duration="1500ms",
        claim="    stop: true\n    min_coverage: 0.2\n    phases: [before, after]",
    )
    assert (judged.verdict, judged.code) == ("PASS", "held")


def test_inconclusive_because_a_check_went_blind(world: World) -> None:
    judged = world.run(
        claim="    timeout: 200ms\n    expect: matches .*",
        inject=f"rm '{world.there}/file' '{world.there}/other'",
        undo=f"touch '{world.there}/file' '{world.there}/other'",
        duration="2s",
    )
    assert (judged.verdict, judged.code) == ("INCONCLUSIVE", "thin-data")


def test_inconclusive_because_the_inject_failed(world: World) -> None:
    judged = world.run(inject="exit 3")
    assert (judged.verdict, judged.code) == ("INCONCLUSIVE", "inject-failed")
    assert "undone" in world.types, "it is undone all the same: it may have done a part"


def test_not_started_because_the_steady_state_is_broken(world: World) -> None:
    (world.there / "other").unlink()
    judged = world.run()
    assert (judged.verdict, judged.code) == ("NOT-STARTED", "steady-state-broken")
    assert "intent" not in world.types
    assert world.whole


def test_not_started_because_it_is_halted(world: World) -> None:
    with Store(world.journal) as store:
        store.append(Halted(who="ada", why="exam"))
    judged = world.run()
    assert (judged.verdict, judged.code) == ("NOT-STARTED", "halted")
    assert "ada" in judged.reason
    assert world.whole


def halt(world: World) -> Callable[[Run], None]:
    def press(_: Run) -> None:
        time.sleep(0.3)
        with Store(world.journal) as store:
            store.append(Halted(who="ada", why="exam"))

    return press


def test_a_halt_undoes_within_a_second(world: World) -> None:
    judged = world.run(halt(world), duration="30s")
    assert (judged.verdict, judged.code) == ("ABORTED", "halt")
    with Store(world.journal) as store:
        pressed = store._select("type = 'halted'", ())[0].at
    assert world.at("undo-claimed") - pressed < 1
    assert world.whole


def test_a_halt_during_an_inject_ends_it(world: World) -> None:
    judged = world.run(halt(world), inject=f"sleep 4; rm '{world.there}/file'", duration="30s")
    assert judged.verdict == "ABORTED"
    with Store(world.journal) as store:
        pressed = store._select("type = 'halted'", ())[0].at
    assert world.at("undo-claimed") - pressed < 1
    time.sleep(max(0.0, world.at("intent") + 5 - time.time()))
    assert world.whole, "the inject struck after its undo"


def test_a_request_to_stop_undoes_and_is_told(world: World) -> None:
    judged = world.run(lambda run: run.request_stop("signal", "interrupted by SIGINT"), duration="30s")
    assert (judged.verdict, judged.code) == ("ABORTED", "signal")
    assert judged.reason == "interrupted by SIGINT"
    assert world.whole


def test_the_deadline_ends_a_run(world: World) -> None:
    judged = world.run(duration="30s", more="deadline: 1500ms")
    assert (judged.verdict, judged.code) == ("ABORTED", "deadline")
    assert world.whole


def test_each_fault_ends_at_its_own_time(world: World) -> None:
    """The second begins while the first is there, and ends before it."""
    second = world.there / "second"
    more = f"""
  - fault: command
    start: 500ms
    inject: [touch, '{second}']
    undo: [rm, -f, '{second}']
    verify: [test, "!", -e, '{second}']
    duration: 1s
"""
    path = world.experiment(duration="4s")
    path.write_text(path.read_text().replace("\nrecovery:", more + "recovery:"))
    loaded, wishes = world.session(path)
    with open_session(wishes, loaded, print) as session:
        assert session.run(session.plan(loaded[0], 1), world.entries.append).execute().verdict == "PASS"
    times = {(e.event.type, getattr(e.event, "step", "")): e.at for e in world.entries}
    first = times["undo-claimed", "f1.local"] - times["injected", "f1.local"]
    second_lasted = times["undo-claimed", "f2.local"] - times["injected", "f2.local"]
    assert (round(first, 1), round(second_lasted, 1)) == (4.0, 1.0)


def test_a_debt_refuses_the_next_run(world: World) -> None:
    judged = world.run(undo="exit 1")
    assert (judged.verdict, judged.code) == ("UNDO-FAILED", "undo-failed")
    world.entries.clear()
    judged = world.run()
    assert (judged.verdict, judged.code) == ("NOT-STARTED", "undo-debt")


def test_a_dry_run_touches_nothing(world: World) -> None:
    loaded, wishes = world.session(world.experiment())
    with open_session(wishes, loaded, print) as session:
        answers = guards.answers(session.dry_run(session.plan(loaded[0], 1)))
        assert all(answer is None for _, answer in answers)
        assert session.store.runs() == []
    assert world.whole


def test_the_same_seed_gives_the_same_plan(world: World) -> None:
    loaded, wishes = world.session(world.experiment())
    with open_session(wishes, loaded, print) as session:
        first, second = (session.plan(loaded[0], 7).planned.model_dump_json() for _ in range(2))
    assert first == second


def test_a_site_is_needed_and_missing(world: World) -> None:
    path = world.experiment()
    path.write_text(path.read_text().replace("    duration:", "    host: worker-001\n    duration:"))
    loaded, wishes = world.session(path)
    with open_session(wishes, loaded, print) as session, pytest.raises(UsageError, match="needs a site"):
        session.plan(loaded[0], 1)


OBSERVE = """\
observe:
  - {{name: the file, command: [test, -e, '{there}/file'], every: 200ms}}
  - {{name: nothing, command: ['{there}/no-such-program']}}
"""


def test_what_is_observed_is_shown_and_changes_nothing(world: World) -> None:
    judged = world.run(more=OBSERVE.format(there=world.there), duration="1s")
    assert (judged.verdict, judged.code) == ("PASS", "held")
    assert [each.hypothesis for each in judged.outages] == []
    samples = [e for e in world.entries if isinstance(e.event, Sample) and e.event.check == "o1"]
    assert samples[0].at < world.at("admitted") and samples[-1].at > world.at("settling")
    file, nothing = run_object(world.entries)["observations"]
    assert (file["name"], nothing) == ("the file", {"name": "nothing", "phases": {}})
    assert (file["phases"]["before"]["max"], file["phases"]["during"]["max"]) == (0, 1)
    assert list(file["phases"]) == ["before", "during", "recovering", "after"]
    assert list(file["phases"]["during"]) == ["n", "min", "p50", "p95", "max"]


def test_its_past_is_asked_for_as_that_of_a_hypothesis_is(world: World) -> None:
    loaded, wishes = world.session(world.experiment(more=OBSERVE.format(there=world.there)))
    asked: dict[str, list[tuple[float, float]]] = {"h1": [], "o1": [], "o2": []}

    def backfill(check: CheckPlan, start: float, end: float) -> tuple[Reading, ...]:
        asked[check.id].append((start, end))
        return ()

    with open_session(wishes, loaded, print) as session:
        run = session.run(session.plan(loaded[0], 1), world.entries.append)
        run._parts = dataclasses.replace(run._parts, backfill=backfill)
        run.execute()
    assert {id: len(spans) for id, spans in asked.items()} == {"h1": 2, "o1": 2, "o2": 2}
    during, before = asked["o1"]
    assert during[0] < world.at("admitted") - 1 and during[1] > world.at("settling")
    assert before[0] == world.at("planned") - 60 and before[1] < world.at("planned"), "of the time before the run"


def test_the_time_before_a_run_begins_when_the_run_before_has_recovered(world: World) -> None:
    world.run()
    recovered = world.at("settling")
    world.entries.clear()
    asked = list[tuple[float, float]]()

    def backfill(check: CheckPlan, start: float, end: float) -> tuple[Reading, ...]:
        asked.append((start, end))
        return ()

    loaded, wishes = world.session(world.experiment())
    with open_session(wishes, loaded, print) as session:
        run = session.run(session.plan(loaded[0], 1), world.entries.append)
        run._parts = dataclasses.replace(run._parts, backfill=backfill)
        run.execute()
    assert asked[1][0] == recovered


class TestRecoveryKnowsBefore:
    """Its checks are asked in the baseline too: what was there then must be there again."""

    def test_as_it_was_before(self, world: World) -> None:
        check = f"sh, -c, \"test -e '{world.there}/file' && exit 5 || exit 9\""
        judged = self.run_with(world, f"{{command: [{check}], expect: within 10% of before, every: 200ms}}")
        assert (judged.verdict, judged.code) == ("PASS", "held")

    def test_a_series_that_does_not_come_back_is_missed(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def ask(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
            names = ["other"] if plan.id == "h1" or "undo-claimed" in world.types else ["file", "other"]
            return tuple(Reading(series=name, time=sources.clock.time(), value=0.0) for name in names)

        monkeypatch.setitem(registry.KINDS, "command", registry.Kind(ask, frozenset()))  # type: ignore[arg-type]
        judged = self.run_with(world, "{command: ['true'], every: 200ms}", deadline="3s")
        assert (judged.verdict, judged.code) == ("INCONCLUSIVE", "recovery-unknown")

    def test_it_is_missed_too_where_another_check_answers_late(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All are asked no more at the same time, and admission waits for the slowest: longer than the baseline."""
        quick = list[float]()

        def ask(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
            if plan.id == "r1":
                quick.append(time.monotonic())
            while plan.id == "r2" and "admitted" not in world.types and time.monotonic() < quick[-1] + 4:
                time.sleep(0.05)
            gone = plan.id == "r1" and "undo-claimed" in world.types
            names = ["other"] if gone else ["file", "other"]
            return tuple(Reading(series=name, time=sources.clock.time(), value=0.0) for name in names)

        monkeypatch.setitem(registry.KINDS, "command", registry.Kind(ask, frozenset()))  # type: ignore[arg-type]
        slow = "{command: ['false'], every: 200ms, timeout: 50s}"
        judged = self.run_with(world, f"{{command: ['true'], every: 200ms}}, {slow}", deadline="3s")
        assert (judged.verdict, judged.code) == ("INCONCLUSIVE", "recovery-unknown")
        answered = [each.at for each in world.entries if isinstance(each.event, Sample) and each.event.check == "r2"]
        assert answered[0] < world.at("admitted"), "what was waited for counts"

    def test_it_need_not_hold_then_and_is_not_asked_while_things_break(self, world: World) -> None:
        """Its questions may hang on what breaks, and what they hold then, the undo may need."""
        undo = f"touch '{world.there}/file' '{world.there}/undone'"
        check = f"{{command: [test, -e, '{world.there}/undone'], every: 200ms}}"
        judged = self.run_with(world, check, undo=undo, duration="1s")
        assert (judged.verdict, judged.code) == ("PASS", "held")
        asked = [e.at for e in world.entries if isinstance(e.event, Sample) and e.event.check == "r1"]
        assert asked[0] < world.at("admitted")
        ended = world.at("injected") + 1.0
        assert not [at for at in asked if world.at("intent") < at < ended]
        assert len([at for at in asked if at > world.at("undo-claimed")]) >= 3

    def run_with(self, world: World, check: str, deadline: str = "20s", **changes: str) -> Judgement:
        path = world.experiment(more=f"deadline: {deadline}", claim="    min_coverage: 0.2", **changes)
        old = f"[{{command: [test, -e, '{world.there}/file'], every: 200ms}}]"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(f"until: {old}", f"until: [{check}]"))
        loaded, wishes = world.session(path)
        with open_session(wishes, loaded, print) as session:
            return session.run(session.plan(loaded[0], 1), world.entries.append).execute()


class TestAdmission:
    """What others do during the baseline is seen before anything is broken."""

    def run_with(self, world: World, look: Callable[[], Topology]) -> Judgement:
        """The target of its only step carries a brick, and all is well when it is planned."""
        loaded, wishes = world.session(world.experiment())
        with open_session(wishes, loaded, print) as session:
            plan = session.plan(loaded[0], 1)
            (step,) = plan.planned.steps
            on_brick = step.model_copy(update={"target": Target(id="u", name="brick-001", role="brick")})
            changed = plan.planned.model_copy(update={"steps": (on_brick,)})
            plan = dataclasses.replace(plan, planned=changed, topology=storage.site(storage.volume()))
            run = session.run(plan, world.entries.append)
            run._parts = dataclasses.replace(run._parts, look=look)
            return run.execute()

    def test_a_backlog_that_came_meanwhile_refuses(self, world: World) -> None:
        looked: list[float] = []

        def look() -> Topology:
            looked.append(time.time())
            return storage.site(storage.volume(backlog=("worker-001 is not connected to brick-002",)))

        judged = self.run_with(world, look)
        assert (judged.verdict, judged.code) == ("NOT-STARTED", "backlog")
        assert judged.reason == "volume homes has not recovered yet: worker-001 is not connected to brick-002"
        assert len(looked) == 1 and world.at("planned") + 2 <= looked[0] <= world.at("refused")

    def test_the_look_is_the_last_thing_before_it(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """No answer is waited for after it, during which others could break more."""
        under_way = list[str]()
        asked_meanwhile = list[str]()

        def ask(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
            under_way.append(plan.id)
            time.sleep(0.2 if plan.id == "r1" else 0)
            under_way.remove(plan.id)
            return (Reading(time=sources.clock.time(), value=0.0),)

        def look() -> Topology:
            until = time.monotonic() + 0.6
            while time.monotonic() < until:
                asked_meanwhile.extend(under_way)
                time.sleep(0.01)
            return storage.site(storage.volume())

        monkeypatch.setitem(registry.KINDS, "command", registry.Kind(ask, frozenset()))  # type: ignore[arg-type]
        assert self.run_with(world, look).verdict == "PASS"
        assert "r1" not in asked_meanwhile

    def test_a_run_that_ended_while_the_site_was_looked_at_still_counts(self, world: World) -> None:
        """What its fault left behind came after the look."""
        step = storage.breaks("brick-002")
        events: list[Event] = [planned(step), Admitted(), Intent(step=step.id, owner="other"), Injected(step=step.id)]
        events += [UndoClaimed(step=step.id, owner="other", epoch=1), Undone(step=step.id, epoch=1)]
        events += [Verified(step=step.id, epoch=1, outcome="whole"), Closed(verdict="PASS", code="held", reason="")]

        def look() -> Topology:
            with Store(world.journal) as store:
                store.append_all(events, "other")
            return storage.site(storage.volume())

        judged = self.run_with(world, look)
        assert (judged.verdict, judged.code) == ("NOT-STARTED", "blast-radius")
        assert "brick-002 (run other)" in judged.reason

    def test_without_one_it_is_admitted(self, world: World) -> None:
        assert self.run_with(world, lambda: storage.site(storage.volume())).verdict == "PASS"

    def test_what_its_watchdog_could_not_undo_is_not_broken(self, world: World) -> None:
        """A process of its own, which finds no way to the host before anything is broken on it."""
        loaded, wishes = world.session(world.experiment())
        with open_session(wishes, loaded, print) as session:
            plan = session.plan(loaded[0], 1)
            (step,) = plan.planned.steps
            elsewhere = step.model_copy(update={"options": {**step.options, "host": "worker-001"}})
            plan = dataclasses.replace(plan, planned=plan.planned.model_copy(update={"steps": (elsewhere,)}))
            judged = session.run(plan, world.entries.append).execute()
        assert (judged.verdict, judged.code) == ("NOT-STARTED", "watchdog")
        assert judged.reason.startswith("the watchdog is not ready: this needs a site")
        assert "intent" not in world.types and world.whole

    def test_nor_is_anything_without_one(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.executable", "/bin/false")
        judged = world.run()
        assert (judged.verdict, judged.code) == ("NOT-STARTED", "watchdog")
        assert "intent" not in world.types and world.whole

    def test_a_site_that_cannot_be_looked_at_is_not_broken(self, world: World) -> None:
        def look() -> Topology:
            raise RemoteError("the cloud does not answer")

        judged = self.run_with(world, look)
        assert (judged.verdict, judged.code) == ("NOT-STARTED", "site-unknown")
        assert judged.reason == "the cloud does not answer"
        assert world.whole
