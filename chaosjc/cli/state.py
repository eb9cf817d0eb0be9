"""Where state lives: $CHAOSJC_STATE, else below $XDG_STATE_HOME; a journal a site, and one for what needs no site."""

from __future__ import annotations

import contextlib
import getpass
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

from chaosjc.errors import JournalError

LOCAL = "local"
JOURNAL = "journal.db"
ELSEWHERE = "elsewhere"  # a file: one state directory a line


def state_root() -> Path:
    """The directory below which everything lies."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(os.environ.get("CHAOSJC_STATE") or f"{home}/chaosjc").expanduser()


def journal_of(site: str = "", state: str = "") -> Path:
    """The journal of a site by name, or of the runs that need none; `state` names its directory instead."""
    if state:
        return Path(state).expanduser() / JOURNAL
    return (state_root() / "site" / site if site else state_root() / LOCAL) / JOURNAL


@contextlib.contextmanager
def nowhere() -> Generator[Path]:
    """An empty journal that is gone with the block: a dry run reads one, and leaves none where there was none."""
    with tempfile.TemporaryDirectory(prefix="chaosjc-dry-run-") as directory:
        yield Path(directory) / JOURNAL


def journals(state: str = "") -> list[Path]:
    """That of the runs without a site, then of each site that has a state directory; not all of them are there yet."""
    if state:
        return [journal_of(state=state)]
    sites = sorted(path for path in (state_root() / "site").glob("*") if path.is_dir())
    return [journal_of(), *(path / JOURNAL for path in (*sites, *_elsewhere()))]


def journals_there(state: str = "") -> list[Path]:
    """Those of them that are there."""
    return [path for path in journals(state) if path.exists()]


def remember(journal: Path) -> None:
    """Keep where a journal outside the usual place is, so that a halt or a recover of everything reaches it too.

    Raises JournalError where it cannot.
    """
    directory = journal.parent.absolute()
    if directory in (path.absolute() for path in (state_root() / LOCAL, *_elsewhere())):
        return
    if directory.parent == (state_root() / "site").absolute():
        return
    try:
        state_root().mkdir(parents=True, exist_ok=True, mode=0o700)
        with (state_root() / ELSEWHERE).open("a", encoding="utf-8") as known:
            known.write(f"{directory}\n")
    except OSError as error:
        message = f"{state_root() / ELSEWHERE} cannot keep where the journal {journal} is: {error.strerror}"
        raise JournalError(message, hint="Nothing was injected: a halt of everything would not reach it.") from error


def _elsewhere() -> list[Path]:
    try:
        lines = (state_root() / ELSEWHERE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [path for path in map(Path, lines) if path.is_dir()]


def who() -> str:
    """The person at the keyboard, for the journal."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
