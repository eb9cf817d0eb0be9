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
from chaosjc.controller import controller as controlling
from chaosjc.controller.admission import CHILD, Admission
from chaosjc.controller.claims import Claim, Claims
from chaosjc.controller.controller import Controller, Due
from chaosjc.controller.exporter import Exporter
from chaosjc.controller.model import Entry, Loaded, Schedule
from chaosjc.controller.schedule import Firing
from chaosjc.engine.locks import Locks, run_lock
from chaosjc.errors import JournalError
from chaosjc.journal.events import Entry as JournalEntry
from chaosjc.journal.events import Halted
from chaosjc.journal.store import Store
from chaosjc.site.calendar import Calendar
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
        self.claims, self.journal = Claims(directory / "claims.jsonl"), directory / "journal.db"
        self.controller = self.restarted()

    def due(self, prepare: str = "nothing", site: str = "site.yaml", **more: object) -> Due:
        one = schedule({"cron": "0 * * * *", "prepare": prepare, **more})
        return Due(Loaded(Path("dir/s.yaml"), one.model_copy(update={"site": site}), None), one.entries[0])

    def restarted(self) -> Controller:
        claims = Claims(self.directory / "claims.jsonl")
        return Controller(claims, self.children, lambda: self.now, Admission(self.journal))

    def write(self, entries: Sequence[JournalEntry], run: str) -> None:
        """As the process of a run would."""
        with Store(self.journal, FakeClock()) as store:
            for entry in entries:
                store.append(entry.event, run)

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


def test_a_run_that_outlived_its_controller_is_not_joined_by_another(world: World) -> None:
    world.write(journals.running(), "orphan")
    with Locks(world.journal).held(run_lock("orphan")):
        claim = world.controller.fire(world.due())
    assert claim is not None
    assert (claim.outcome, claim.why) == ("busy", "run orphan was under way")
    assert world.children.started == []


def test_neither_is_a_deploy_that_did(world: World) -> None:
    """Of which no journal tells: it holds a lock."""
    with Locks(world.journal).lent(CHILD):
        claim = world.controller.fire(world.due("deploy"))
    assert claim is not None and claim.outcome == "busy"
    assert world.children.started == []
    world.now += datetime.timedelta(hours=1)
    world.controller.fire(world.due("deploy"))
    assert len(world.children.started) == 3


def test_what_a_person_begins_while_the_site_is_deployed_is_not_joined_either(world: World) -> None:
    world.children.meanwhile = lambda: world.write(journals.running(), "by-hand")
    with Locks(world.journal).held(run_lock("by-hand")):
        claim = world.controller.fire(world.due("deploy"))
    assert claim is not None and claim.outcome == "busy"
    assert [each.split()[0] for each in world.children.started] == ["site", "site"]


def halted(world: World) -> None:
    with Store(world.journal) as store:
        store.append(Halted(who="ada", why="exams"))


def in_debt(world: World) -> None:
    world.write(journals.undo_failed(), "debtor")


def died(world: World) -> None:
    world.write(journals.running(), "dead")


@pytest.mark.parametrize(
    ("happened", "why"),
    [
        (halted, "halted by ada: exams; `chaosjc resume --reason TEXT` ends it"),
        (in_debt, "run debtor left a debt; run `chaosjc recover`"),
        (died, "run dead left a debt; run `chaosjc recover`"),
    ],
)
def test_a_site_that_is_to_be_left_alone_is_not_deployed(
    world: World, happened: Callable[[World], None], why: str
) -> None:
    happened(world)
    claim = world.controller.fire(world.due("deploy"))
    assert claim is not None
    assert (claim.outcome, claim.code, claim.why) == ("refused", 4, why)
    assert world.children.started == []


def test_nor_one_whose_calendar_forbids_it_by_now(world: World) -> None:
    """It fell due a moment before."""
    due = world.due("deploy")
    never = policy(never=[{"why": "exams", "hours": "12:00-13:00"}])
    site = lab_site(policy=Policy(calendar=never))
    before = Due(dataclasses.replace(due.loaded, schedule=at_59(due.loaded.schedule), site=site), due.entry)
    before = dataclasses.replace(before, entry=before.loaded.schedule.entries[0])
    claim = world.controller.fire(before)
    assert claim is not None
    assert (claim.outcome, claim.why) == ("refused", "the site's calendar says never exams (12:00-13:00)")
    assert world.children.started == []


