from __future__ import annotations

import json
from pathlib import Path

import pytest

from chaosjc.canary.storage_config import read
from chaosjc.errors import UsageError

PLAIN = {
    **{"volume": "homes", "mount": "/srv/homes", "vm": "worker-001", "listen": 9811, "every": 0.1, "keep": 600},
    **{"audit": 10, "peers": {"worker-002": "http://worker-002:9811"}},
    "sets": [{"brick-001": "http://brick-001:9810"}],
}


def written(path: Path, **more: object) -> Path:
    path.write_text(json.dumps({name: value for name, value in (PLAIN | more).items() if value is not None}))
    return path


def test_what_a_deployment_writes_is_read(tmp_path: Path) -> None:
    config = read(written(tmp_path / "c.json"))
    assert (config.sets, config.types) == (({"brick-001": "http://brick-001:9810"},), ("fuse.glusterfs",))
    assert str(config.ledger_path) == "/var/lib/chaosjc/canary/homes.ledger"


@pytest.mark.parametrize(
    "wrong",
    [
        {"every": 0},
        {"keep": "long"},
        {"mount": "srv"},
        {"vm": "../x"},
        {"volume": ""},
        {"peers": None},
        {"sets": 3},
        {"evry": 1},
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_keys(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"c\.json") as error:
        read(written(tmp_path / "c.json", **wrong))
    assert "ledger" in error.value.hint


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read(tmp_path / "c.json")
