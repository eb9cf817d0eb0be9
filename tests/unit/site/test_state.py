from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest

from chaosjc.errors import UsageError
from chaosjc.site.state import SiteState, write_atomically


def test_where_state_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("CHAOSJC_STATE", raising=False)
    assert SiteState.of("lab").root == tmp_path / "xdg" / "chaosjc" / "site" / "lab"
    monkeypatch.setenv("CHAOSJC_STATE", str(tmp_path / "ours"))
    assert SiteState.of("lab").root == tmp_path / "ours" / "site" / "lab"
    assert SiteState.of("lab", str(tmp_path / "there")).root == tmp_path / "there"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot keep the site's state"):
        SiteState.of("lab", str(tmp_path / "file" / "below"))


def test_sockets_fit_into_sun_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    for name in ("a", "a" * 200):
        sockets = SiteState.of("lab", str(tmp_path / name)).sockets
        assert len(str(sockets / ("n" * 32))) < 108 - 17
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert SiteState.of("lab", str(tmp_path / name)).sockets == sockets
        sockets.rmdir()


def test_sockets_in_use_keep_their_directory(state: SiteState) -> None:
    socket = state.sockets / "socket"
    socket.touch()
    state.remove_sockets()
    assert socket.exists()
    socket.unlink()
    directory = state.sockets
    state.remove_sockets()
    assert not directory.exists()


def test_authorities_of_a_cluster_that_is_gone_are_kept_beside(state: SiteState) -> None:
    assert state.set_authorities_aside() is None
    for text in ("first", "second"):
        write_atomically(state.authorities, text)
        aside = state.set_authorities_aside()
        assert aside
        assert (aside.read_text(), state.authorities.exists()) == (text, False)


def test_a_socket_directory_of_somebody_else_is_refused(state: SiteState) -> None:
    state.sockets.chmod(0o777)
    with pytest.raises(UsageError, match="not a directory of this user alone"):
        _ = state.sockets


def test_an_unchanged_file_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "config"
    write_atomically(path, "text")
    before = path.stat().st_ino
    write_atomically(path, "text")
    assert path.stat().st_ino == before
    write_atomically(path, "other")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("other", 0o600)
