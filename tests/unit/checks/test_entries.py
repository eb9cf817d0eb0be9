"""Files' entries of checks, and the plans that they become."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from chaosjc.checks.entry import CheckEntry, Names
from chaosjc.checks.registry import KINDS, Check, check_plan, hypothesis_plan, needs
from chaosjc.journal.events import PHASES

ENTRY: TypeAdapter[CheckEntry] = TypeAdapter(Check)
NAMES = Names(("worker-001",), ("worker-002", "worker-003"))


def read(entry: dict[str, Any]) -> CheckEntry:
    import json

    return ENTRY.validate_json(json.dumps(entry))


def test_everything_that_a_hypothesis_may_say() -> None:
    entry = read(
        {
            "name": "hub answers",
            "promql": 'hub_up{worker!~"$targets"}',
            "data": "up",
            "expect": "== 1",
            "every": "2s",
            "timeout": "3s",
            "phases": ["after", "during"],
            "tolerate": "1m30s",
            "min_coverage": 0.5,
            "stop": True,
            "require": "any",
            "series": 2,
        }
    )
    assert hypothesis_plan(entry, "h1", NAMES).model_dump() == {
        "id": "h1",
        "name": "hub answers",
        "kind": "promql",
        "options": {"promql": 'hub_up{worker!~"worker-001"}', "data": "up"},
        "expect": "== 1",
        "every": 2.0,
        "timeout": 3.0,
        "require": "any",
        "series": 2,
        "phases": ("during", "after"),
        "tolerate": 90.0,
        "min_coverage": 0.5,
        "stop": True,
    }
    assert entry.claims == ("phases", "tolerate", "min_coverage", "stop")


@pytest.mark.parametrize(
    ("entry", "kind", "name", "expected", "options"),
    [
        (
            {"http": "http://hub/$targets"},
            "http",
            "GET http://hub/worker-001",
            "== 200",
            {"url": "http://hub/worker-001", "method": "GET", "headers": {}},
        ),
        (
            {"command": ["true", "$others"]},
            "command",
            "true worker-002|worker-003",
            "== 0",
            {"argv": ["true", "worker-002|worker-003"], "host": ""},
        ),
        (
            {"command": ["uptime"], "host": "dns"},
            "command",
            "uptime on dns",
            "== 0",
            {"argv": ["uptime"], "host": "dns"},
        ),
        ({"check": "vm", "target": "dns"}, "vm", "vm dns", "== whole", {"names": ["dns"]}),
        (
            {"check": "vm", "target": "$others"},
            "vm",
            "vm worker-002, worker-003",
            "== whole",
            {"names": ["worker-002", "worker-003"]},
        ),
        ({"promql": "up", "expect": "== 1"}, "promql", "up == 1", "== 1", {"promql": "up", "data": ""}),
    ],
)
def test_defaults(entry: dict[str, Any], kind: str, name: str, expected: str, options: dict[str, Any]) -> None:
    plan = hypothesis_plan(read(entry), "h1", NAMES)
    assert (plan.kind, plan.name, plan.expect, plan.options) == (kind, name, expected, options)
    assert (plan.every, plan.timeout, plan.require, plan.series) == (1.0, 5.0, "all", None)
    assert (plan.phases, plan.tolerate, plan.min_coverage, plan.stop) == (PHASES, 0.0, 0.9, False)
    assert plan.kind in KINDS
    assert read(entry).claims == ()


@pytest.mark.parametrize(
    "entry",
    [
        {"promql": "up"},
        {"promql": "", "expect": "== 1"},
        {"promql": "sum(up", "expect": "== 1"},
        {"promql": "vector(1)", "expect": "== 1"},
        {"http": "hub:8000"},
        {"http": "http://hub", "method": "get"},
        {"command": []},
        {"command": "true"},
        {"check": "vm"},
        {"check": "vm", "target": "dns", "host": "x"},
        {"check": "pod", "target": "dns"},
        {"http": "http://hub", "command": ["true"]},
        {"http": "http://hub", "expect": "= 200"},
        {"http": "http://hub", "every": 1},
        {"http": "http://hub", "every": "0s"},
        {"http": "http://hub", "timeout": "0s"},
        {"http": "http://hub", "phases": []},
        {"http": "http://hub", "phases": ["soon"]},
        {"http": "http://hub", "min_coverage": 1.1},
        {"http": "http://hub", "series": 0},
        {"http": "http://hub", "require": "most"},
        {"http": "http://hub", "retries": 3},
    ],
)
def test_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read(entry)


def test_what_the_expression_does_not_tell_data_does() -> None:
    assert read({"promql": "vector(1)", "data": "up", "expect": "== 1"}).kind == "promql"


def test_needs() -> None:
    entries = [{"http": "http://hub"}, {"command": ["true"]}]
    plans = [check_plan(read(entry), "h1", NAMES) for entry in entries]
    assert needs(plans) == {"http"}
    more = [{"command": ["true"], "host": "dns"}, {"promql": "up", "expect": "== 1"}, {"check": "vm", "target": "dns"}]
    plans += [check_plan(read(entry), "h2", NAMES) for entry in more]
    assert needs(plans) == {"http", "ssh", "prometheus", "cloud"}
