"""A real run that kills itself with SIGKILL: `EXPERIMENT STATE POINT [watchdog] [watchdog=POINT] [site=FILE]`.

POINT is one of `dying`. With `watchdog` the run's watchdog is killed first; `watchdog=POINT` says where it dies by
itself, in the middle of what it does.
"""

from __future__ import annotations

import os
import signal
import subprocess  # noqa: TID251 - the shape of what it hands on
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaosjc.drivers import command
from chaosjc.engine import experiment as files
from chaosjc.engine import session as sessions
from chaosjc.engine.watchdog import Watchdog
from chaosjc.site import model
from tests.contract import dying

WATCHDOGS: list[Watchdog] = []
SUCCESSOR = "chaosjc.engine.watchdog"


def die_with_watchdog() -> None:
    for each in WATCHDOGS:
        os.kill(each._process.pid, signal.SIGKILL)
        each._process.wait()
    dying.die()


def let_watchdog_die(point: str) -> None:
    """The first one; a run that lives on starts another, which lives."""
    spawn = command.spawn
    points = [point]

    def fatal(argv: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        words = list(argv)
        if SUCCESSOR in words and points:
            words[1:3] = ["-m", "tests.contract.dying", "watchdog", points.pop()]
        return spawn(words, **options)

    command.spawn = fatal  # type: ignore[assignment]


def main(experiment: str, state: str, point: str, *more: str) -> None:
    options = dict(word.split("=", 1) for word in more if "=" in word)
    die = die_with_watchdog if "watchdog" in more else dying.die
    loaded = files.load([Path(experiment)])
    site = options.get("site", "")
    file = model.load(Path(site)) if site else None
    wishes = sessions.Wishes(Path(state) / "journal.db", file, site, state if site else "")

    def remembered(path: Path, run: str) -> Watchdog:
        WATCHDOGS.append(Watchdog(path, run))
        return WATCHDOGS[-1]

    sessions.Watchdog = remembered  # type: ignore[misc, assignment]
    if "watchdog" in options:
        let_watchdog_die(options["watchdog"])
    dying.die_at(point, die)
    with sessions.open_session(wishes, loaded, print) as session:
        session.run(session.plan(loaded[0], 1), lambda _: None).execute()


if __name__ == "__main__":
    main(*sys.argv[1:])
