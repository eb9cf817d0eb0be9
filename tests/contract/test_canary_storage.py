"""The storage canary's real process, on a file system that the test makes hang, and with bricks that it makes lie."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import time
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.contract.canary_process import EVERY, VM, Brick, Canary, Probe, canary, hanging, tmpfs
from tests.contract.prometheus_process import free_port, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs and makes it hang: needs root")


@pytest.fixture
def mount(tmp_path: Path) -> Generator[Path]:
    with tmpfs(tmp_path) as mounted:
        yield mounted


@pytest.fixture
def bricks(tmp_path: Path) -> Generator[list[Brick]]:
    found = [Brick(tmp_path / f"brick-{number}") for number in (1, 2)]
    yield found
    for brick in found:
        brick.close()


def sets(bricks: list[Brick]) -> list[dict[str, str]]:
    return [{f"brick-{number}": brick.url for number, brick in enumerate(bricks)}]


def test_writes_flow_and_are_read_back_through_another_worker(tmp_path: Path, mount: Path) -> None:
    """Here both are workers of one tmpfs, each the other's peer."""
    other = free_port()
    with canary(tmp_path, mount, peers={"worker-002": f"http://127.0.0.1:{other}"}) as one:
        (tmp_path / "other").mkdir()
        peers = {VM: f"http://127.0.0.1:{one.port}"}
        with canary(tmp_path / "other", mount, vm="worker-002", listen=other, peers=peers) as two:
            one.wait('read_seconds_count{through="worker-002"}', 10)
            file = one.file("0000000003")
            status, body = two.get(f"/read/{file.name}?of={VM}")
            assert (status, json.loads(body)) == (200, {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()})
    first = one.file("0000000000")
    assert first.stat().st_size == 4096
    assert first.read_bytes() != one.file("0000000001").read_bytes()


def test_writes_are_due_on_the_grid_of_the_wall_clock(tmp_path: Path, mount: Path) -> None:
    with canary(tmp_path, mount) as one:
        one.wait("writes_total", 20)
    due = [float(line.split()[3]) for line in (tmp_path / "homes.ledger").read_text().split("\n") if line[:1] == "+"]
    assert all(abs(at / EVERY - round(at / EVERY)) < 1e-3 for at in due)
    assert max(after - before for before, after in pairwise(due)) < 1.5 * EVERY


def test_before_anything_happened_nothing_is_told(tmp_path: Path, mount: Path) -> None:
    with canary(tmp_path, mount, every=600, audit=600, sets=[{"b": "http://127.0.0.1:1"}]) as one:
        told = {name.split("{")[0].removeprefix("chaosjc_storage_") for name in one.scrape()}
    assert told == {
        *("writes_total", "errors_total", "oldest_inflight_seconds", "inflight", "kept", "unaudited_total"),
        *("stalls_total", "stall_seconds_total", "longest_wait_seconds"),
    }


