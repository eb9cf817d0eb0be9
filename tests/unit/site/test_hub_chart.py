"""`check`, `plan` and `deploy` ask the hub's chart what it takes, before anything is made."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import helm_python
import pytest
import yaml
from typer.testing import CliRunner

from chaosjc.cli.main import app
from chaosjc.errors import SpecError
from chaosjc.site import context as site_context
from chaosjc.site import deploy, hub_chart, model
from tests.sites import ROOT, cloud_file
from tests.unit.helm.charts import SHAPED, merged

CHARTS = pytest.mark.parametrize("chart", ["", str(SHAPED)], ids=["ours", "z2jh's shape"])


def site_file(directory: Path, **hub: Any) -> Path:
    path = directory / "site.yaml"
    path.write_text(yaml.safe_dump(merged(cloud_file(), {"hub": hub}), sort_keys=False))
    return path


def problems(path: Path) -> list[tuple[str, str]]:
    """(field, message) of each."""
    try:
        hub_chart.check(path, model.load(path))
    except SpecError as error:
        assert all(each.path == str(path) and each.line > 1 for each in error.problems)
        return [(each.field, each.message) for each in error.problems]
    return []


@CHARTS
def test_the_labs_values_are_taken(tmp_path: Path, chart: str) -> None:
    assert problems(site_file(tmp_path, chart=chart)) == []


@pytest.mark.parametrize("site", [each.name for each in (ROOT / "sites").glob("*.yaml")])
def test_the_sites_that_are_here_have_none(site: str) -> None:
    hub_chart.check(ROOT / "sites" / site, model.load(ROOT / "sites" / site))


@CHARTS
@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        (
            {"singleuser": {"startTimeot": 60}},
            "hub.values.singleuser.startTimeot",
            'the chart has no such value; did you mean "startTimeout"?',
        ),
        ({"singleuser": {"startTimeout": "5m"}}, "hub.values.singleuser.startTimeout", "integer, not string"),
        ({"proxy": {"service": {"type": "Nodeport"}}}, "hub.values.proxy.service.type", "must be one of"),
        ({"hub": {"resources": [1]}}, "hub.values.hub.resources", "the chart expects object, not array"),
        ({"nodes": 3}, "hub.values.nodes", "the chart has no such value; known here: "),
    ],
)
def test_a_wrong_value_is_told_with_its_place(
    tmp_path: Path, chart: str, values: dict[str, Any], field: str, said: str
) -> None:
    (found,) = problems(site_file(tmp_path, chart=chart, values=values))
    assert found[0] == field
    assert said in found[1]


def test_all_of_them_at_once(tmp_path: Path) -> None:
    values: dict[str, Any] = {"singleuser": {"startTimeot": 1, "startTimeout": "x"}, "hub": {"imag": {}, "a'b/c": 1}}
    assert {field for field, _ in problems(site_file(tmp_path, values=values))} == {
        "hub.values.singleuser.startTimeot",
        "hub.values.singleuser.startTimeout",
        "hub.values.hub.imag",
        'hub.values.hub["a\'b/c"]',
    }


class TestSecrets:
    """They are not read: what a placeholder does not fit says nothing, but that there is no such value does."""

    def test_of_any_kind(self, tmp_path: Path) -> None:
        secrets = {"hub.db.password": {"env": "NOWHERE"}, "hub.concurrentSpawnLimit": {"file": "nowhere"}}
        assert problems(site_file(tmp_path, secrets=secrets)) == []

    def test_of_no_value(self, tmp_path: Path) -> None:
        (found,) = problems(
            site_file(tmp_path, secrets={"hub.confg.GenericOAuthenticator.client_secret": {"env": "A"}})
        )
        assert found[0] == 'hub.secrets["hub.confg.GenericOAuthenticator.client_secret"]'
        assert 'did you mean "config"?' in found[1]


def test_what_the_site_itself_says_and_the_chart_does_not_take(tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    chart.mkdir()
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: strange, version: 1.0.0}\n")
    (chart / "values.schema.json").write_text(
        '{"properties": {"proxy": {"properties": {"secretToken": {"type": "null"}}}}}'
    )
    (found,) = problems(site_file(tmp_path, chart="chart"))
    assert found == ("hub.chart", "proxy.secretToken: the chart expects null, not string")


def test_an_archive_is_asked_too(tmp_path: Path) -> None:
    archive = Path(helm_python.package(SHAPED, destination=tmp_path))
    (found,) = problems(site_file(tmp_path, chart=archive.name, values={"hub": {"imag": {}}}))
    assert found[0] == "hub.values.hub.imag"


@pytest.mark.parametrize("chart", ["./nowhere", "./nowhere.tgz", "."])
def test_a_chart_that_is_not_there(tmp_path: Path, chart: str) -> None:
    (found,) = problems(site_file(tmp_path, chart=chart))
    assert found[0] == "hub.chart"
    assert found[1].startswith(str((tmp_path / chart).resolve()))
    assert "no Helm chart: expected an archive, or a directory with Chart.yaml" in found[1]


class TestCommands:
    def test_check(self, tmp_path: Path) -> None:
        path = site_file(tmp_path, values={"singleuser": {"startTimeot": 60}})
        result = CliRunner().invoke(app, ["check", "--json", str(path)])
        assert result.exit_code == 2
        assert "hub.values.singleuser.startTimeot" in result.stdout

    @pytest.mark.parametrize("verb", ["plan", "deploy"])
    def test_plan_and_deploy_begin_with_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
        def begun(*_: object) -> None:
            raise AssertionError("begun")

        monkeypatch.setattr(site_context, "open_site", lambda site, **_: SimpleNamespace(site=site, only=None))  # pyright: ignore
        monkeypatch.setattr(deploy, verb, begun)
        wrong = site_file(tmp_path, chart="./nowhere")
        result = CliRunner().invoke(app, ["site", verb, str(wrong)])
        assert isinstance(result.exception, SpecError)
        assert "no Helm chart" in str(result.exception)
