"""What runs on a brick VM, on directories that look like bricks."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from chaosjc.site import remote_bricks

LATER = 1e12


@pytest.fixture
def brick(tmp_path: Path) -> Path:
    place = tmp_path / "data" / "homes"
    (place / ".glusterfs" / "indices" / "xattrop").mkdir(parents=True)
    (place / "alice").mkdir()
    (place / "alice" / "notes").write_text("text")
    return place


def test_files_are_told_by_their_content_without_glusters_own(brick: Path) -> None:
    (brick / ".glusterfs" / "internal").touch()
    pointer = brick / "pointer"
    pointer.touch()
    pointer.chmod(0o1000)
    os.symlink("alice", brick / "link")
    os.mkfifo(brick / "pipe")
    assert remote_bricks.answer({"files": str(brick), "before": LATER, "names_only": False}) == {
        "alice/notes": hashlib.sha256(b"text").hexdigest(),
        "link": "alice",
        "pipe": "0o10000",
    }
    names = remote_bricks.answer({"files": str(brick), "before": LATER, "names_only": True})
    assert names == {"alice/notes": "", "link": "", "pipe": ""}


def test_what_was_touched_since_is_left_out(brick: Path) -> None:
    changed = (brick / "alice" / "notes").stat().st_ctime
    assert remote_bricks.files(str(brick), changed, names_only=True) == {}
    assert remote_bricks.files(str(brick), changed + 1, names_only=True) == {"alice/notes": ""}


def test_a_mark_outlives_the_bricks_emptiness(brick: Path) -> None:
    empty = brick.parent / "other"
    assert remote_bricks.answer({"look": [str(empty)]}) == {str(empty): {"volume": "", "rebuilding": False}}
    remote_bricks.answer({"mark": str(empty), "rebuilding": True})
    assert remote_bricks.look(str(empty)) == {"volume": "", "rebuilding": True}
    assert (brick.parent / ".other.rebuilding").exists()
    remote_bricks.answer({"mark": str(empty), "rebuilding": False})
    remote_bricks.answer({"mark": str(empty), "rebuilding": False})
    assert remote_bricks.look(str(empty)) == {"volume": "", "rebuilding": False}


def test_the_index_is_counted_without_the_file_that_all_are_links_to(brick: Path) -> None:
    index = brick / ".glusterfs" / "indices" / "xattrop"
    for name in ("xattrop-3f1c", "00000000-0000-0000-0000-000000000001"):
        (index / name).touch()
    assert remote_bricks.answer({"pending": str(brick)}) == {"entries": 1}
