"""`chaosjc schedule` and what `chaosjc check` says of schedule files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from chaosjc.cli import check, schedule
from chaosjc.errors import SpecError, UsageError
from tests.unit.site.adopted_site import raw as adopted

ROOT = Path(__file__).parents[3]
LAB = ROOT / "schedules" / "lab.yaml"
EXPERIMENT = ROOT / "experiments" / "local" / "web-service.yaml"


def schedule_file(directory: Path, **changes: Any) -> Path:
    path = directory / "s.yaml"
    entry = {"name": "a", "experiments": [str(EXPERIMENT)]} | ({} if "at" in changes else {"cron": "0 9 * * *"})
    raw = {"apiVersion": "chaosjc/v1", "kind": "Schedule", "name": "s", "entries": [entry | changes]}
    path.write_text(json.dumps(raw))
    return path


def invoked(*words: object) -> Result:
    return CliRunner().invoke(schedule.app, [str(each) for each in words], catch_exceptions=False)


def test_a_preview_is_in_the_order_of_time_and_ends_with_the_last_day() -> None:
    done = invoked("preview", LAB, "--from", "2026-12-01", "--to", "2026-12-31", "--json")
    rows = json.loads(done.stdout)
    assert [each["at"] for each in rows] == sorted(each["at"] for each in rows)
    assert (rows[0]["at"], rows[0]["entry"]) == ("2026-12-01T08:30:00.000Z", "frozen-worker")
    assert rows[-1]["at"] < "2026-12-24", "then come the holidays"
    assert {each["schedule"] for each in rows} == {"lab"}
    assert all(Path(path).exists() for each in rows for path in each["experiments"])


def test_a_year_ahead_is_told_the_same_twice() -> None:
    words = ("preview", LAB, "--from", "2027-01-01", "--to", "2027-12-31", "--json")
    first = json.loads(invoked(*words).stdout)
    assert first == json.loads(invoked(*words).stdout)
    assert {each["entry"] for each in first} == {"frozen-worker", "broken-brick", "lost-brick"}


def test_for_people_times_are_those_of_the_place() -> None:
    shown = invoked("preview", LAB, "--from", "2026-12-01", "--to", "2026-12-01").stdout
    assert "Tue 2026-12-01 09:30:00 CET" in shown
    assert "nothing falls due" in invoked("preview", LAB, "--from", "2026-12-25", "--to", "2026-12-26").stdout


def test_a_preview_leaves_out_what_the_site_s_policy_forbids(tmp_path: Path) -> None:
    raw = yaml.safe_load((ROOT / "sites" / "lab.yaml").read_text())
    exam = "BEGIN:VEVENT\nUID:1\nSUMMARY:Algebra\nDTSTART;VALUE=DATE:20261207\nEND:VEVENT\n"
    (tmp_path / "exams.ics").write_text(f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{exam}END:VCALENDAR\n")
    never = [{"holidays": "FR-57"}, {"why": "exams", "ics": "exams.ics"}, {"days": ["wed"], "hours": "09:00-10:00"}]
    raw["policy"]["calendar"] = {"timezone": "Europe/Paris", "never": never}
    (tmp_path / "site.yaml").write_text(json.dumps(raw))
    path = schedule_file(tmp_path)
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"site": "site.yaml", "calendar": {"timezone": "Europe/Paris"}})
    )
    words = ("preview", path, "--from", "2026-12-06", "--to", "2026-12-10", "--json")
    assert [each["at"][:10] for each in json.loads(invoked(*words).stdout)] == [
        "2026-12-06",
        "2026-12-08",
        "2026-12-10",
    ]
    words = ("preview", path, "--from", "2026-12-24", "--to", "2026-12-27", "--json")
    assert [each["at"][:10] for each in json.loads(invoked(*words).stdout)] == ["2026-12-24", "2026-12-27"]
    assert [each["at"][:10] for each in json.loads(invoked("list", path, "--json").stdout)] != []


def test_what_a_calendar_refers_to_is_checked_with_the_files(tmp_path: Path) -> None:
    path = schedule_file(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"calendar": {"never": [{"ics": "none.ics"}]}}))
    with pytest.raises(SpecError, match=r"none\.ics: No such file"):
        CliRunner().invoke(check.app, [str(path)], catch_exceptions=False)
    raw = yaml.safe_load((ROOT / "sites" / "lab.yaml").read_text())
    raw["policy"]["calendar"] = {"only": [{"holidays": "FR-75"}]}
    (tmp_path / "site.yaml").write_text(json.dumps(raw))
    with pytest.raises(SpecError, match=r"policy\.calendar\.only\[0\]\.holidays: FR has no subdivision"):
        CliRunner().invoke(check.app, [str(tmp_path / "site.yaml")], catch_exceptions=False)


def test_the_list_has_each_entry_once(tmp_path: Path) -> None:
    assert len(json.loads(invoked("list", LAB, "--json").stdout)) == 3
    never = schedule_file(tmp_path)
    never.write_text(json.dumps(json.loads(never.read_text()) | {"calendar": {"hours": "10:00-11:00"}}))
    assert json.loads(invoked("list", never, "--json").stdout) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "tomorrow"], "expected a date such as 2026-12-24, found 'tomorrow'"),
        (["--from", "2026-12-02", "--to", "2026-12-01"], "it ends before it begins"),
    ],
)
def test_dates_that_are_none(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        invoked("preview", LAB, *words)


def problems(path: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        CliRunner().invoke(check.app, [str(path)], catch_exceptions=False)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cron": "61 * * * *"}, "expected five fields as crontab(5) has them, found '61 * * * *'"),
        ({"at": "tomorrow"}, 'expected a day and a time such as 2026-12-03 14:00, found "tomorrow"'),
        ({"at": "2026-12-03T14:00Z"}, "expected a day and a time such as 2026-12-03 14:00"),
        ({"at": "2026-02-30 14:00"}, "expected a day and a time such as 2026-12-03 14:00"),
        ({"cron": "0 9 * * * *"}, "minute, hour, day of the month, month, day of the week"),
        ({"experiments": []}, "1 or more entries"),
        ({"experiments": ["gone.yaml"]}, "gone.yaml"),
        ({"mtbf": {"mean": 5}}, "which is it?"),
    ],
)
def test_what_is_wrong_with_an_entry_is_told_with_its_place(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    [problem] = problems(schedule_file(tmp_path, **changes))
    assert message in problem
    assert problem.startswith(str(tmp_path))


def test_the_files_that_it_names_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("apiVersion: chaosjc/v1\nkind: Experiment\nname: x\n")
    path = schedule_file(tmp_path, experiments=["x.yaml"])
    assert all(each.startswith(f"{tmp_path}/x.yaml:") for each in problems(path))
    raw = json.loads(schedule_file(tmp_path).read_text()) | {"site": "nowhere.yaml"}
    path.write_text(json.dumps(raw))
    assert "nowhere.yaml" in problems(path)[0]


def test_a_site_that_others_deployed_is_not_deployed_first(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(json.dumps(adopted()))
    file = schedule_file(tmp_path, prepare="deploy")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"site": "site.yaml"}))
    with pytest.raises(SpecError, match=r"entries\[0\]\.prepare: others deployed the site"):
        invoked("list", file)
