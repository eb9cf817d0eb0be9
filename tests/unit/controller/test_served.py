"""The files of a controller, changed under it: what it shows, what it begins, and when."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers.background import BackgroundScheduler  # pyright: ignore[reportMissingTypeStubs]

from chaosjc.controller.daemon import Rota
from chaosjc.controller.model import load
from chaosjc.controller.schedule import next_firing
from chaosjc.controller.served import Served
from tests.sites import lab_file
from tests.unit.controller.test_controller import NOON, World

EXPERIMENT = """\
apiVersion: chaosjc/v1
kind: Experiment
name: x
hypotheses: [{name: it holds, command: ["true"]}]
faults: [{fault: command, inject: ["true"], undo: ["true"], verify: ["true"], duration: 1s}]
recovery: {within: 1s, until: [{command: ["true"]}]}
"""
EXAMS = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:tests
BEGIN:VEVENT
UID:1
SUMMARY:exam
DTSTART:20261201T%s00Z
DTEND:20261201T%s00Z
END:VEVENT
END:VCALENDAR
"""


class Files:
    """A schedule with a calendar file, its site, and how they change: each write is one of a second later."""

    def __init__(self, directory: Path) -> None:
        self.directory, self._written = directory, 0
        self.schedule = directory / "s.yaml"
        self.put("x.yaml", EXPERIMENT)
        self.exams("01:00", "02:00")
        self.hourly()
        self.served = Served(load([self.schedule]))
        assert self.served.look()

    def put(self, name: str, text: str) -> None:
        self._written += 1
        path = self.directory / name
        path.write_text(text)
        os.utime(path, (NOON.timestamp(), NOON.timestamp() + self._written))

    def exams(self, begin: str, end: str) -> None:
        self.put("exams.ics", EXAMS % (begin.replace(":", ""), end.replace(":", "")))

    def hourly(self, minute: int = 0, *names: str, **more: Any) -> None:
        entries = [{"name": each, "cron": f"{minute} * * * *", "experiments": ["x.yaml"]} for each in names or ("e0",)]
        raw: dict[str, Any] = {"apiVersion": "chaosjc/v1", "kind": "Schedule", "name": "s", "entries": entries}
        raw["calendar"] = {"never": [{"ics": "exams.ics"}]}
        self.put("s.yaml", json.dumps(raw | more))

    def coming(self) -> datetime.datetime | None:
        due = self.served.find("s/e0")
        assert due is not None
        firing = next_firing(due.loaded.schedule, due.entry, NOON, due.loaded.policy)
        return firing.at if firing else None

    def trouble(self) -> str:
        due = self.served.find("s/e0")
        assert due is not None
        return due.trouble


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def at(hour: int, minute: int = 0) -> datetime.datetime:
    return NOON.replace(hour=hour, minute=minute)


def test_what_has_not_changed_is_not_read(files: Files) -> None:
    before = files.served.find("s/e0")
    assert not files.served.look()
    after = files.served.find("s/e0")
    assert before and after and before.loaded is after.loaded
    assert files.served.look(anew=True)


def test_a_schedule_that_was_changed(files: Files) -> None:
    assert files.coming() == at(13)
    files.hourly(30, "e0", "more")
    assert files.served.look()
    assert files.coming() == at(12, 30)
    assert [due.id for due in files.served] == ["s/e0", "s/more"]


def test_a_calendar_file_that_was_changed_and_nothing_else(files: Files) -> None:
    files.exams("12:30", "14:30")
    assert files.served.look()
    assert files.coming() == at(15)


def test_the_site_s_policy_and_its_calendar_file(files: Files) -> None:
    files.exams("01:00", "02:00")
    site = lab_file(storage=False)
    files.put("site.yaml", json.dumps(site))
    files.hourly(site="site.yaml")
    served = Served(load([files.schedule]))
    files.served = served
    assert served.look() and not served.look()
    never = {"calendar": {"never": [{"hours": "12:00-16:00"}, {"ics": "exams.ics"}]}}
    files.put("site.yaml", json.dumps(site | {"policy": site.get("policy", {}) | never}))
    assert served.look()
    assert files.coming() == at(16)
    served.look()
    files.exams("16:00", "17:30")
    assert served.look()
    assert files.coming() == at(18)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("s.yaml", "entries: [", "not YAML"),
        ("s.yaml", "kind: Schedule", "required, but missing"),
        ("exams.ics", "no calendar", "no iCalendar file that can be read"),
    ],
)
def test_what_cannot_be_read_is_shown_as_it_was_and_begins_nothing(
    files: Files, name: str, text: str, says: str
) -> None:
    files.put(name, text)
    assert files.served.look()
    assert says in files.trouble() and "\n" not in files.trouble()
    assert files.coming() == at(13)
    assert not files.served.look(), "it is told once"
    files.exams("01:00", "02:00")
    files.hourly(45)
    assert files.served.look()
    assert (files.trouble(), files.coming()) == ("", at(12, 45))


