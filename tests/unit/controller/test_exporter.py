"""What Prometheus is told of the runs in a journal: by experiment, of the last one, and cheaply."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from chaosjc import names
from chaosjc.controller import history
from chaosjc.controller.admission import Admission
from chaosjc.controller.claims import Claims
from chaosjc.controller.controller import Controller
from chaosjc.controller.exporter import Exporter
from chaosjc.errors import JournalError
from chaosjc.journal.events import DebtCleared, Entry, Event, Planned, Recovered, Sample
from chaosjc.journal.state import RunState
from chaosjc.journal.store import Store
from chaosjc.journal.verdict import Judgement
from tests.unit.controller.schedules import utc
from tests.unit.fakes import FakeClock
from tests.unit.report import journals

DAY = 86400.0
FROZEN = '{experiment="worker-vm-frozen"}'


def _nothing(words: Sequence[str]) -> int:
    raise AssertionError(f"nothing is begun here: {words}")


class Told:
    """A journal, and one exporter that is asked again and again."""

    def __init__(self, directory: Path) -> None:
        self.path, self.runs = directory / "journal.db", 0
        claims = Claims(directory / "claims.jsonl")
        controller = Controller(claims, _nothing, lambda: utc("2026-12-01T12:00"), Admission(self.path))
        self.registry = CollectorRegistry()
        self.registry.register(Exporter(controller, [], claims, self.path))

    def write(self, entries: Sequence[Entry], experiment: str = "") -> str:
        """As another process would, with the times of the entries, a day after those before; returns the run's id."""
        self.runs += 1
        run, clock = f"run-{self.runs}", FakeClock()
        with Store(self.path, clock) as store:
            for entry in entries:
                clock.now = entry.at + self.runs * DAY
                store.append(self._moved(entry.event, experiment), run)
        return run

    def _moved(self, event: Event, experiment: str) -> Event:
        later = self.runs * DAY
        match event:
            case Planned() if experiment:
                return event.model_copy(update={"experiment": experiment})
            case Sample():
                moved = [each.model_copy(update={"time": each.time + later}) for each in event.readings]
                return event.model_copy(update={"readings": tuple(moved)})
            case Recovered():
                return event.model_copy(update={"since": event.since + later})
            case _:
                return event

    def __call__(self, name: names.Metric, labels: str = FROZEN) -> float | None:
        found = {
            each.rpartition(" ")[0]: float(each.rpartition(" ")[2])
            for each in generate_latest(self.registry).decode().splitlines()
            if each[0] != "#"
        }
        return found.get(name.name + labels)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def test_the_last_run_of_an_experiment(told: Told) -> None:
    told.write(journals.passed())
    assert told(names.LAST_VERDICT) == 0
    assert told(names.LAST_PROMISED) == 30
    assert told(names.LAST_RECOVERY) == pytest.approx(3.0)
    assert told(names.LAST_VIOLATION) == 0
    assert told(names.LAST_DETECT) is None
    told.write(journals.failed())
    assert told(names.LAST_VERDICT) == 1
    assert told(names.LAST_ENDED) == pytest.approx(journals.START + 2 * DAY + 42.5)
    assert (told(names.LAST_VIOLATION) or 0) > 5
    assert (told(names.LAST_DETECT) or 0) > 5


def test_what_nobody_measured_is_not_told_as_zero(told: Told) -> None:
    told.write(journals.passed())
    told.write(journals.blind())
    assert told(names.LAST_VERDICT) == 3
    assert told(names.LAST_VIOLATION) is None


def test_a_run_that_broke_nothing_hides_no_figures(told: Told) -> None:
    told.write(journals.passed())
    told.write(journals.not_started())
    assert told(names.LAST_VERDICT) == 4
    assert told(names.LAST_RECOVERY) == pytest.approx(3.0)


def test_every_verdict_is_told_from_the_beginning(told: Told) -> None:
    told.write(journals.passed())
    assert told(names.RUNS, '{verdict="FAIL"}') == 0
    assert told(names.EXPERIMENT_RUNS, '{experiment="worker-vm-frozen",verdict="UNDO-FAILED"}') == 0
    told.write(journals.failed(), "other")
    assert told(names.RUNS, '{verdict="FAIL"}') == 1
    assert told(names.EXPERIMENT_RUNS, '{experiment="other",verdict="FAIL"}') == 1
    assert told(names.EXPERIMENT_RUNS, '{experiment="worker-vm-frozen",verdict="PASS"}') == 1


def test_a_run_that_is_under_way_is_followed(told: Told) -> None:
    told.write(journals.running())
    assert told(names.FAULTS_ACTIVE, '{fault="vm.pause",run="run-1",target="worker-001"}') is not None
    assert told(names.LAST_VERDICT) is None
    told.write(journals.passed())
    assert told(names.LAST_VERDICT) == 0


def test_a_debt_is_told_until_somebody_clears_it(told: Told) -> None:
    run = told.write(journals.undo_failed())
    assert told(names.UNDO_DEBTS, "") == 1
    with Store(told.path) as store:
        store.append(DebtCleared(step="f1.1"), run)
    assert told(names.UNDO_DEBTS, "") == 0


def test_a_closed_run_is_read_once_and_one_a_scrape_is_judged(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        told.write(journals.passed(), name)
    read: list[str] = []
    state, judge = Store.state, history.judge

    judged: list[str] = []

    def folded(store: Store, run: str) -> RunState | None:
        read.append(run)
        return state(store, run)

    def counted(entries: Sequence[Entry]) -> Judgement:
        judged.append(entries[0].run)
        return judge(entries)

    monkeypatch.setattr(Store, "state", folded)
    monkeypatch.setattr(history, "judge", counted)
    for scrapes in (1, 2, 3, 3, 3):
        assert told(names.LAST_PROMISED, '{experiment="c"}') == 30
        assert len(judged) == scrapes
    assert told(names.LAST_RECOVERY, '{experiment="c"}') == pytest.approx(3.0)
    assert sorted(read) == ["run-1", "run-2", "run-3"]
    assert sorted(judged) == ["run-1", "run-2", "run-3"]


def test_a_run_that_cannot_be_judged_hides_no_verdict(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Sequence[Entry]) -> Judgement:
        raise JournalError("written by another release")

    told.write(journals.passed(), "old")
    monkeypatch.setattr(history, "judge", refuse)
    assert told(names.LAST_VERDICT, '{experiment="old"}') == 0
    assert told(names.LAST_RECOVERY, '{experiment="old"}') is None
