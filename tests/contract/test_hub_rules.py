"""The rules of hub and controller, judged by Prometheus' own promtool: each fires when it should and only then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosjc.drivers import command
from chaosjc.site.rules import CONTROLLER, HUB, RULES
from tests.contract.prometheus_process import promtool

CASES: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "tests/cases/rules/hub.yaml").read_text())
FIRING = 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0'


def expected(at: str, alerts: list[str]) -> dict[str, Any]:
    """Exactly these alerts fire at that time, whatever they are about."""
    samples = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in alerts]
    return {"expr": FIRING, "eval_time": at, "exp_samples": samples}


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    for name in (HUB, CONTROLLER):
        (tmp_path / name).write_text(RULES[name])
    return tmp_path


def test_the_rules_are_well_formed(rules: Path) -> None:
    command.run([str(promtool()), "check", "rules", "--lint=all", "--lint-fatal", HUB, CONTROLLER], cwd=rules)


@pytest.mark.parametrize("case", CASES["cases"], ids=[case["name"] for case in CASES["cases"]])
def test_alerts_fire_when_they_should(rules: Path, case: dict[str, Any]) -> None:
    series = CASES["healthy"] | case.get("series", {})
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items() if values is not None],
        "promql_expr_test": [expected(at, alerts) for at, alerts in case["firing"].items()],
    }
    whole = {"rule_files": [HUB, CONTROLLER], "evaluation_interval": "15s", "tests": [test]}
    (rules / "test.json").write_text(json.dumps(whole))
    command.run([str(promtool()), "test", "rules", "test.json"], cwd=rules)
