"""The rules, judged by Prometheus' own promtool: is each well-formed, does it fire when it should and only then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosjc.drivers import command
from chaosjc.site.model import load
from chaosjc.site.rules import rule_files
from tests.contract.prometheus_process import promtool

ROOT = Path(__file__).parents[2]
CASES: dict[str, Any] = yaml.safe_load((ROOT / "tests/cases/rules/storage.yaml").read_text())
FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'


@pytest.fixture
def rules(tmp_path: Path) -> list[Path]:
    """The files that a site of three bricks gets."""
    found = rule_files(load(ROOT / "sites" / "lab.yaml"))
    for name, text in found.items():
        (tmp_path / name).write_text(text)
    return [tmp_path / name for name in found]


def test_the_rules_are_well_formed(rules: list[Path]) -> None:
    command.run([str(promtool()), "check", "rules", "--lint=all", "--lint-fatal", *map(str, rules)])


@pytest.mark.parametrize("case", CASES["cases"], ids=[case["name"] for case in CASES["cases"]])
def test_alerts_fire_when_they_should(rules: list[Path], case: dict[str, Any]) -> None:
    _check(rules, [_expected(at, alerts) for at, alerts in case["firing"].items()], case)


def test_every_alert_fires_in_some_case() -> None:
    fired = {alert for case in CASES["cases"] for alerts in case["firing"].values() for alert in alerts}
    text = yaml.safe_load((ROOT / "chaosjc/site/rules/storage.yml").read_text())
    assert fired == {rule["alert"] for group in text["groups"] for rule in group["rules"] if "alert" in rule}


def test_an_alert_that_should_not_fire_is_seen(rules: list[Path]) -> None:
    case = next(case for case in CASES["cases"] if case["name"] == "split-brain")
    with pytest.raises(command.CommandError, match="StorageSplitBrain"):
        _check(rules, [_expected("3m", [])], case)


def test_what_a_recorded_series_says(rules: list[Path]) -> None:
    """A brick that says nothing is 0, its replica set one fewer; latencies come from the histogram."""
    buckets = {"0.01": 900, "0.02": 990, "5.0": 1000, "+Inf": 1000}
    case = {
        "series": {
            'chaosjc_gluster_brick_up{volume="homes", brick="brick-001"}': None,
            **{
                f'chaosjc_storage_write_seconds_bucket{{volume="homes", vm="worker-001", le="{le}"}}': f"0+{n}x80"
                for le, n in buckets.items()
            },
        }
    }
    expected = {
        "chaosjc:brick_up": ('{brick="brick-001", set="homes/0", volume="homes"}', 0),
        "chaosjc:replica_set_up": ('{set="homes/0", volume="homes"}', 2),
        "volume:chaosjc_storage_write_seconds:p99": ('{volume="homes"}', 0.02),
        "volume:chaosjc_storage_errors:ratio": ('{volume="homes"}', 0),
    }
    tests = [
        {
            "expr": f'{name}{{volume="homes", brick=~"|brick-001"}}',
            "eval_time": "5m",
            "exp_samples": [{"labels": f"{name}{labels}", "value": value}],
        }
        for name, (labels, value) in expected.items()
    ]
    _check(rules, tests, case)


def _expected(at: str, alerts: list[str]) -> dict[str, Any]:
    """Exactly these alerts fire at that time, whatever they are about."""
    samples = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in alerts]
    return {"expr": f"{FIRING} > bool 0", "eval_time": at, "exp_samples": samples}


def _check(rules: list[Path], tests: list[dict[str, Any]], case: dict[str, Any]) -> None:
    series = CASES["healthy"] | case.get("series", {})
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items() if values is not None],
        "promql_expr_test": tests,
    }
    path = rules[0].parent / "test.json"
    files = [rule.name for rule in rules]
    path.write_text(json.dumps({"rule_files": files, "evaluation_interval": "15s", "tests": [test]}))
    command.run([str(promtool()), "test", "rules", path.name], cwd=path.parent)
