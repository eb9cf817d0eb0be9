"""Each guard, and the list of them: without any one of them, one of these tests fails."""

from __future__ import annotations

import dataclasses
import json

import pytest

from chaosjc.engine import guards
from chaosjc.engine.guards import GUARDS, Facts, Guard, first_refusal
from chaosjc.faults.target import Chosen, Refusal
from chaosjc.journal.events import Closed, Halted, Planned, Refused, Target
from chaosjc.journal.live import Steady
from chaosjc.journal.state import RunState, StepState
from chaosjc.journal.store import View
from chaosjc.site.model import SiteFile
from tests.unit.engine.fakes import RUN, planned, step

CALM = View(halted=None, runs=())


def open_run(name: str, target: str, *, owes: bool, closed: bool = False) -> RunState:
    plan = planned(step(target))
    state = StepState(plan.steps[0], intent_at=1.0 if owes else None)
    over = Closed(verdict="UNDO-FAILED", code="undo-failed", reason="") if closed else None
    return RunState(name, plan, 0.0, {state.plan.id: state}, closed=over)


def facts(**changes: object) -> Facts:
    plain = Facts(run=RUN, planned=planned(step("a")), view=CALM, steady=Steady(True))
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def site(*, disposable: bool) -> SiteFile:
    def role(**more: object) -> dict[str, object]:
        return {"image": "i", "flavor": "f", "groups": [], **more}

    return SiteFile.model_validate_json(
        json.dumps(
            {
                "apiVersion": "chaosjc/v1",
                "kind": "Site",
                "name": "s",
                "environment": "lab",
                "cloud": "c",
                "network": {"cidr": "10.0.0.0/24"},
                "security_groups": {},
                "roles": {"bastion": role(), "monitor": role(), "brick": role(count=3, disposable=disposable)},
            }
        )
    )


def deletion(role: str) -> Planned:
    return planned(step("brick-001", fault="vm.delete", target=Target(id="u", name="brick-001", role=role)))


SHORT = Chosen((), (), (Refusal("a", "protected", "the site's policy protects it"),), 1)

REFUSED: dict[str, tuple[Facts, str]] = {
    "halted": (facts(view=View(Halted(who="ada", why="exam"), ())), "halted"),
    "undo_debt": (facts(view=View(None, (open_run("old", "b", owes=True, closed=True),))), "undo-debt"),
    "targets": (facts(chosen=(SHORT,)), "protected"),
    "lost_data": (facts(planned=deletion("brick"), site=site(disposable=False)), "lost-data"),
    "related_run": (facts(view=View(None, (open_run("now", "a", owes=True),)), alive={"now"}), "busy"),
    "steady_state": (facts(steady=Steady(False, "steady-state-broken", "hub is down")), "steady-state-broken"),
}


def test_every_guard_has_a_case() -> None:
    assert [guard.__name__ for guard in GUARDS] == list(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_it_refuses_with_its_code_and_a_reason(name: str) -> None:
    found = first_refusal(REFUSED[name][0])
    assert found is not None
    assert found.code == REFUSED[name][1]
    assert found.reason


@pytest.mark.parametrize("name", REFUSED)
def test_no_other_guard_would_have_refused(name: str) -> None:
    """Removing this one from the list lets the run through: the case above proves that it is needed."""
    without = [guard for guard in GUARDS if guard.__name__ != name]
    assert first_refusal(REFUSED[name][0], without) is None


def test_all_agree_when_nothing_is_wrong() -> None:
    assert first_refusal(facts()) is None


def test_the_first_one_wins() -> None:
    found = first_refusal(facts(view=View(Halted(who="ada", why="exam"), ()), chosen=(SHORT,)))
    assert found is not None and found.code == "halted"


def test_a_guard_that_fails_refuses() -> None:
    def broken(_: Facts) -> Refused | None:
        raise KeyError("x")

    guard: Guard = broken
    found = first_refusal(facts(), [guard])
    assert found is not None and found.code == "guard-error" and "KeyError" in found.reason


class TestDetails:
    def test_the_run_itself_is_no_debt(self) -> None:
        assert guards.undo_debt(facts(view=View(None, (open_run(RUN, "a", owes=True),)))) is None

    def test_a_living_run_is_no_debt(self) -> None:
        assert guards.undo_debt(facts(view=View(None, (open_run("now", "b", owes=True),)), alive={"now"})) is None

    def test_a_dead_run_is_one_even_without_an_intent(self) -> None:
        found = guards.undo_debt(facts(view=View(None, (open_run("dead", "b", owes=False),))))
        assert found is not None and "recover" in found.reason

    def test_another_target_is_unrelated(self) -> None:
        assert guards.related_run(facts(view=View(None, (open_run("now", "b", owes=True),)), alive={"now"})) is None

    def test_a_disposable_role_may_be_deleted(self) -> None:
        assert guards.lost_data(facts(planned=deletion("brick"), site=site(disposable=True))) is None

    def test_before_the_baseline_the_steady_state_is_no_question(self) -> None:
        assert guards.steady_state(facts(steady=None)) is None

    def test_no_data_is_no_steady_state(self) -> None:
        found = guards.steady_state(facts(steady=Steady(None, "steady-state-unknown", "nothing answers")))
        assert found is not None and found.code == "steady-state-unknown"

    def test_too_few(self) -> None:
        target = Target(id="a", name="a")
        found = guards.targets(facts(chosen=(Chosen((target,), (), (), 2),)))
        assert found is not None and found.code == "too-few-targets"


def test_answers_names_every_guard() -> None:
    assert [name for name, _ in guards.answers(facts())] == [g.__name__.replace("_", " ") for g in GUARDS]
