"""Secrets in clear: refused in a site file, whatever they are called, and never where a name only sounds like one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from chaosjc.cli import check
from chaosjc.errors import SpecError
from chaosjc.site import model
from tests.sites import cloud_file
from tests.unit.site import adopted_site

KEY = "-----BEGIN RSA PRIVATE KEY-----\nHUSH\n-----END RSA PRIVATE KEY-----\n"


def written(tmp_path: Path, raw: dict[str, Any]) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path


def with_values(tmp_path: Path, environment: str, values: dict[str, Any]) -> Path:
    """A site whose hub has these values."""
    raw: dict[str, Any] = {**cloud_file(), "environment": environment, "controller": "https://controller.example.org"}
    raw["hub"] |= {"values": values, "canary": {}}
    return written(tmp_path, raw)


def refused(path: Path) -> list[str]:
    """Where it has secrets, and nothing else that is wrong."""
    try:
        model.load(path)
    except SpecError as error:
        assert all("a secret in clear would be in every journal" in each.message for each in error.problems)
        assert "HUSH" not in str(error)
        return [each.field.removeprefix("hub.values.") for each in error.problems]
    return []


# ------------------------------------------------------------------ in the hub's values


def test_it_is_refused_at_its_place_with_what_to_write(tmp_path: Path) -> None:
    way = "hub.config.GenericOAuthenticator.client_secret"
    values = {"hub": {"config": {"GenericOAuthenticator": {"client_secret": "HUSH"}}}}
    path = with_values(tmp_path, "lab", values)
    with pytest.raises(SpecError) as error:
        model.load(path)
    (problem,) = error.value.problems
    assert path.read_text().splitlines()[problem.line - 1].strip() == "client_secret: HUSH"
    assert f"secrets: {{{way}: {{file: PATH}}}}" in problem.message and "HUSH" not in str(problem)


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"proxy": {"secretToken": "HUSH"}}, "proxy.secretToken"),
        ({"hub": {"cookieSecret": "HUSH"}}, "hub.cookieSecret"),
        ({"hub": {"services": {"a": {"apiToken": "HUSH"}}}}, "hub.services.a.apiToken"),
        ({"hub": {"config": {"Auth": {"keys": "HUSH", "crypt_keys": ["HUSH"]}}}}, "hub.config.Auth.crypt_keys[0]"),
        ({"hub": {"extraEnv": {"OAUTH_CLIENT_SECRET": "HUSH"}}}, "hub.extraEnv.OAUTH_CLIENT_SECRET"),
        ({"hub": {"extraEnv": {"AWS_SECRET_ACCESS_KEY": "HUSH"}}}, "hub.extraEnv.AWS_SECRET_ACCESS_KEY"),
        ({"hub": {"extraEnv": {"GITLAB_TOKEN": "HUSH"}}}, "hub.extraEnv.GITLAB_TOKEN"),
        ({"hub": {"extraEnv": {"GITLAB_TOKEN": {"value": "HUSH"}}}}, "hub.extraEnv.GITLAB_TOKEN.value"),
        ({"hub": {"extraEnv": {"A": {"name": "GITLAB_TOKEN", "value": "HUSH"}}}}, "hub.extraEnv.A.value"),
        ({"hub": {"extraEnv": [{"name": "GITHUB_CLIENT_SECRET", "value": "HUSH"}]}}, "hub.extraEnv[0].value"),
        ({"proxy": {"https": {"manual": {"key": KEY, "cert": "x"}}}}, "proxy.https.manual.key"),
        ({"hub": {"extraFiles": {"tls": {"stringData": KEY}}}}, "hub.extraFiles.tls.stringData"),
        ({"hub": {"services": {"a": {"apiToken": 12345678}}}}, "hub.services.a.apiToken"),
        ({"hub": {"config": {"CryptKeeper": {"crypt_keys": [1e31]}}}}, "hub.config.CryptKeeper.crypt_keys[0]"),
        ({"hub": {"extraEnv": [{"name": "GITLAB_TOKEN", "value": 12345678}]}}, "hub.extraEnv[0].value"),
    ],
)
def test_so_are_others_in_a_lab_too(tmp_path: Path, values: dict[str, Any], where: str) -> None:
    assert refused(with_values(tmp_path, "lab", values)) == [where]


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"hub": {"config": {"DummyAuthenticator": {"password": "HUSH"}}}}, "hub.config.DummyAuthenticator.password"),
        ({"hub": {"extraEnv": [{"name": "PGPASSWORD", "value": "HUSH"}]}}, "hub.extraEnv[0].value"),
        ({"hub": {"db": {"url": "postgresql+psycopg2://u:HUSH@h:5432/db"}}}, "hub.db.url"),
        ({"hub": {"extraEnv": {"REDIS": "redis://:HUSH@cache/0"}}}, "hub.extraEnv.REDIS"),
        ({"hub": {"extraEnv": {"DB_PASSWORD": 20261130}}}, "hub.extraEnv.DB_PASSWORD"),
        ({"hub": {"extraConfig": {"db": "c.JupyterHub.db_url = 'mysql://u:HUSH@h/db'"}}}, "hub.extraConfig.db"),
    ],
)
@pytest.mark.parametrize("environment", ["lab", "test", "pre-production", "production"])
def test_a_password_of_a_lab_alone_is_none(
    tmp_path: Path, values: dict[str, Any], where: str, environment: str
) -> None:
    assert refused(with_values(tmp_path, environment, values)) == ([] if environment == "lab" else [where])


@pytest.mark.parametrize(
    "values",
    [
        {"hub": {"config": {"A": {"token_url": "https://x", "access_token_url": "https://x", "client_secret": ""}}}},
        {"hub": {"config": {"A": {"tokenUrl": "https://x:8443/@a", "userdata_token_method": "HEADER"}}}},
        {"hub": {"existingSecret": "name", "db": {"url": "postgresql://hub@db.example.org:5432/hub"}}},
        {"hub": {"extraEnv": {"X": {"valueFrom": {"secretKeyRef": {"name": "gitlab-token", "key": "GITLAB_TOKEN"}}}}}},
        {
            "hub": {
                "extraEnv": [{"name": "A_TOKEN", "valueFrom": {"secretKeyRef": {"name": "a-secret", "key": "token"}}}]
            }
        },
        {"hub": {"extraEnv": [{"name": "TOKEN_URL", "value": "https://x"}, {"name": "A_TOKEN", "value": ""}]}},
        {"hub": {"extraEnv": {"DB": "postgresql://hub:$(PGPASSWORD)@db/hub", "OTHER": "https://{user}:{token}@x"}}},
        {"hub": {"extraVolumes": [{"name": "a-secret", "secret": {"secretName": "a-secret"}}]}},
        {"imagePullSecret": {"create": True}, "singleuser": {"image": {"pullSecrets": ["name"]}}},
        {"imagePullSecrets": [{"name": "registry-secret"}], "singleuser": {"imagePullSecret": "registry-token"}},
        {"proxy": {"https": {"secret": {"name": "tls", "key": "tls.key", "crt": "tls.crt"}}}},
        {"proxy": {"https": {"manual": {"cert": "-----BEGIN CERTIFICATE-----\nMII\n"}}}},
        {"singleuser": {"extraTolerations": [{"key": "hub.jupyter.org/dedicated", "value": "user"}]}},
        {"singleuser": {"image": {"name": "registry:5000/notebook@sha256:00"}}},
        {"hub": {"config": {"JupyterHub": {"oauth_token_expires_in": 1209600, "token_expires_in_max_seconds": 3600}}}},
        {"hub": {"config": {"A": {"tokenExpirySeconds": 3600, "auth_refresh_age": 300, "rotateToken": True}}}},
        {"hub": {"config": {"NativeAuthenticator": {"minimum_password_length": 8, "check_common_password": True}}}},
        {"hub": {"services": {"a": {"apiToken": None}}, "concurrentSpawnLimit": 64, "fsGid": 1000}},
        {"hub": {"serviceAccount": {"automountServiceAccountToken": False}, "extraEnv": {"TOKEN_LIFETIME": 0.5}}},
        {"proxy": {"service": {"nodePorts": {"http": 30080, "https": 30443}}, "secretToken": None}},
        {"singleuser": {"uid": 1000, "memory": {"limit": 1073741824}, "cpu": {"guarantee": 0.05}}},
        {
            "singleuser": {
                "storage": {
                    "extraVolumes": [
                        {
                            "name": "token",
                            "projected": {
                                "defaultMode": 420,
                                "sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}],
                            },
                        }
                    ]
                }
            }
        },
        {"cull": {"timeout": 3600, "every": 600, "maxAge": 0}},
    ],
)
def test_what_only_sounds_like_it_is_not(tmp_path: Path, values: dict[str, Any]) -> None:
    assert refused(with_values(tmp_path, "production", values)) == []


def test_what_is_in_a_list_has_no_way_that_secrets_could_name(tmp_path: Path) -> None:
    path = with_values(tmp_path, "lab", {"hub": {"extraEnv": [{"name": "A_TOKEN", "value": "HUSH"}]}})
    with pytest.raises(SpecError, match="give a variable `valueFrom`, or write a mapping instead of the list"):
        model.load(path)


# ------------------------------------------------------------------ in the URL of an adopted site's Prometheus


@pytest.mark.parametrize("environment", ["lab", "production"])
@pytest.mark.parametrize("login", ["ada:HUSH@", "ada@", "ada:HU/SH@"])
def test_a_login_of_prometheus_lies_in_variables(tmp_path: Path, login: str, environment: str) -> None:
    said: dict[str, Any] = {"environment": environment, "state": "/srv/chaosjc/campus"}
    raw = adopted_site.raw(adopted={"prometheus": f"https://{login}metrics.example.org/prometheus"}, **said)
    path = written(tmp_path, raw)
    assert refused(path) == ["adopted.prometheus"]
    with pytest.raises(SpecError, match="export CHAOSJC_PROMETHEUS_USER and CHAOSJC_PROMETHEUS_PASSWORD"):
        model.load(path)


@pytest.mark.parametrize("prometheus", ["https://metrics.example.org:9090/prometheus", "jump:9090", None])
def test_without_one_it_may_be_anywhere(tmp_path: Path, prometheus: str | None) -> None:
    assert refused(written(tmp_path, adopted_site.raw(adopted={"prometheus": prometheus}))) == []


def test_nor_has_a_variable_one(tmp_path: Path) -> None:
    told = {"hub_token": "HUSH", "hub": "http://hub/?token=HUSH", "login_url": "http://hub/login", "longest": 3}
    assert refused(written(tmp_path, adopted_site.raw(vars=told))) == ["vars.hub_token", "vars.hub"]


# ------------------------------------------------------------------ who else reads a site file


def test_check_says_the_same(tmp_path: Path) -> None:
    raw = adopted_site.raw(adopted={"prometheus": "https://ada:HUSH@metrics/"})
    for path in (written(tmp_path, raw), with_values(tmp_path, "test", {"hub": {"db": {"password": "HUSH"}}})):
        said = CliRunner().invoke(check.app, ["--json", str(path)])
        assert (said.exit_code, len(json.loads(said.stdout)["errors"])) == (2, 1)
        assert "HUSH" not in said.stdout


def test_a_journal_that_has_one_is_still_read() -> None:
    raw: dict[str, Any] = {**cloud_file(), "environment": "test"}
    raw["hub"]["values"] = {"hub": {"config": {"A": {"client_secret": "HUSH", "password": "HUSH"}}}}
    assert model.SiteFile.restore(json.dumps(raw)).hub
    assert adopted_site.adopted_site(adopted={"prometheus": "https://ada:HUSH@metrics/"}).adopted