def at_59(found: Schedule) -> Schedule:
    return found.model_copy(update={"entries": schedule({"cron": "59 11 * * *", "prepare": "deploy"}).entries})


def test_what_only_runs_is_asked_by_its_run(world: World) -> None:
    """So that the journal has the refusal, and whoever lists runs sees it."""
    halted(world)
    world.controller.fire(world.due())
    assert len(world.children.started) == 1


def test_what_cannot_be_followed_begins_nothing(world: World) -> None:
    claim = world.controller.fire(dataclasses.replace(world.due(), trouble="s.yaml:3:1: no"))
    assert claim is not None
    assert (claim.outcome, claim.code, claim.why) == ("refused", 4, "s.yaml:3:1: no")
    assert world.children.started == []


class Draws:
    """Each draw of a next time, while the test lasts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.of: list[datetime.datetime] = []
        self._draw = controlling.next_firing
        monkeypatch.setattr(controlling, "next_firing", self)

    def __call__(
        self, one: Schedule, entry: Entry, after: datetime.datetime, allowed: Calendar | None = None
    ) -> Firing | None:
        self.of.append(after)
        return self._draw(one, entry, after, allowed)


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> Draws:
    return Draws(monkeypatch)


def test_the_next_time_is_drawn_once_until_it_has_come(world: World, draws: Draws) -> None:
    due = world.due()
    for minutes, times in ((0, 1), (30, 1), (59, 1), (60, 2), (61, 2), (10, 3)):
        world.now = NOON + datetime.timedelta(minutes=minutes)
        coming = world.controller.next(due)
        assert coming is not None and coming.at == NOON + datetime.timedelta(hours=1 + minutes // 60)
        assert len(draws.of) == times, minutes
    world.controller.next(world.due())
    assert len(draws.of) == 4, "the files were read anew"


def test_that_nothing_comes_is_looked_for_once_a_day(world: World, draws: Draws) -> None:
    never = schedule({"cron": "0 3 * * *"}, hours="09:00-17:00")
    due = Due(Loaded(Path("s.yaml"), never, None), never.entries[0])
    for hours, times in ((0, 1), (23, 1), (24, 2)):
        world.now = NOON + datetime.timedelta(hours=hours)
        assert world.controller.next(due) is None
        assert len(draws.of) == times


def told(world: World, *dues: Due) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(Exporter(world.controller, dues, world.claims, world.directory / "journal.db"))
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_prometheus_is_told_what_comes_and_what_became(world: World) -> None:
    due = world.due()
    assert told(world, due) == {
        'chaosjc_schedule_next_timestamp_seconds{entry="e0",schedule="s"}': NOON.timestamp() + 3600,
        'chaosjc_schedule_in_vain{entry="e0",schedule="s"}': 0,
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


def test_claims_that_cannot_be_read_hide_no_debt(world: World) -> None:
    in_debt(world)
    (world.directory / "claims.jsonl").mkdir()
    found = told(world, world.due())
    assert (found["chaosjc_undo_debts"], found["chaosjc_halted"]) == (1, 0)
    assert not any(name.startswith("chaosjc_schedule") for name in found)


def test_a_journal_that_cannot_be_read_hides_not_what_comes(world: World) -> None:
    world.journal.write_text("no journal")
    assert set(told(world, world.due())) == {
        'chaosjc_schedule_next_timestamp_seconds{entry="e0",schedule="s"}',
        'chaosjc_schedule_in_vain{entry="e0",schedule="s"}',
    }


def test_a_scrape_reads_the_claims_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Claims] = []
    everything = Claims.all

    def counted(claims: Claims) -> list[Claim]:
        read.append(claims)
        return everything(claims)

    monkeypatch.setattr(Claims, "all", counted)
    told(world, *(world.due(name=name) for name in ("a", "b", "c")))
    assert len(read) == 1
