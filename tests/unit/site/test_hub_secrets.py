"""Secrets of the hub's values: named by the site file, in the chart's Secret, and nowhere else."""

from __future__ import annotations

import base64
import dataclasses
import json
import stat
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from chaosjc.drivers import helm
from chaosjc.engine.session import Wishes
from chaosjc.errors import RemoteError, SpecError, StageError
from chaosjc.journal.redact import HIDDEN
from chaosjc.site import hub_secrets, hub_values, model
from chaosjc.site.context import Context
from chaosjc.site.hub_values import OWN_CHART
from chaosjc.site.keys import PublicKeys
from chaosjc.site.roles import Surroundings, canary
from chaosjc.site.secrets import Secrets
from chaosjc.site.sections import Hub as HubSection
from chaosjc.site.stages import hub as stage
from chaosjc.site.state import SiteState
from chaosjc.spec.secret import SecretSource
from tests.sites import cloud_file

PATH = "hub.config.GenericOAuthenticator.client_secret"
KNOWN = Secrets("SESAME", "00", "ab" * 32, "HUBTOKEN", "CANARYTOKEN")


def site_file(tmp_path: Path, **hub: object) -> Path:
    raw = cloud_file()
    raw["hub"] |= hub
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path


class TestSource:
    def test_a_file_is_found_from_the_site_file_and_loses_its_newline(self, tmp_path: Path) -> None:
        (tmp_path / "oidc").write_text("HUSH\n")
        hub = model.load(site_file(tmp_path, secrets={PATH: {"file": "oidc"}})).hub
        assert hub and hub.secrets[PATH].file == str(tmp_path / "oidc")
        assert hub_secrets.read(hub.secrets, tmp_path / "kept") == {
            "hub": {"config": {"GenericOAuthenticator": {"client_secret": "HUSH"}}}
        }

    @pytest.mark.parametrize("source", [{}, {"file": "a", "env": "B"}, {"env": "A-B"}, {"text": "HUSH"}])
    def test_what_names_no_one_place(self, tmp_path: Path, source: dict[str, str]) -> None:
        with pytest.raises(SpecError):
            model.load(site_file(tmp_path, secrets={PATH: source}))

    def test_one_within_another(self, tmp_path: Path) -> None:
        with pytest.raises(SpecError, match=r"hub\.a\.b is within hub\.a"):
            model.load(site_file(tmp_path, secrets={"hub.a": {"env": "A"}, "hub.a.b": {"env": "B"}}))

    @pytest.mark.parametrize(
        ("content", "said"), [(None, "No such file"), (b"\n", "found 0 characters"), (b"\xff", "is not UTF-8 text")]
    )
    def test_a_file_that_has_none(self, tmp_path: Path, content: bytes | None, said: str) -> None:
        if content is not None:
            (tmp_path / "oidc").write_bytes(content)
        with pytest.raises(StageError, match=said):
            hub_secrets.read({"a.b": SecretSource(file=str(tmp_path / "oidc"))}, tmp_path / "kept")

    def test_a_variable_is_remembered_for_an_undo_that_does_not_have_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept, sources = tmp_path / "kept.json", {"a.b": SecretSource(env="CHAOSJC_TEST_SECRET")}
        monkeypatch.setenv("CHAOSJC_TEST_SECRET", "HUSH")
        hub_secrets.keep(sources, kept)
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        monkeypatch.setenv("CHAOSJC_TEST_SECRET", "NEWER")
        assert hub_secrets.read(sources, kept) == {"a": {"b": "NEWER"}}
        monkeypatch.delenv("CHAOSJC_TEST_SECRET")
        assert hub_secrets.read(sources, kept) == {"a": {"b": "HUSH"}}
        kept.unlink()
        with pytest.raises(StageError, match=r"a\.b lies in \$CHAOSJC_TEST_SECRET, which is not set"):
            hub_secrets.read(sources, kept)


