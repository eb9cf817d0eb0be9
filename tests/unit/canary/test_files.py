from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Generator
from pathlib import Path

import pytest

from chaosjc.canary import files

MOUNTS = r"""22 1 0:21 / /proc rw,nosuid - proc proc rw
30 1 8:1 / / rw - ext4 /dev/root rw
41 30 0:40 / /srv/homes rw,relatime shared:1 - fuse.glusterfs brick-001:/homes rw,user_id=0
42 30 0:41 / /srv/with\040blank rw - fuse.glusterfs brick-001:/homes rw
43 41 0:42 / /srv/homes rw - tmpfs over rw
"""


@pytest.mark.parametrize(
    ("point", "found"),
    [("/srv/homes", "tmpfs"), ("/srv/with blank", "fuse.glusterfs"), ("/srv", ""), ("/srv/home", "")],
)
def test_the_topmost_mount_counts(point: str, found: str) -> None:
    assert files.type_at(point, MOUNTS) == found


def test_each_write_has_bytes_of_its_own_that_can_be_made_again() -> None:
    made = {files.payload("homes", vm, seq) for vm in ("worker-001", "worker-002") for seq in range(50)}
    assert len(made) == 100
    assert {len(each) for each in made} == {files.SIZE}
    assert files.payload("homes", "worker-001", 7) == files.payload("homes", "worker-001", 7)


def test_nothing_is_done_where_nothing_of_the_right_type_is_mounted(tmp_path: Path) -> None:
    unmounted = files.Files("homes", str(tmp_path), ("fuse.glusterfs",))
    requests: list[list[object]] = [["write", "w", 1], ["read", "w", "x"], ["unlink", "w", ["x"]], ["names", "w", ""]]
    for request in requests:
        with pytest.raises(OSError, match="not connected"):
            unmounted.answer(request)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def vm() -> Generator[str]:
    """A VM whose files lie on a file system that every Linux has mounted."""
    name = f"test-{os.getpid()}-{uuid.uuid4().hex}"
    yield name
    shutil.rmtree(f"/dev/shm/.chaosjc/{name}", ignore_errors=True)


def test_files_are_written_read_listed_and_removed(vm: str) -> None:
    here = files.Files("homes", "/dev/shm", ("tmpfs",))
    for seq in (1, 2):
        here.answer(["write", vm, seq])
    assert here.answer(["read", vm, "0000000002"]) == files.digest("homes", vm, 2)
    assert here.answer(["names", vm, "0000000001"]) == ["0000000002"]
    here.answer(["unlink", vm, ["0000000001", "0000000009"]])  # the latter never was
    assert here.answer(["names", vm, ""]) == ["0000000002"]


def test_files_lie_on_shelves_so_that_neighbours_never_share_a_directory(vm: str) -> None:
    here = files.Files("homes", "/dev/shm", ("tmpfs",))
    for seq in range(files.SHELVES + 1):
        here.answer(["write", vm, seq])
    paths = [path for path in Path(f"/dev/shm/.chaosjc/{vm}").rglob("*") if path.is_file()]
    assert {path.name: path.parent.name for path in paths} == {f"{seq:010d}": f"{seq % 16:x}" for seq in range(17)}
    assert here.answer(["names", vm, "0000000014"]) == ["0000000015", "0000000016"]


def test_a_page_of_names_is_the_next_ones_of_all_shelves(vm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PAGE", 3)
    here = files.Files("homes", "/dev/shm", ("tmpfs",))
    for seq in (0, 1, 2, 16):
        here.answer(["write", vm, seq])
    assert here.answer(["names", vm, ""]) == ["0000000000", "0000000001", "0000000002"]
    assert here.answer(["names", vm, "0000000002"]) == ["0000000016"]


def test_a_write_begins_on_the_shelf_where_it_ends() -> None:
    for seq in (0, 10, 4095, 9_999_999_999):
        assert files.shelf(files.temporary(f"{seq:010d}")) == files.shelf(f"{seq:010d}") == f"{seq % 16:x}"
