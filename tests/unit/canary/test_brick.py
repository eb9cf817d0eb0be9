from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from chaosjc.canary.brick import LocalBrick, answers, fops
from chaosjc.canary.watch import Unknown
from tests.unit.canary import bricks
from tests.unit.canary.bricks import CASES

GFID = "5a94f6e2-0da4-4453-b42a-0076f4b5f184"


@pytest.fixture
def brick(tmp_path: Path) -> LocalBrick:
    return bricks.make(tmp_path)


def test_its_port_is_in_its_command_line(brick: LocalBrick) -> None:
    assert brick.port() is None, "no process yet"
    bricks.run_process(brick, 58939)
    assert brick.port() == 58939


def test_a_pid_that_was_given_to_another_program_is_no_brick(brick: LocalBrick) -> None:
    bricks.run_process(brick, 58939, program="/usr/bin/python3")
    assert brick.port() is None


def test_a_pid_file_of_a_dead_process(brick: LocalBrick) -> None:
    bricks.run_process(brick, 58939)
    (brick.places.proc / "254" / "cmdline").unlink()
    assert brick.port() is None


def test_another_bricks_process_tells_nothing(brick: LocalBrick) -> None:
    bricks.run_process(brick, 58939, path="/data/scratch")
    with pytest.raises(Unknown, match="another brick's"):
        brick.port()


def test_before_the_volume_is_made_it_is_not_down_but_unknown(brick: LocalBrick) -> None:
    bricks.volfile(brick).unlink()
    with pytest.raises(Unknown, match="not a brick"):
        brick.port()
    with pytest.raises(Unknown, match="not a brick"):
        brick.arbiter()


def test_clients_are_accepted_connections_open_at_both_ends(brick: LocalBrick) -> None:
    lines = [
        bricks.TCP,
        "   1: 00000000:E63B 00000000:0000 0A 00000000:00000000 00:00000000 0 0 0 3829484",  # listens
        "   5: 3700430A:E63B 3700430A:BFFC 01 00000000:00000000 02:000004DE 0 0 0 3829622",  # a client
        "  24: 3700430A:E63B 3700430A:BFF2 01 00000000:00000000 02:00000586 0 0 0 3829691",  # another
        "  21: 3700430A:BFF2 3700430A:E63B 01 00000000:00000000 02:00000586 0 0 0 3829690",  # its other end
        "   6: 3700430A:E63B 3700430A:BFE9 08 00000000:000000ED 02:00000000 0 0 0 3832569",  # hung up
        "   9: 3700430A:E63B 3700430A:BFDB 01 00000000:00000090 00:00000000 0 0 0 0",  # by the kernel alone
        "  13: 3700430A:5DC7 3700430A:BFF6 01 00000000:00000000 02:00000586 0 0 0 3830901",  # another port
    ]
    (brick.places.proc / "net" / "tcp").write_text("\n".join(lines) + "\n")
    assert brick.clients(0xE63B) == 2


def test_pending_are_the_names_in_the_index_but_the_base(brick: LocalBrick) -> None:
    assert brick.pending() == 0
    bricks.pend(brick, GFID, "00000000-0000-0000-0000-000000000001")
    assert brick.pending() == 2


def test_marks_of_writes_in_progress_are_not_pending(brick: LocalBrick) -> None:
    dirty = Path(brick.path) / ".glusterfs" / "indices" / "dirty"
    dirty.mkdir()
    (dirty / GFID).touch()
    assert brick.pending() == 0


def test_a_disk_that_is_not_mounted_has_neither_backlog_nor_space(brick: LocalBrick) -> None:
    os.rename(Path(brick.path) / ".glusterfs", Path(brick.path) / "elsewhere")
    with pytest.raises(Unknown, match="not mounted"):
        brick.pending()
    with pytest.raises(Unknown, match="not mounted"):
        brick.space()


def test_space_is_what_the_file_system_says(brick: LocalBrick) -> None:
    space, found = brick.space(), os.statvfs(brick.path)
    assert (space.size, space.inodes) == (found.f_blocks * found.f_frsize, found.f_files)
    assert 0 < space.free < space.size
    assert 0 < space.free_inodes < space.inodes


def test_an_arbiter_says_so_in_its_volfile(brick: LocalBrick) -> None:
    assert not brick.arbiter()
    bricks.volfile(brick).write_text("volume homes-arbiter\n    type features/arbiter\nend-volume\n")
    assert brick.arbiter()


def test_its_account_is_found_by_its_path(brick: LocalBrick) -> None:
    with pytest.raises(Unknown):
        brick.dump()
    plain = brick.path.replace("/", "_").replace("-", "_")
    stats = brick.places.state / "stats"
    (stats / "glusterfsd__data_other.dump").write_text("{}")
    (stats / f"glusterfsd_{plain}.dump").write_text("{\n}\n")
    assert brick.dump()[1] == "{\n}\n"


@pytest.mark.parametrize(("version", "seconds"), [((10, 3), 0.0001160688), ((9, 6), 0.1160688)])
def test_latencies_are_nanoseconds_since_10(version: tuple[int, ...], seconds: float) -> None:
    """The profile of the same brick, whose unit is known, gives the same figures in 10.3."""
    found = {fop.name: fop for fop in fops((CASES / "dump-10.3.json").read_text(), version)}
    assert found["write"].average == pytest.approx(seconds, rel=1e-5)  # pyright: ignore[reportUnknownMemberType]


def test_operations_that_never_came_are_left_out_and_those_of_the_interval_too() -> None:
    found = fops((CASES / "dump-10.3.json").read_text(), (10, 3))
    assert [(fop.name, fop.count) for fop in found] == [("create", 40), ("fsync", 40), ("release", 80), ("write", 40)]


def test_a_dump_that_is_being_written_gives_what_is_whole() -> None:
    text = (CASES / "dump-10.3.json").read_text()
    cut = text[: text.index("fop.fsync.latency_ave_usec")]
    assert [fop.name for fop in fops(cut, (10, 3))] == ["write"]


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Generator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join(5)


def answer(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        assert connection.recv(100)[16:20] == (123451501).to_bytes(4, "big")
        connection.sendall(b"\x80\x00\x00\xc8")


def hang_up(server: socket.socket) -> None:
    connection, _ = server.accept()
    connection.recv(100)
    connection.close()


def test_a_brick_answers() -> None:
    with listening(answer) as port:
        assert answers(port)


def test_a_brick_that_hangs_up_is_alive() -> None:
    with listening(hang_up) as port:
        assert answers(port)


def test_a_stopped_process_does_not_answer_though_its_kernel_accepts() -> None:
    with listening(lambda server: None) as port:
        assert not answers(port, timeout=0.05)


def test_nobody_listens() -> None:
    with listening(lambda server: None) as port:
        pass
    assert not answers(port)
