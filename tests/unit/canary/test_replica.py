from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from chaosjc.canary import replica, web
from chaosjc.canary.brick import LocalBrick
from chaosjc.canary.replica import PREFIX, Audits, Replica
from chaosjc.canary.watch import Unknown
from tests.unit.canary import bricks

Ask = Callable[[str], tuple[int, Any]]


@pytest.fixture
def brick(tmp_path: Path) -> LocalBrick:
    return bricks.make(tmp_path)


@pytest.fixture
def directory(brick: LocalBrick) -> Path:
    """What worker-001 wrote on its first shelf."""
    found = Path(brick.path) / ".chaosjc" / "worker-001" / "0"
    found.mkdir(parents=True)
    return found


@pytest.fixture
def ask(brick: LocalBrick) -> Iterator[Ask]:
    server = web.serve(0, CollectorRegistry(), {PREFIX: Audits({"homes": Replica(brick)})})
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)

    def get(path: str) -> tuple[int, Any]:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    yield get
    connection.close()
    server.close()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_it_tells_what_lies_on_its_own_disk(brick: LocalBrick, directory: Path, ask: Ask) -> None:
    (directory / "0000000001").write_bytes(b"one")
    (directory / "0000000002").write_bytes(b"two")
    bricks.pend(brick, "5a94f6e2-0da4-4453-b42a-0076f4b5f184")
    assert ask("/audit/homes/.chaosjc/worker-001") == (
        200,
        {
            "pending": 1,
            "arbiter": False,
            "files": {"0000000001": sha256(b"one"), "0000000002": sha256(b"two")},
        },
    )


def test_a_worker_that_never_wrote_has_no_files(ask: Ask) -> None:
    assert ask("/audit/homes/.chaosjc/worker-009") == (200, {"pending": 0, "arbiter": False, "files": {}})


def test_an_arbiter_has_names_only(brick: LocalBrick, directory: Path, ask: Ask) -> None:
    bricks.volfile(brick).write_text("volume homes-arbiter\n    type features/arbiter\nend-volume\n")
    (directory / "0000000001").touch()
    assert ask("/audit/homes/.chaosjc/worker-001")[1] == {"pending": 0, "arbiter": True, "files": {"0000000001": None}}


