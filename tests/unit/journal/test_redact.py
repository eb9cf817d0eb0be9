"""What a secret is, and that the store keeps none: hidden in what was said, refused in what is planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaosjc.errors import UsageError
from chaosjc.journal.events import Planned, RecoveryPlan, StepPlan, Target, UndoFailed
from chaosjc.journal.redact import hide, secrets, told_in
from chaosjc.journal.store import Store

LONG = 'sesame "open" it'


@pytest.mark.parametrize("name", ["OS_PASSWORD", "HUB_TOKEN", "hub_api_key", "AWS_SECRET_ACCESS_KEY", "PRIVATE_KEY"])
def test_a_variable_that_holds_one(name: str) -> None:
    assert secrets({name: LONG}) == {name: LONG}


@pytest.mark.parametrize(
    ("name", "value"),
    [("HOME", "/home/ada/very"), ("OS_PASSWORD", "short"), ("TOKEN_FILE", "in/a/file/x"), ("OS_TOKEN", "/proc/self")],
)
def test_one_that_holds_none(name: str, value: str) -> None:
    assert secrets({name: value}) == {}


def test_the_longest_is_hidden_first() -> None:
    found = secrets({"A_TOKEN": "abcdefgh", "B_TOKEN": "abcdefghijkl"})
    assert hide("abcdefghijkl abcdefgh", found) == "••• •••"


def test_it_is_found_as_json_writes_it() -> None:
    assert told_in(r'{"why":"sesame \"open\" it"}', {"X_TOKEN": LONG}) == "X_TOKEN"
    assert hide(r'{"why":"sesame \"open\" it"}', {"X_TOKEN": LONG}) == '{"why":"•••"}'


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OS_PASSWORD", LONG)
    return tmp_path / "journal.db"


def plan(undo: str) -> Planned:
    step = StepPlan(id="f1.a", fault="command", target=Target(id="local", name="a"), options={"undo": [undo]})
    return Planned(experiment="e", steps=(step,), recovery=RecoveryPlan(within=60, until=()))


def test_what_was_said_is_kept_without_it(path: Path) -> None:
    with Store(path) as store:
        store.append(plan("true"), "r")
        store.append(UndoFailed(step="f1.a", epoch=0, why=f"exit code 1: {LONG}"), "r")
        last = store.entries("r")[-1].event
    assert isinstance(last, UndoFailed) and last.why == "exit code 1: •••"


def test_a_plan_with_it_is_refused_and_never_changed(path: Path) -> None:
    with Store(path) as store:
        with pytest.raises(UsageError, match=r"value of \$OS_PASSWORD"):
            store.append(plan(f"mysql -p{LONG}"), "r")
        assert store.runs() == []