def test_a_file_that_is_gone_and_comes_back(files: Files) -> None:
    text = files.schedule.read_text()
    files.schedule.unlink()
    assert files.served.look()
    assert "No such file" in files.trouble()
    files.put("s.yaml", text)
    assert files.served.look()
    assert files.trouble() == ""


def test_what_is_to_be_mended_may_be_a_file_that_decides_no_time(files: Files) -> None:
    files.put("x.yaml", "no experiment")
    assert not files.served.look(), "the run itself reads it, each time"
    files.hourly(30)
    assert files.served.look() and files.trouble()
    files.put("x.yaml", EXPERIMENT)
    assert files.served.look()
    assert (files.trouble(), files.coming()) == ("", at(12, 30))


@pytest.mark.parametrize("change", [{"name": "other"}, {"site": "site.yaml"}])
def test_one_that_has_become_another_s_is_not_followed(files: Files, change: dict[str, str]) -> None:
    """Claims go by its name, the journal by its site."""
    files.put("site.yaml", json.dumps(lab_file(storage=False)))
    files.hourly(30, **change)
    assert files.served.look()
    assert "it has another name, or another site" in files.trouble()
    assert files.coming() == at(13)


class Followed:
    """A scheduler that is not started, with the jobs of the files."""

    def __init__(self, files: Files) -> None:
        self.files, self.world, self.told = files, World(files.directory), list[str]()
        self.scheduler: Any = BackgroundScheduler(timezone=datetime.UTC)
        self.scheduler.start(paused=True)
        self.rota = Rota(self.scheduler, self.world.controller, Served(load([files.schedule])), self.told.append)
        self.rota.look()

    @property
    def jobs(self) -> dict[str, datetime.datetime]:
        return {job.id: job.next_run_time for job in self.scheduler.get_jobs()}


@pytest.fixture
def followed(files: Files) -> Iterator[Followed]:
    found = Followed(files)
    yield found
    found.scheduler.shutdown()


def test_the_scheduler_follows_the_files(files: Files, followed: Followed) -> None:
    assert followed.jobs == {"s/e0": at(13)}
    assert followed.told == ["s/e0: next Tue 2026-12-01 13:00:00 UTC"]
    files.hourly(30, "e0", "more")
    followed.rota.look()
    assert followed.jobs == {"s/e0": at(12, 30), "s/more": at(12, 30)}
    assert followed.told[1:] == [f"{each}: next Tue 2026-12-01 12:30:00 UTC" for each in ("s/e0", "s/more")]


def test_what_fires_goes_by_the_files_as_they_are_then(files: Files, followed: Followed) -> None:
    followed.world.now = at(13)
    files.hourly(30)
    followed.rota.fire("s/e0")
    assert followed.world.children.started == []
    assert followed.told[-1] == (
        "s/e0: nothing is due now, or it was dealt with before; next Tue 2026-12-01 13:30:00 UTC"
    )
    files.hourly(30, "other")
    followed.rota.fire("s/e0")
    assert followed.told[-1] == "s/e0: not in its schedule any more"


def test_what_fires_by_files_that_cannot_be_read_is_refused(files: Files, followed: Followed) -> None:
    followed.world.now = at(13)
    files.exams("12:30", "no time")
    followed.rota.fire("s/e0")
    assert followed.world.children.started == []
    [claim] = followed.world.claims.all()
    assert claim.outcome == "refused" and "exams.ics" in claim.why
    assert followed.told[-1].startswith("s/e0: refused, exit code 4: ")
    assert "begins nothing: " in followed.told[-1]


def test_an_entry_whose_time_comes_while_its_file_is_read_still_fires(files: Files, followed: Followed) -> None:
    followed.world.now = at(13)
    files.hourly(0, "e0", "more")
    followed.rota.look()
    assert followed.jobs == {"s/e0": at(13), "s/more": at(14)}
    followed.rota.fire("s/e0")
    assert len(followed.world.children.started) == 1
