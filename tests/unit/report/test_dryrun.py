"""A dry run in the terminal: every part of the plan, what it reaches, and every guard's answer."""

from __future__ import annotations

import io

from rich.console import Console

from chaosjc.journal.events import CheckPlan, Planned, Refused
from chaosjc.report import words
from chaosjc.report.dryrun import SHOWN, Forecast, dry_run
from tests.unit.report import journals


def show(planned: Planned, width: int = 120, **told: object) -> list[str]:
    """Its lines, with one space between cells."""
    console = Console(file=io.StringIO(), width=width, force_terminal=False, _environ={})
    console.print(dry_run(planned, Forecast(**told)))  # type: ignore[arg-type]
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_everything_is_said_and_whether_it_would_start() -> None:
    refusal = Refused(guard="halted", code="halted", reason="halted by ada: exam week")
    lines = show(journals.planned(), guards=[("halted", refusal)], refused=[("bastion", "protected")])
    assert lines[:2] == [
        "DRY RUN worker-vm-frozen on lab",
        "would be refused: halted by ada: exam week; nothing was touched (seed 7)",
    ]
    for line in (
        "worker-001 chosen drawn from 2 of role worker",
        "worker-002 left alone eligible, not drawn",
        "bastion refused protected",
        "targets 1 of 2 eligible",
        "f1.1 +0 s for 20 s vm.pause: pause worker-001 (nova) unpause worker-001 (nova)",
        "halted ✗ halted: halted by ada: exam week",
    ):
        assert line in lines
    assert any("would start" in line for line in show(journals.planned(), guards=[("halted", None)]))


def test_whom_it_reaches_is_said_and_where_nobody_can_say() -> None:
    reached: list[tuple[str, list[str], str]] = [
        ("users", ["ada", "bob"], ""),
        ("pods", [], ""),
        ("replica sets", [], "silent"),
        ("balancer members", [], "silent"),
    ]
    lines = show(journals.planned(), reached=reached)
    assert "users 2: ada, bob" in lines and "pods none" in lines
    assert "replica sets, balancer members not known: silent" in lines


def test_a_guard_that_has_nothing_to_look_at_yet_does_not_agree() -> None:
    lines = show(journals.planned(), guards=[("backlog", None), ("steady state", None)])
    assert "backlog ✓ agrees" in lines
    assert f"steady state {words.NONE} asked once its 5s are measured" in lines


def test_thousands_are_counted_and_not_printed() -> None:
    many = tuple(f"worker-{n:05}" for n in range(10_000))
    rest = 10_000 - SHOWN
    lines = show(
        journals.planned(others=many),
        refused=[(name, "not opted in") for name in many],
        reached=[("users", many, "")],
    )
    assert f"and {rest} more left alone eligible, not drawn" in lines
    assert f"and {rest} more refused not opted in" in lines
    assert any(line.endswith(f"and {rest} more") for line in lines if "users" in line or "worker-00011" in line)
    assert len(lines) < 60
    reasons = show(journals.planned(), refused=[(name, f"nobody would make {name} again") for name in many])
    assert f"and {rest} more refused for other reasons" in reasons and len(reasons) < 60


def test_what_would_be_left_of_the_storage() -> None:
    watched = CheckPlan(id="o1", name="heal backlog", kind="promql", expect="")
    storage = [("homes/0", "would keep 2 of 3 bricks", True), ("homes", "2 entries to heal", False)]
    lines = show(journals.planned(observations=(watched,)), storage=storage)
    assert f"heal backlog {words.NONE} observed every 1s" in lines
    assert "homes/0 ✓ would keep 2 of 3 bricks" in lines and "homes ✗ 2 entries to heal" in lines
    assert not any("storage" in line for line in show(journals.planned()))


def test_what_would_be_done_is_shown_word_for_word() -> None:
    """Brackets are no markup: what is shown is what a person agrees to."""
    undo = "rm -rf /srv/[a-c]* [/x] :on:"
    lines = show(journals.planned(steps=(journals.STEP.model_copy(update={"undo": undo}),)), 200)
    assert any(line.endswith(undo) for line in lines)


def test_no_name_steers_the_terminal() -> None:
    hostile = "\x1b[2J\u202e\x00 [/x]"
    lines = show(
        journals.planned(site=hostile, others=(hostile,)),
        refused=[(hostile, hostile)],
        reached=[(hostile, [hostile], "")],
    )
    assert not set("\x00\x1b\u202e") & set("".join(lines))