class TestLoginOfTheCanary:
    """`hub.canary.password` is one too."""

    @pytest.mark.parametrize(("environment", "refused"), [("lab", False), ("production", True)])
    def test_it_is_in_clear_for_a_lab_alone(self, tmp_path: Path, environment: str, refused: bool) -> None:
        file = with_login(tmp_path, environment, "HUSH")
        if refused:
            with pytest.raises(SpecError, match=r"a secret in clear .* `password: \{file: PATH\}`"):
                model.load(file)
        else:
            assert logged_in_with(model.load(file), tmp_path) == "HUSH"

    def test_it_is_read_where_it_lies_and_kept_out_of_snapshot_and_user_data(self, tmp_path: Path) -> None:
        (tmp_path / "login").write_text("HUSH\n")
        site = model.load(with_login(tmp_path, "production", {"file": "login"}))
        assert logged_in_with(site, tmp_path) == "HUSH"
        assert "HUSH" not in site.snapshot()
        monitor = next(each for each in site.machines if each.name == model.MONITOR)
        around = Surroundings(PublicKeys("ssh-ed25519 U", "ssh-ed25519 H"), {})
        assert "HUSH" not in str(canary.contents(site, monitor, around))

    def test_a_variable_is_remembered(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        kept, source = tmp_path / "kept.json", SecretSource(env="CHAOSJC_TEST_SECRET")
        monkeypatch.setenv("CHAOSJC_TEST_SECRET", "HUSH")
        hub_secrets.keep_password(source, kept)
        monkeypatch.delenv("CHAOSJC_TEST_SECRET")
        assert hub_secrets.password(source, kept) == "HUSH"


def with_login(tmp_path: Path, environment: str, password: object) -> Path:
    path = site_file(tmp_path, values={}, canary={"password": password})
    raw = yaml.safe_load(path.read_text()) | {
        "environment": environment,
        "controller": "https://controller.example.org",
    }
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path


def logged_in_with(site: model.SiteFile, directory: Path) -> str:
    """The password that stage hub gives to the monitor VM."""
    assert site.hub
    context = cast("Context", FakeContext(site, SiteState(directory)))
    return stage.given(context, site.hub, KNOWN)["of the canary's login"].secret


class TestNowhereElse:
    def test_the_chart_has_it_in_its_secret_alone(self, tmp_path: Path) -> None:
        site = model.load(site_file(tmp_path))
        assert site.hub
        values = hub_values.values(site, site.hub, KNOWN, {})
        values = hub_values.merged(values, {"hub": {"config": {"GenericOAuthenticator": {"client_secret": "HUSH"}}}})
        objects = helm.render(OWN_CHART, values, name="hub", namespace="jhub")
        secret = [each for each in objects if each["kind"] == "Secret"]
        assert "HUSH" not in json.dumps([each for each in objects if each["kind"] != "Secret"])
        assert "client_secret" in helm_values(secret)

    def test_what_a_plan_says_names_keys_alone(self) -> None:
        def values(secret: str) -> dict[str, Any]:
            return {"hub": {"config": {"GenericOAuthenticator": {"client_secret": secret}}}}

        assert helm.altered(values("NEW"), values("OLD")) == (PATH,)

    def test_the_snapshot_of_a_journal_has_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "oidc").write_text("HUSH\n")
        site = model.load(site_file(tmp_path, secrets={PATH: {"file": "oidc"}}))
        snapshot = site.model_dump_json(by_alias=True)
        assert "HUSH" not in snapshot and str(tmp_path / "oidc") in snapshot
        assert Wishes(tmp_path, site).site == model.SiteFile.model_validate_json(snapshot)

    def test_an_error_of_helm_does_not_tell_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "oidc").write_text("HUSH\n")
        site = model.load(site_file(tmp_path, secrets={PATH: {"file": "oidc"}}))

        def refuses(*_: object) -> None:
            raise RemoteError("client_secret: HUSH is too short")

        monkeypatch.setattr(stage, "_releases", refuses)
        deploy = cast("Any", stage.Hub())._deploy
        with pytest.raises(StageError) as error:
            deploy(FakeContext(site, SiteState(tmp_path)), cast("HubSection", site.hub), {})
        assert error.value.message == f"hub: client_secret: {HIDDEN} is too short"

    def test_a_missing_one_is_told_before_anything_is_asked(self, tmp_path: Path) -> None:
        site = model.load(site_file(tmp_path, secrets={PATH: {"file": "nowhere"}}))
        context = cast("Context", FakeContext(site, SiteState(tmp_path)))
        with pytest.raises(StageError, match="nowhere: No such file"):
            stage.Hub().facts(context, patient=False)


@dataclasses.dataclass(frozen=True)
class FakeContext:
    """As much of a Context as is looked at before anything is asked."""

    site: model.SiteFile
    state: SiteState
    only: None = None


def helm_values(objects: list[Any]) -> str:
    """What jupyterhub_config.py reads."""
    return base64.b64decode(objects[0]["data"]["values.json"]).decode()
