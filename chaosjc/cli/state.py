"""Where state lives: $CHAOSJC_STATE, else below $XDG_STATE_HOME; a journal a site, and one for what needs no site."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

LOCAL = "local"
JOURNAL = "journal.db"


def state_root() -> Path:
    """The directory below which everything lies."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(os.environ.get("CHAOSJC_STATE") or f"{home}/chaosjc").expanduser()


def journal_of(site: str = "", state: str = "") -> Path:
    """The journal of a site by name, or of the runs that need none; `state` names its directory instead."""
    if state:
        return Path(state).expanduser() / JOURNAL
    return (state_root() / "site" / site if site else state_root() / LOCAL) / JOURNAL


def journals(state: str = "") -> list[Path]:
    """Every journal that is there, that of the runs without a site first."""
    if state:
        return [journal_of(state=state)]
    found = sorted((state_root() / "site").glob(f"*/{JOURNAL}"))
    return [journal_of(), *found]


def who() -> str:
    """The person at the keyboard, for the journal."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