def test_changed_bytes_are_read_again_and_others_are_not(
    brick: LocalBrick, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    digest = replica._digest

    def noted(name: str, at: int) -> str:
        read.append(name)
        return digest(name, at)

    monkeypatch.setattr(replica, "_digest", noted)
    found = Replica(brick)
    for name in ("0000000001", "0000000002"):
        (directory / name).write_bytes(b"same")
    found.look("worker-001")
    read.clear()
    found.look("worker-001")
    assert read == []
    (directory / "0000000002").write_bytes(b"evil")
    assert found.look("worker-001")["files"] == {"0000000001": sha256(b"same"), "0000000002": sha256(b"evil")}
    assert read == ["0000000002"]


def test_pointers_temporaries_and_directories_are_no_files(
    directory: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer, empty = directory / "0000000001", directory / "0000000002"
    for each in (pointer, empty):
        each.touch()
        each.chmod(0o1000)
    (directory / ".0000000003.new").touch()
    (directory / "0000000004").mkdir()
    (directory / "0000000005").symlink_to("/etc/passwd")

    def getxattr(path: str, name: str, *, follow_symlinks: bool) -> bytes:
        assert (name, follow_symlinks) == ("trusted.glusterfs.dht.linkto", False)
        if path.endswith(pointer.name):
            return b"homes-replicate-1\0"
        raise OSError(errno.ENODATA, "no such attribute")

    monkeypatch.setattr(os, "getxattr", getxattr)
    assert ask("/audit/homes/.chaosjc/worker-001")[1]["files"] == {"0000000002": sha256(b"")}


def test_files_of_all_shelves_are_one_answer(
    brick: LocalBrick, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digests of each are remembered, and no descriptor is left open."""
    for seq in range(20):
        shelf = directory.parent / f"{seq % 16:x}"
        shelf.mkdir(exist_ok=True)
        (shelf / f"{seq:010d}").write_bytes(b"%d" % seq)
    found, before = Replica(brick), len(os.listdir("/proc/self/fd"))
    expected = {f"{seq:010d}": sha256(b"%d" % seq) for seq in range(20)}
    assert found.look("worker-001")["files"] == expected
    monkeypatch.setattr(replica, "_digest", None)
    assert found.look("worker-001")["files"] == expected
    assert len(os.listdir("/proc/self/fd")) == before


STEPS = (".chaosjc", "worker-001", "a")


@pytest.mark.parametrize("step", STEPS)
def test_a_symbolic_link_on_the_way_leads_nowhere(brick: LocalBrick, tmp_path: Path, ask: Ask, step: str) -> None:
    """A user of the volume can write one, and this process is root."""
    at = STEPS.index(step)
    secret = (tmp_path / "secret").joinpath(*STEPS[at + 1 :])
    secret.mkdir(parents=True)
    (secret / "0000000010").write_text("secret")
    link = Path(brick.path).joinpath(*STEPS[: at + 1])
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "secret")
    status, said = ask("/audit/homes/.chaosjc/worker-001")
    assert (status, said) == (503, {"reason": f"{step}: not a directory"})


@pytest.mark.parametrize(
    "path",
    [
        "/audit/homes/.chaosjc/..",
        "/audit/homes/.chaosjc/../../../etc",
        "/audit/homes/.chaosjc/%2e%2e",
        "/audit/homes/.chaosjc/worker-001/",
        "/audit/homes/.chaosjc/worker-001/0",
        "/audit/homes/.chaosjc/worker-001/0/0000000001",
        "/audit/homes/.chaosjc/WORKER-001",
        "/audit/homes/.chaosjc/worker-001%0a",
        "/audit/homes/.chaosjc/",
        "/audit/homes/.glusterfs/indices",
        "/audit/other/.chaosjc/worker-001",
        "/audit//.chaosjc/worker-001",
        "/audit/",
        "/",
    ],
)
def test_what_is_no_audit_is_not_found(directory: Path, ask: Ask, path: str) -> None:
    (directory / "0000000001").write_bytes(b"one")
    assert ask(path)[0] == 404


def test_a_disk_that_is_not_mounted_is_no_empty_brick(brick: LocalBrick, ask: Ask) -> None:
    os.rename(Path(brick.path) / ".glusterfs", Path(brick.path) / "elsewhere")
    status, said = ask("/audit/homes/.chaosjc/worker-001")
    assert status == 503
    assert "not mounted" in said["reason"]


def test_a_disk_that_fails_is_no_empty_brick(directory: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "0000000001").write_bytes(b"one")

    def fail(name: str, at: int) -> str:
        raise OSError(errno.EIO, "Input/output error", name)

    monkeypatch.setattr(replica, "_digest", fail)
    assert ask("/audit/homes/.chaosjc/worker-001")[0] == 503


def test_a_disk_that_hangs_is_given_up_and_asked_by_nobody_else(
    brick: LocalBrick, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    monkeypatch.setattr(replica, "PATIENCE", 0.05)
    thawed, looks = threading.Event(), list[str]()
    found = Replica(brick)

    def hang(worker: str) -> dict[str, object]:
        looks.append(worker)
        thawed.wait(5)
        raise Unknown("too late")

    monkeypatch.setattr(found, "look", hang)
    audits = Audits({"homes": found})
    first = audits("homes/.chaosjc/worker-001", {})
    second = audits("homes/.chaosjc/worker-002", {})
    thawed.set()
    assert first == web.Reply(503, {"reason": "no answer from the brick's disk in 0.05 s"})
    assert second == web.Reply(503, {"reason": "an earlier look at the brick has not ended"})
    assert looks == ["worker-001"]


def test_pending_is_the_larger_of_before_and_after(
    brick: LocalBrick, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "0000000001").write_bytes(b"one")

    def meanwhile(name: str, at: int) -> str:
        bricks.pend(brick, "5a94f6e2-0da4-4453-b42a-0076f4b5f184")
        return name

    monkeypatch.setattr(replica, "_digest", meanwhile)
    assert Replica(brick).look("worker-001")["pending"] == 1
