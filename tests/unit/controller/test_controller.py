"""What becomes of an entry that falls due: once, in order, and never beside another."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from chaosjc import names
from chaosjc.controller.claims import Claim, Claims
from chaosjc.controller.controller import Controller, Due
from chaosjc.controller.exporter import Exporter
from chaosjc.controller.model import Loaded
from chaosjc.errors import JournalError
from chaosjc.journal.store import Store
from chaosjc.site.sections import Policy
from tests.unit.controller.schedules import policy, schedule, utc
from tests.unit.fakes import FakeClock
from tests.unit.report import journals
from tests.unit.site.fakes import lab_site

NOON = utc("2026-12-01T12:00")


@dataclass
class Children:
    """What was started, and the exit code of each verb; `meanwhile` happens while one runs."""

    codes: dict[str, int] = field(default_factory=dict[str, int])
    started: list[str] = field(default_factory=list[str])
    meanwhile: Callable[[], object] = lambda: None

    def __call__(self, words: Sequence[str]) -> int:
        self.started.append(" ".join(words))
        self.meanwhile()
        return self.codes.get(words[1] if words[0] == "site" else words[0], 0)


class World:
    def __init__(self, directory: Path) -> None:
        self.now, self.children, self.directory = NOON, Children(), directory
        self.claims = Claims(directory / "claims.jsonl")
        self.controller = Controller(self.claims, self.children, lambda: self.now)

    def due(self, prepare: str = "nothing", site: str = "site.yaml", **more: object) -> Due:
        one = schedule({"cron": "0 * * * *", "prepare": prepare, **more})
        return Due(Loaded(Path("dir/s.yaml"), one.model_copy(update={"site": site}), None), one.entries[0])

    def restarted(self) -> Controller:
        return Controller(Claims(self.directory / "claims.jsonl"), self.children, lambda: self.now)

    @property
    def outcomes(self) -> list[str]:
        return [each.outcome for each in self.claims.all()]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_is_due_runs_with_its_own_seed_and_variables(world: World) -> None:
    due = world.due(vars={"volume": "homes", "strict": True, "limit": 3})
    claim = world.controller.fire(due)
    assert claim == Claim("s", "e0", NOON.isoformat(), "ended", 0)
    seed = world.controller.next(due)
    assert seed is not None and seed.at == NOON + datetime.timedelta(hours=1)
    [started] = world.children.started
    assert started.startswith("run dir/x.yaml --site dir/site.yaml --seed ")
    assert started.endswith(" --set volume=homes --set strict=true --set limit=3 --json")
    assert world.outcomes == ["begun", "ended"]


def test_a_variable_that_is_a_text_stays_one(world: World) -> None:
    world.controller.fire(world.due(vars={"version": "1.10", "name": '"x"'}))
    [started] = world.children.started
    assert started.endswith(""" --set version="1.10" --set name=""x"" --json""")


def test_what_the_site_s_calendar_forbids_is_not_due(world: World) -> None:
    due = world.due()
    site = lab_site(policy=Policy(calendar=policy(never=[{"why": "exams", "dates": [f"{NOON:%Y-%m-%d}"]}])))
    closed = Due(dataclasses.replace(due.loaded, site=site), due.entry)
    assert world.controller.fire(closed) is None
    assert world.children.started == []
    coming = world.controller.next(closed)
    assert coming is not None and coming.at.date() == NOON.date() + datetime.timedelta(days=1)


def test_nothing_is_due_between(world: World) -> None:
    world.now += datetime.timedelta(seconds=61)
    assert world.controller.fire(world.due()) is None
    assert world.children.started == []


def test_the_verdict_is_kept(world: World) -> None:
    world.children.codes["run"] = 6
    claim = world.controller.fire(world.due())
    assert claim is not None and claim.code == 6


def test_a_site_is_made_whole_first_where_that_is_asked(world: World) -> None:
    world.controller.fire(world.due("deploy"))
    assert [each.split()[0:2] for each in world.children.started] == [
        ["site", "deploy"],
        ["site", "verify"],
        ["run", "dir/x.yaml"],
    ]


@pytest.mark.parametrize(("verb", "started"), [("deploy", 1), ("verify", 2)])
def test_what_cannot_be_made_whole_is_not_broken_further(world: World, verb: str, started: int) -> None:
    world.children.codes[verb] = 1
    claim = world.controller.fire(world.due("deploy"))
    assert claim is not None
    assert (claim.outcome, claim.code, claim.why) == ("prepare-failed", 4, f"site {verb} failed")
    assert len(world.children.started) == started


def test_a_crash_in_a_run_does_not_fire_it_again(world: World) -> None:
    def crash() -> None:
        raise KeyboardInterrupt

    world.children.meanwhile = crash
    with pytest.raises(KeyboardInterrupt):
        world.controller.fire(world.due())
    assert world.outcomes == ["begun"]
    world.now += datetime.timedelta(seconds=30)
    assert world.restarted().fire(world.due()) is None
    assert len(world.children.started) == 1


def test_a_claim_that_was_cut_short_harms_no_other(world: World) -> None:
    world.controller.fire(world.due())
    with (world.directory / "claims.jsonl").open("a") as file:
        file.write('{"schedule": "s", "ent')
    world.now += datetime.timedelta(hours=1)
    world.restarted().fire(world.due())
    assert world.outcomes == ["begun", "ended"] * 2


def test_what_cannot_be_remembered_is_not_begun(world: World) -> None:
    (world.directory / "claims.jsonl").mkdir()
    with pytest.raises(JournalError, match=r"claims\.jsonl"):
        world.controller.fire(world.due())
    assert world.children.started == []


def test_two_at_once_is_one(world: World) -> None:
    other = schedule({"name": "other", "cron": "0 * * * *"})
    second = Due(Loaded(Path("s.yaml"), other, None), other.entries[0])
    world.children.meanwhile = lambda: world.controller.fire(second)
    world.controller.fire(world.due())
    assert [(each.entry, each.outcome) for each in world.claims.all()] == [
        ("e0", "begun"),
        ("other", "busy"),
        ("e0", "ended"),
    ]
    assert len(world.children.started) == 1


def told(world: World, *dues: Due) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(Exporter(world.controller, dues, world.claims, world.directory / "journal.db"))
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_prometheus_is_told_what_comes_and_what_became(world: World) -> None:
    due = world.due()
    assert told(world, due) == {
        'chaosjc_schedule_next_timestamp_seconds{entry="e0",schedule="s"}': NOON.timestamp() + 3600
    }
    world.controller.fire(due)
    Store(world.directory / "journal.db").close()
    found = told(world, due)
    assert found['chaosjc_schedule_due_total{entry="e0",outcome="ended",schedule="s"}'] == 1
    assert (found["chaosjc_undo_debts"], found["chaosjc_halted"]) == (0, 0)


def test_each_metric_of_the_register_is_told_of_runs(world: World) -> None:
    clock = FakeClock()
    with Store(world.directory / "journal.db", clock) as store:
        for ago, run in ((999.0, journals.undo_failed()), (0.0, journals.failed()), (0.0, journals.running())):
            for entry in run:
                clock.now = entry.at - ago
                store.append(entry.event, f"{run[-1].event.type}-{ago:g}")
    world.controller.fire(world.due())
    found = told(world, world.due())
    mine = {each.name for each in names.CONTROLLER_METRICS}
    assert {name.partition("{")[0] for name in found} == mine
    assert found["chaosjc_undo_debts"] == 1
    assert found['chaosjc_runs_total{verdict="UNDO-FAILED"}'] == 1


def test_what_cannot_be_read_is_absent(world: World) -> None:
    (world.directory / "claims.jsonl").mkdir()
    assert told(world, world.due()) == {}