def test_what_is_not_the_volume_is_never_written_to(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    with canary(tmp_path, bare) as one:
        one.wait('errors_total{errno="ENOTCONN"}', 5)
        assert one.scrape()["chaosjc_storage_up"] == 0
    assert not list(bare.iterdir())


def test_a_stall_agrees_with_an_independent_probe(tmp_path: Path, mount: Path) -> None:
    with canary(tmp_path, mount) as one:
        one.wait("writes_total", 10)
        probe = Probe(mount)
        time.sleep(0.5)
        began = time.monotonic()
        with hanging(mount):
            hung = time.monotonic()
            time.sleep(2.5)
            asked = time.monotonic()
            during = one.scrape()
            answered = time.monotonic()
        one.wait("stalls_total", 1)
        after = one.scrape()
        wait_for(lambda: all(done for _, done in probe.writes))
        probe.stop()
    oldest = during["chaosjc_storage_oldest_inflight_seconds"]
    assert asked - hung - 0.3 < oldest < answered - began + 2 * EVERY
    assert during["chaosjc_storage_longest_wait_seconds"] == pytest.approx(oldest, abs=1e-6)
    assert during["chaosjc_storage_inflight"] > 2 / EVERY
    assert after["chaosjc_storage_longest_wait_seconds"] == pytest.approx(probe.longest(), abs=0.1)
    assert after["chaosjc_storage_stall_seconds_total"] >= after["chaosjc_storage_longest_wait_seconds"]
    late = (
        after['chaosjc_storage_write_seconds_bucket{le="+Inf"}']
        - after['chaosjc_storage_write_seconds_bucket{le="1.0"}']
    )
    assert late > 1.3 / EVERY  # each write that was due in it, and not one


def test_children_that_hang_are_killed_and_replaced(tmp_path: Path, mount: Path) -> None:
    with canary(tmp_path, mount, limit=0.6) as one:
        one.wait("writes_total", 5)
        with hanging(mount):
            one.wait('errors_total{errno="killed"}', 5)
        before = one.scrape()["chaosjc_storage_writes_total"]
        one.wait("writes_total", before + 20)
        wait_for(lambda: len(one.children()) < 15, 30)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_no_child_outlives_it_even_on_a_hanging_mount(tmp_path: Path, mount: Path, number: int, code: int) -> None:
    with canary(tmp_path, mount) as one:
        one.wait("writes_total", 5)
        with hanging(mount):
            time.sleep(0.5)
            children, began = one.children(), time.monotonic()
            assert len(children) > 5
            one.process.send_signal(number)
            assert one.process.wait(5) == code
            assert time.monotonic() - began < 2
            wait_for(lambda: not any(alive(pid) for pid in children), 1)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_lost_and_corrupt_writes_are_found_once_and_stay_counted(
    tmp_path: Path, mount: Path, bricks: list[Brick]
) -> None:
    """One brick is the volume itself, the other a copy out of which the test takes a file and spoils one."""
    bricks[0].root = mount
    spoilt = bricks[1]
    original, spoilt.root = spoilt.audit, mount

    def lie(directory: str) -> dict[str, object]:
        said = original(directory)
        files: dict[str, str] = said["files"]  # type: ignore[assignment]
        files.pop("0000000003", None)
        if "0000000007" in files:
            files["0000000007"] = "0" * 64
        return said

    with canary(tmp_path, mount, sets=sets(bricks)) as one:
        one.wait("audited_timestamp_seconds", 1)
        one.wait("writes_total", 20)
        spoilt.pending, spoilt.audit = 1, lie
        one.wait("behind", 2)
        time.sleep(1)
        healing = one.scrape()
        assert (healing["chaosjc_storage_lost_total"], healing["chaosjc_storage_corrupt_total"]) == (0, 0)
        spoilt.pending = 0
        one.wait("lost_total", 1)
        one.wait("corrupt_total", 1)
        time.sleep(1)
        found = one.scrape()
        assert (found["chaosjc_storage_lost_total"], found["chaosjc_storage_corrupt_total"]) == (1, 1)
    with canary(tmp_path, mount, sets=sets(bricks)) as again:
        time.sleep(1.5)
        found = again.scrape()
    assert (found["chaosjc_storage_lost_total"], found["chaosjc_storage_corrupt_total"]) == (1, 1)


def test_a_brick_that_does_not_answer_leaves_the_round_incomplete(
    tmp_path: Path, mount: Path, bricks: list[Brick]
) -> None:
    for brick in bricks:
        brick.root = mount
    with canary(tmp_path, mount, sets=sets(bricks), keep=1) as one:
        one.wait("audited_timestamp_seconds", 1)
        bricks[1].answers = False
        time.sleep(0.7)
        then = one.scrape()["chaosjc_storage_audited_timestamp_seconds"]
        shutil.rmtree(one.files)  # and everything is lost
        time.sleep(1)
        found = one.scrape()
    assert found["chaosjc_storage_audited_timestamp_seconds"] == then
    assert found["chaosjc_storage_lost_total"] == 0
    assert "chaosjc_storage_behind" not in found


def test_what_was_audited_and_kept_long_enough_is_unlinked(tmp_path: Path, mount: Path, bricks: list[Brick]) -> None:
    for brick in bricks:
        brick.root = mount
    with canary(tmp_path, mount, sets=sets(bricks), keep=1) as one:
        one.wait("writes_total", 5 / EVERY, 15)
        told = one.scrape()
        assert told["chaosjc_storage_kept"] < 4 / EVERY
        assert 0 < len(one.written()) < 4 / EVERY
        found = [told[f"chaosjc_storage_{what}"] for what in ("lost_total", "behind", "unaudited_total")]
        assert found == [0, 0, 0]


def test_what_no_audit_ever_found_goes_too_and_is_counted(tmp_path: Path, mount: Path) -> None:
    with canary(tmp_path, mount, sets=[{"b": "http://127.0.0.1:1"}], keep=0.3) as one:
        one.wait("unaudited_total", 5)
        assert one.scrape()["chaosjc_storage_unaudited_total"] < one.scrape()["chaosjc_storage_writes_total"]


def test_after_a_crash_numbers_go_on_and_leftovers_go(tmp_path: Path, mount: Path) -> None:
    strays = ("0000000900", ".0000000901.new")
    with canary(tmp_path, mount) as one:
        one.wait("writes_total", 10)
        one.process.kill()
        one.process.wait()
        kept = one.written().keys()
        for stray in strays:
            one.file(stray).write_bytes(b"nobody acknowledged this")
    with canary(tmp_path, mount) as again:
        again.wait("writes_total", 10)
        wait_for(lambda: not any(again.file(stray).exists() for stray in strays))
        names = again.written().keys()
        assert kept - names <= {max(kept)}  # the last may have been on its way into the ledger
        assert all(name >= "0000001000" for name in names - kept)


def test_a_full_volume_is_enospc_and_what_it_took_goes(tmp_path: Path, mount: Path) -> None:
    with canary(tmp_path, mount) as one:
        one.wait("writes_total", 5)
        with (mount / "fill").open("wb") as fill, pytest.raises(OSError, match="No space"):
            while True:
                fill.write(b"\0" * 65536)
                fill.flush()
        one.wait('errors_total{errno="ENOSPC"}', 5)
        assert one.scrape()["chaosjc_storage_up"] == 0
        assert one.scrape()["chaosjc_storage_stalls_total"] == 0
        (mount / "fill").unlink()
        wait_for(lambda: one.scrape()["chaosjc_storage_up"] == 1)
        wait_for(lambda: not list(one.files.glob("?/.*")))


@pytest.mark.parametrize(
    "path", ["/", "/read/", f"/read/1?of={VM}", f"/read/..%2f..%2fpasswd?of={VM}", "/read/0000000001?of=.."]
)
def test_nothing_else_is_served(tmp_path: Path, mount: Path, path: str) -> None:
    with canary(tmp_path, mount) as one:
        assert one.get(path)[0] == 404


def test_a_second_canary_of_the_same_volume_is_refused(tmp_path: Path, mount: Path) -> None:
    with canary(tmp_path, mount), pytest.raises(AssertionError, match="another canary"):
        Canary(tmp_path, mount)
