from __future__ import annotations

import json
from typing import Annotated, Literal

import pytest
from pydantic import ValidationError

from chaosjc.errors import Problem, SpecError
from chaosjc.spec.expect import parse as parse_expect
from chaosjc.spec.model import FirstWord, Model
from chaosjc.spec.problems import MAX_MESSAGE, MAX_TOLD, Problems, describe, did_you_mean, field_path, quote
from chaosjc.spec.reader import parse
from chaosjc.spec.schema import schema_text
from chaosjc.spec.validate import choose, validate
from tests.unit.spec.sample import AnyCheck, Experiment, Promql, Target, VmPause


def told(content: str, model: type[Model]) -> list[str]:
    problems = Problems()
    document = parse(content, "f", problems)
    assert document
    validate(document, model, problems)
    return [str(problem) for problem in problems]


class Either(Model):
    names: str | tuple[str, ...] = ""
    target: Target | Literal["all"] = "all"
    checks: dict[str, AnyCheck] = {}
    maybe: AnyCheck | None = None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("names: 3", "f:1:8: names: expected text or a list, found the number 3 (quote it)"),
        ("names: [a, 3]", "f:1:12: names[1]: expected text, found the number 3 (quote it)"),
        ("target: {cuont: 3}", 'f:1:10: target.cuont: unknown key; did you mean "count"?'),
        ("target: {count: x}", 'f:1:17: target.count: expected a whole number, found the text "x"'),
        ("target: alll", 'f:1:9: target: unknown value "alll"; did you mean "all"?'),
        ("checks: {a: {promql: up, expect: x y}}", 'f:1:34: checks.a.expect: expected one of == != <= >= < > between'),
        ("checks: {a: {http: x, zzz: 1}}", "f:1:23: checks.a.zzz: unknown key; known here: every, expect"),
        ("maybe: {http: x, evry: 1s}", 'f:1:18: maybe.evry: unknown key; did you mean "every"?'),
        ("maybe: {check: vm, v: 1}", "f:1:1: maybe.vm: required, but missing"),
        ("maybe: 1", "f:1:8: maybe: expected a mapping with one of promql, http or check, found the number 1"),
        ("other: 1", "f:1:1: other: unknown key; known here: checks, maybe, names, target"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_the_words_of_the_file(content: str, expected: str) -> None:
    assert told(content, Either)[0].startswith(expected)


@pytest.mark.parametrize(
    "content", ["names: [a]", "target: all", "target: {count: 1}", "checks: {a: {http: x}}", "maybe: "]
)
def test_every_branch_of_a_union_is_open(content: str) -> None:
    assert told(content, Either) == []


def test_a_short_list_of_bad_entries_is_not_called_short() -> None:
    assert told("hypotheses: [{http: 1}]", Experiment)[-1].startswith("f:1:21: hypotheses[0].http: expected text")


def test_a_place_and_field_is_complained_about_once() -> None:
    problems = Problems()
    document = parse("names: &a 3", "f", problems)
    assert document
    validate(document, Either, problems)
    assert [problem.message for problem in problems] == ["anchors are refused: &a"]


def test_models_are_frozen_and_take_their_entries_from_code_as_well() -> None:
    check = Promql(promql="up", expect=parse_expect("== 1"), every=0.5)
    either = Either(maybe=check, names=("a",))
    assert either.maybe is check
    with pytest.raises(ValidationError):
        either.names = "b"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValidationError, match="expected a mapping"):
        Either.model_validate({"maybe": VmPause(fault="vm.pause", target=Target())})


class Pause(Model):
    fault: Literal["pause"]


class Stop(Model):
    fault: Literal["stop"]
    delay: int = 0


class Faults(Model):
    one: Annotated[Model, FirstWord({"fault": {"pause": Pause, "stop": Stop}})]


def test_the_value_of_the_first_word_may_choose() -> None:
    model = Faults.model_validate_json('{"one": {"fault": "stop", "delay": 3}}')
    assert model.one == Stop(fault="stop", delay=3)
    assert model.model_dump_json() == '{"one":{"fault":"stop","delay":3}}'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("one: {fault: pasue}", 'f:1:14: one.fault: unknown fault "pasue"; did you mean "pause"?'),
        ("one: {fault: vm.kill}", 'f:1:14: one.fault: unknown fault "vm.kill"; known here: pause, stop'),
        ("one: {fault: }", "f:1:14: one.fault: expected the name of a fault, found nothing"),
        ("one: {falt: stop}", 'f:1:6: one: expected fault in this entry; for "falt" did you mean "fault"?'),
        ("one: {}", "f:1:6: one: expected fault in this entry"),
        ("one: [x]", "f:1:6: one: expected a mapping with fault, found a list"),
        ("one: {fault: pause, delay: 1}", "f:1:21: one.delay: unknown key; known here: fault"),
    ],
)
def test_a_wrong_first_word_is_told(content: str, expected: str) -> None:
    assert told(content, Faults) == [expected]


