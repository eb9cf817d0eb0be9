"""The rules of hub and controller, judged by Prometheus' own promtool: each fires when it should and only then."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosjc.drivers import command
from chaosjc.site.rules import RULES, STORAGE
from tests.contract.prometheus_process import promtool

CASES: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "tests/cases/rules/hub.yaml").read_text())
FILES = sorted({*RULES} - {STORAGE})
WRITTEN: list[dict[str, Any]] = [
    rule for name in FILES for group in yaml.safe_load(RULES[name])["groups"] for rule in group["rules"]
]
SCRAPED = re.compile(r"(?<![\w:])(?:up|(?:chaosjc|jupyterhub|container)_\w+)(?![\w:])")
FIRING = 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0'


def expected(at: str, alerts: list[str]) -> dict[str, Any]:
    """Exactly these alerts fire at that time, whatever they are about."""
    samples = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in alerts]
    return {"expr": FIRING, "eval_time": at, "exp_samples": samples}


def check(rules: Path, tests: list[dict[str, Any]], case: dict[str, Any]) -> None:
    """The healthy site, changed as the case says. Raises CommandError with what promtool found otherwise."""
    series = CASES["healthy"] | case.get("series", {})
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items() if values is not None],
        "promql_expr_test": tests,
    }
    whole = {"rule_files": FILES, "evaluation_interval": "15s", "tests": [test]}
    (rules / "test.json").write_text(json.dumps(whole))
    command.run([str(promtool()), "test", "rules", "test.json"], cwd=rules, timeout=120)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).write_text(RULES[name])
    return tmp_path


def test_the_rules_are_well_formed(rules: Path) -> None:
    command.run([str(promtool()), "check", "rules", "--lint=all", "--lint-fatal", *FILES], cwd=rules)


@pytest.mark.parametrize("case", CASES["cases"], ids=[case["name"] for case in CASES["cases"]])
def test_alerts_fire_when_they_should(rules: Path, case: dict[str, Any]) -> None:
    check(rules, [expected(at, alerts) for at, alerts in case["firing"].items()], case)


def test_a_case_changes_what_a_well_site_says() -> None:
    """A series that is misspelt would take nothing away."""
    gone = {name for case in CASES["cases"] for name, values in case.get("series", {}).items() if values is None}
    assert gone <= set(CASES["healthy"])


def test_every_alert_of_every_file_fires_in_some_case() -> None:
    """Those of storage.yml do in cases of their own."""
    fired = {alert for case in CASES["cases"] for alerts in case["firing"].values() for alert in alerts}
    assert fired == {rule["alert"] for rule in WRITTEN if "alert" in rule}


def test_a_well_site_says_all_that_is_asked_for() -> None:
    """So that no alert is quiet only because nothing was said."""
    asked = {name for rule in WRITTEN for name in SCRAPED.findall(rule["expr"])}
    assert asked == {name for series in CASES["healthy"] for name in SCRAPED.findall(series)}


def test_an_alert_that_should_not_fire_is_seen(rules: Path) -> None:
    case = next(case for case in CASES["cases"] if case["name"] == "a debt")
    with pytest.raises(command.CommandError, match="ControllerUndoDebt"):
        check(rules, [expected("5m", [])], case)
