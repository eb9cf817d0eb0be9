"""The schedule file: which experiments run by themselves, and when."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from chaosjc.engine import experiment as experiments
from chaosjc.engine.experiment import Name
from chaosjc.errors import SpecError
from chaosjc.journal import clear
from chaosjc.site import model as sites
from chaosjc.site.calendar import Calendar
from chaosjc.site.model import SiteFile
from chaosjc.spec import reader
from chaosjc.spec.model import FirstWord, Model
from chaosjc.spec.problems import Problems, quote, repeated
from chaosjc.spec.reader import Document
from chaosjc.spec.scalars import Days, WholeDays
from chaosjc.spec.validate import validate

_SOME_DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def _cron(text: str) -> str:
    try:
        if len(text.split()) != 5:
            raise CronSimError("minute, hour, day of the month, month, day of the week")
        CronSim(text, _SOME_DAY)
    except CronSimError as error:
        raise ValueError(f"expected five fields as crontab(5) has them, found {text!r}: {error}") from None
    return text


def parse_at(text: str) -> datetime.datetime:
    """A day and a time without a zone, of `2026-12-03 14:00` or `2026-12-03 14:00:30`. Raises ValueError."""
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"):
        with contextlib.suppress(ValueError):
            return datetime.datetime.strptime(text, form)  # noqa: DTZ007 - the calendar has the zone
    raise ValueError(f"expected a day and a time such as 2026-12-03 14:00, found {quote(text)}")


def _at(text: str) -> str:
    parse_at(text)
    return text


class Entry(Model):
    """Experiments that run one after another; the first word says when."""

    name: Name
    experiments: tuple[str, ...] = Field(min_length=1)
    """Files, or directories of them, seen from the schedule file."""
    prepare: Literal["nothing", "deploy"] = "nothing"
    """`deploy`: deploy and verify the site first, and begin only where both succeed."""
    vars: dict[str, str | int | float | bool] = Field(default_factory=dict[str, str | int | float | bool])

    @field_validator("vars")
    @classmethod
    def _no_secrets(cls, values: dict[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
        clear.refuse_variables(values)
        return values


class Cron(Entry):
    """At the minutes that crontab(5) means, in the calendar's time zone."""

    cron: Annotated[str, AfterValidator(_cron)]


class GameDay(Entry):
    """Once, in the calendar's time zone, and only where its hours allow it."""

    at: Annotated[str, AfterValidator(_at), Field(examples=["2026-12-03 14:00"])]
    """A day and a time; an hour that the clock skips is the one after it."""


class Often(Model):
    """Chaos Monkey's mean time between failures, in working days."""

    mean: Days
    least: WholeDays = 1
    """At least so many working days from one to the next: 1 allows them on days in a row."""

    @field_validator("least")
    @classmethod
    def _below_mean(cls, least: int, info: ValidationInfo) -> int:
        if least > info.data.get("mean", least):
            raise ValueError("more than the mean")
        return least


class Mtbf(Entry):
    """Now and then: at most once a working day, at a random second of its hours."""

    mtbf: Often


AnyEntry = Annotated[Entry, FirstWord({"cron": Cron, "mtbf": Mtbf, "at": GameDay})]


class Schedule(Model):
    """Entries of one site, and the hours in which they may begin."""

    api_version: Literal["chaosjc/v1"] = Field(alias="apiVersion")
    kind: Literal["Schedule"]
    name: Name
    description: str = ""
    site: str = ""
    """The site file, seen from this one; empty where no experiment needs a site."""
    calendar: Calendar = Calendar()
    seed: int = 0
    """Decides every random time, and every target: the same file gives the same future."""
    entries: tuple[AnyEntry, ...] = Field(min_length=1)

    @field_validator("entries")
    @classmethod
    def _names_differ(cls, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        if twice := repeated(each.name for each in entries):
            raise ValueError(f"two entries have the same name: {', '.join(twice)}")
        return entries


@dataclass(frozen=True)
class Loaded:
    """A schedule whose every file was read and found good."""

    path: Path
    schedule: Schedule
    site: SiteFile | None

    @property
    def site_path(self) -> Path | None:
        """The site file, if there is one."""
        return beside(self.path, self.schedule.site) if self.schedule.site else None

    @property
    def policy(self) -> Calendar | None:
        """The calendar of the site's policy, which binds its schedules too."""
        return self.site.policy.calendar if self.site else None

    @property
    def files(self) -> tuple[Path, ...]:
        """All that decides when anything of it may begin: itself, its site, the calendar files of both."""
        calendars = [self.schedule.calendar, *([self.policy] if self.policy else [])]
        events = (Path(window.ics) for each in calendars for window in (*each.only, *each.never) if window.ics)
        return (self.path, *([self.site_path] if self.site_path else []), *events)

    def experiments(self, entry: Entry) -> list[Path]:
        """What it runs, in that order; a directory stands for its YAML files."""
        return [file for each in entry.experiments for file in reader.files_of(beside(self.path, each))]


def load(paths: Sequence[Path]) -> list[Loaded]:
    """Read schedules and all that they name; SpecError tells every problem of every file."""
    problems = Problems()
    loaded = [_load(path, problems) for path in paths]
    problems.check()
    return [each for each in loaded if each]


def beside(path: Path, name: str) -> Path:
    """A file that another names, seen from that one."""
    return Path(os.path.normpath(path.parent / Path(name).expanduser()))


def _load(path: Path, problems: Problems) -> Loaded | None:
    document = reader.load(path, problems)
    schedule = validate(document, Schedule, problems) if document else None
    if document is None or schedule is None:
        return None
    return check_files(document, schedule, problems)


def check_files(document: Document, schedule: Schedule, problems: Problems) -> Loaded:
    """Add every problem of the site, the experiments and the calendar files that it names."""
    path = Path(document.path)
    schedule = schedule.model_copy(update={"calendar": schedule.calendar.read(document, ("calendar",), problems)})
    site: SiteFile | None = None
    if schedule.site:
        try:
            site = sites.load(beside(path, schedule.site))
        except SpecError as error:
            _add(problems, error)
    for number, entry in enumerate(schedule.entries):
        if site and site.adopted and entry.prepare == "deploy":
            problems.add(document.problem(("entries", number, "prepare"), "others deployed the site: `nothing` is all"))
        for index, name in enumerate(entry.experiments):
            files = reader.files_of(beside(path, name))
            if not files:
                problems.add(document.problem(("entries", number, "experiments", index), f"{name} holds no YAML file"))
            try:
                experiments.load(files, site=site.vars if site else {}, overrides=entry.vars)
            except SpecError as error:
                _add(problems, error)
    return Loaded(path, schedule, site)


def _add(problems: Problems, error: SpecError) -> None:
    known = set(problems)
    for each in error.problems:
        if each not in known:
            problems.add(each)
