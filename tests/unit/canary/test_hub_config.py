from __future__ import annotations

import json
from pathlib import Path

import pytest

from chaosjc.canary.hub_config import Login, read
from chaosjc.errors import UsageError

PLAIN = {
    "entries": {"balancer": "http://hub.example/jupyter/", "worker-001": "http://worker-001:30080"},
    "token_file": "/etc/chaosjc/token",
    "listen": 9815,
}


def written(path: Path, **more: object) -> Path:
    path.write_text(json.dumps(PLAIN | more))
    return path


def test_what_a_deployment_writes_is_read(tmp_path: Path) -> None:
    more = {"workers": ["worker-001"], "every": {"ladder": 5}, "limits": {"spawn": 90}, "login": "page"}
    config = read(written(tmp_path / "c.json", last_activity_interval=60, **more))
    assert (config.entries["balancer"], config.way) == ("http://hub.example/jupyter", "balancer")
    assert (config.every.ladder, config.every.probe, config.limits.spawn) == (5, 0.1, 90)
    assert config.last_activity_interval == 60
    assert (config.workers, config.login) == (("worker-001",), None)


def test_a_user_that_logs_in_and_a_front_are_read(tmp_path: Path) -> None:
    login = {"user": "canary-login", "password_file": str(tmp_path / "password")}
    (tmp_path / "password").write_text("horse \n")
    config = read(written(tmp_path / "c.json", login=login, front="worker-001"))
    assert (config.login, config.way) == (Login("canary-login", str(tmp_path / "password")), "worker-001")
    assert config.login and config.login.password() == "horse ", "a password may end with a blank"


@pytest.mark.parametrize(
    "wrong",
    [
        {"entries": {}},
        {"entries": {"front": "hub.example"}},
        {"entries": ["http://hub.example"]},
        {"front": "nowhere"},
        {"every": {"probe": 0}},
        {"every": {"prbe": 1}},
        {"limits": {"stop": "long"}},
        {"login": {"user": "alice", "password_file": "/etc/horse"}},
        {"login": "alice"},
        {"prefix": ""},
        {"prefix": "a"},
        {"entrys": {}},
        {"last_activity_interval": -1},
        {"last_activity_interval": "often"},
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_keys(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"c\.json") as error:
        read(written(tmp_path / "c.json", **wrong))
    assert "token_file" in error.value.hint


def test_the_token_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" secret\n")
    assert read(written(tmp_path / "c.json", token_file=str(tmp_path / "token"))).token() == "secret"


@pytest.mark.parametrize("content", [None, "\n", "  \n"])
def test_without_a_token_that_is_said(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    with pytest.raises(UsageError, match="token"):
        read(written(tmp_path / "c.json", token_file=str(tmp_path / "token"))).token()