def test_the_kind_chooses_the_model_of_a_file() -> None:
    problems = Problems()
    meant: dict[str, type[Model] | None] = {"kind: Faults": Faults, "kind: fautls": Faults, "kind: 3": None}
    for content, model in (meant | {"a: 1": None, "{names: a, target: all, kidn: x}": Either}).items():
        document = parse(content, "f", problems)
        assert document
        assert choose(document, {"Faults": Faults, "Either": Either}, problems) is model
    assert [str(problem) for problem in problems] == [
        'f:1:7: kind: unknown kind "fautls"; did you mean "Faults"?',
        "f:1:7: kind: expected one of Faults, Either: kind is not the number 3",
        "f:1:1: kind: expected one of Faults, Either: kind is missing",
        "f:1:1: kind: expected one of Faults, Either: kind is missing",
    ]


def test_of_a_file_with_too_many_mistakes_the_first_are_told_and_how_many_more_there_are() -> None:
    problems = Problems()
    for name in ("g", "f"):
        for line in range(300 if name == "f" else 2, 0, -1):
            problems.add(Problem(name, line, 1, "", "x" * 1_000_000))
    told = problems.told()
    assert [(each.path, each.line) for each in told[:MAX_TOLD]] == [("f", line) for line in range(1, MAX_TOLD + 1)]
    assert [str(each) for each in told[MAX_TOLD:-2]] == [f"f:{MAX_TOLD + 1}:1: and {300 - MAX_TOLD} more from here on"]
    assert [each.path for each in told[-2:]] == ["g", "g"]
    assert max(len(each.message) for each in told) == MAX_MESSAGE
    with pytest.raises(SpecError) as error:
        problems.check()
    assert error.value.problems == told


def test_among_very_many_nobody_looks_for_the_one_that_was_meant() -> None:
    many = [f"a{number}" for number in range(2000)]
    assert did_you_mean("a20", many) == "2000 others are known here"
    assert did_you_mean("zz", many[:60]).endswith(", …")
    assert did_you_mean("a" * 100_000, ["a" * 100_000]).startswith("known here")


def test_the_schema_is_stable_and_names_every_choice() -> None:
    text = schema_text(Experiment)
    assert text == schema_text(Experiment)
    schema = json.loads(text)
    assert set(schema["$defs"]) >= {"Promql", "Http", "VmCheck", "SplitBrain", "VmPause", "VmStop", "Target"}
    hypotheses = schema["properties"]["hypotheses"]
    assert len(hypotheses["items"]["oneOf"]) == 4
    assert schema["$defs"]["VmPause"]["properties"]["fault"]["const"] == "vm.pause"
    assert schema["$defs"]["VmPause"]["properties"]["duration"]["default"] == "1m"
    assert schema["$defs"]["Http"]["properties"]["expect"]["default"] == "== 200"
    assert schema["required"] == ["apiVersion", "kind", "name", "hypotheses"]
    assert schema["additionalProperties"] is False


def test_in_a_file_with_variables_a_number_may_be_a_name() -> None:
    plain, variables = (json.loads(schema_text(Experiment, variables=given)) for given in (False, True))
    assert plain["$defs"]["VmStop"]["properties"]["hard"]["type"] == "boolean"
    assert {"type": "string", "pattern": r"^\$"} in variables["$defs"]["VmStop"]["properties"]["hard"]["anyOf"]


@pytest.mark.parametrize(
    ("loc", "path"),
    [
        ((), ""),
        (("a",), "a"),
        (("a", 0, "b"), "a[0].b"),
        (("a", "x.y", "z"), 'a["x.y"].z'),
        (("ping-time",), "ping-time"),
        (("x" * 900_000, "y"), '["' + "x" * 59 + '…"].y'),
    ],
)
def test_paths_are_written_as_people_write_them(loc: tuple[str | int, ...], path: str) -> None:
    assert field_path(loc) == path


def test_words() -> None:
    assert did_you_mean("Promq", ["promql", "http"]) == 'did you mean "promql"?'
    assert did_you_mean("zzz", ["promql", "http"]) == "known here: http, promql"
    assert did_you_mean("zzz", []) == "nothing is known here"
    assert quote("a\nb\x1b") == '"a\\nb\\x1b"'
    assert quote("x" * 100) == '"' + "x" * 59 + '…"'
    found: list[object] = [None, True, 3, 0.5, "a", [], [1], {}]
    assert [describe(value) for value in found] == [
        "nothing", "true", "the number 3", "the number 0.5", 'the text "a"', "an empty list", "a list", "a mapping",
    ]  # fmt: skip
