"""What all stages of one plan share."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from chaosjc.errors import RemoteError
from chaosjc.site import deploy
from chaosjc.site.context import Answers, Context, Whole
from tests.unit.site.fakes import FakeCloud


def test_many_ask_at_once_and_one_question_is_put() -> None:
    answers, asked, everybody = Answers(), list[str](), threading.Barrier(8)

    def ask() -> str:
        asked.append("asked")
        return "said"

    def want() -> str:
        everybody.wait()
        return answers.of("question", ask)

    with ThreadPoolExecutor(8) as pool:
        told = [future.result() for future in [pool.submit(want) for _ in range(8)]]
    assert told == ["said"] * 8
    assert asked == ["asked"]
    assert answers.of("another", lambda: 2) == 2


def test_an_error_is_told_to_all_who_ask() -> None:
    answers = Answers()
    for _ in range(2):
        with pytest.raises(RemoteError, match="no answer"):
            answers.of("question", failing)


def failing() -> None:
    raise RemoteError("no answer")


def test_only_who_keeps_answers_gets_an_old_one(context: Context) -> None:
    said = iter(range(4))
    assert [context.ask("question", lambda: next(said)) for _ in range(2)] == [0, 1]
    keeping = replace(context, answers=Answers())
    assert [keeping.ask("question", lambda: next(said)) for _ in range(2)] == [2, 2]


def test_a_plan_asks_for_the_servers_as_often_as_one_stage_does(
    context: Context, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy.deploy(context)
    asked = list[str]()
    servers = cloud.find_servers
    monkeypatch.setattr(cloud, "find_servers", lambda metadata: asked.append("") or servers(metadata))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    assert deploy.plan(context) == ()
    assert len(asked) <= 2, "stage infra, and all others together"


def test_a_whole_vm_is_remembered_until_something_is_done() -> None:
    whole = Whole()
    for vm in ("a", "b"):
        assert whole.look(vm, lambda: "well", lambda said: said == "well") == "well"
    assert whole.look("a", lambda: "not asked", lambda _: True) == "well"
    whole.forget()
    assert whole.look("a", lambda: "broken", lambda said: said == "well") == "broken"
    assert whole.look("a", lambda: "asked again", lambda _: True) == "asked again"
    assert whole.look("b", lambda: "anew", lambda _: True) == "anew"


def test_what_was_told_while_something_was_done_is_not_remembered() -> None:
    whole = Whole()

    def ask() -> str:
        whole.forget()
        return "of before, or of after"

    assert whole.look("a", ask, lambda _: True) == "of before, or of after"
    assert whole.look("a", lambda: "now", lambda _: True) == "now"
