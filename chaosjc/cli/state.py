"""Where state lives: $CHAOSJC_STATE, else below $XDG_STATE_HOME; a journal a site, and one for what needs no site."""

from __future__ import annotations

import contextlib
import os
import pwd
import tempfile
from collections.abc import Generator
from pathlib import Path

from chaosjc.errors import JournalError

LOCAL = "local"
JOURNAL = "journal.db"
ELSEWHERE = "elsewhere"  # a file: one state directory a line
HALTS = "halts.db"


def state_root() -> Path:
    """The directory below which everything lies."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(os.environ.get("CHAOSJC_STATE") or f"{home}/chaosjc").expanduser()


def journal_of(site: str = "", state: str = "") -> Path:
    """The journal of a site by name, or of the runs that need none; `state` names its directory instead."""
    if state:
        return Path(state).expanduser() / JOURNAL
    return (state_root() / "site" / site if site else state_root() / LOCAL) / JOURNAL


def halts() -> Path:
    """The journal of halts of everything, which bind also the sites that have no other yet, and those out of reach."""
    return state_root() / HALTS


@contextlib.contextmanager
def nowhere() -> Generator[Path]:
    """An empty directory that is gone with the block: a dry run keeps there what a run would in the state directory."""
    with tempfile.TemporaryDirectory(prefix="chaosjc-dry-run-") as directory:
        yield Path(directory)


def journals(state: str = "") -> list[Path]:
    """That of the runs without a site, then of each site that has a state directory; not all of them are there yet.

    Elsewhere one was made by a run: what is not there is out of reach, and no place for a new one.
    """
    if state:
        return [journal_of(state=state)]
    sites = sorted(path for path in (state_root() / "site").glob("*") if path.is_dir())
    usual = [journal_of(), *(path / JOURNAL for path in sites)]
    return [*usual, *filter(os.path.exists, _elsewhere())]


def journals_there(state: str = "") -> list[Path]:
    """Those of them that are there."""
    return [path for path in journals(state) if path.exists()]


def out_of_reach(state: str = "") -> list[str]:
    """In a person's words: the journals elsewhere that are not there now, should everything have been meant."""
    try:
        gone = [] if state else [path.parent for path in _remembered() if not os.path.exists(path)]
    except JournalError as error:
        return [str(error)]
    then = f"mount it; or, should it be gone for good, take its line out of {state_root() / ELSEWHERE}"
    return [f"{directory}: its journal is not to be seen: {then}" for directory in gone]


def remember(journal: Path) -> None:
    """Keep where a journal outside the usual place is, so that a halt or a recover of everything reaches it too.

    Raises JournalError where it cannot.
    """
    directory = journal.parent.absolute()
    if directory == (state_root() / LOCAL).absolute() or directory / JOURNAL in _elsewhere():
        return
    if directory.parent == (state_root() / "site").absolute():
        return
    try:
        state_root().mkdir(parents=True, exist_ok=True, mode=0o700)
        with (state_root() / ELSEWHERE).open("a", encoding="utf-8") as known:
            known.write(f"{directory}\n")
    except OSError as error:
        message = f"{state_root() / ELSEWHERE} cannot keep where the journal {journal} is: {error.strerror}"
        raise JournalError(message, hint="A halt or a recover of everything would not reach it.") from error


def _elsewhere() -> list[Path]:
    """As far as can be told: what cannot is `out_of_reach`, and keeps nothing from what is at its usual place."""
    with contextlib.suppress(JournalError):
        return _remembered()
    return []


def _remembered() -> list[Path]:
    """Each journal elsewhere, whether it is there or not. Raises JournalError where nobody can tell."""
    try:
        lines = (state_root() / ELSEWHERE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeError) as error:
        raise JournalError(f"what lies elsewhere: {state_root() / ELSEWHERE} cannot be read: {error}") from error
    return [Path(line).absolute() / JOURNAL for line in dict.fromkeys(filter(None, lines))]


def who() -> str:
    """The account that acts, for the journal: what the environment says can be anything, but for who became root."""
    number = os.getuid()
    by = os.environ.get("SUDO_USER", "") if number == 0 else ""
    if by and by != "root":
        return f"{by} by sudo"
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"
