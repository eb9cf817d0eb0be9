from __future__ import annotations

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


def test_files_are_written_read_listed_and_removed() -> None:
    """On a file system that every Linux has mounted."""
    here, vm = files.Files("homes", "/dev/shm", ("tmpfs",)), f"test-{id(object())}"
    directory = Path("/dev/shm/.chaosjc") / vm
    try:
        for seq in (1, 2):
            here.answer(["write", vm, seq])
        assert here.answer(["read", vm, "0000000002"]) == files.digest("homes", vm, 2)
        assert here.answer(["names", vm, "0000000001"]) == ["0000000002"]
        here.answer(["unlink", vm, ["0000000001", "never there"]])
        assert here.answer(["names", vm, ""]) == ["0000000002"]
    finally:
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()
