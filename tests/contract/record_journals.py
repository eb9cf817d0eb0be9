"""Record the journals of a release: `python -m tests.contract.record_journals`, once before its tag.

Real runs, one of each ending, in one store; what is written to tests/cases/journal/VERSION is the store as SQL, and
what that release said of each run. Later releases must read it and say the same: tests/unit/journal/test_releases.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chaosjc
from chaosjc.clock import SystemClock
from chaosjc.drivers import command
from chaosjc.engine.recover import abandon, recover
from chaosjc.journal.events import Halted, Resumed
from chaosjc.journal.store import Store
from chaosjc.report.data import run_object
from tests.contract.test_run import OBSERVE, World, halt
from tests.unit.journal.releases import CASES, recorded

ROOT = Path(__file__).parents[2]
THERE, HOST = "/srv/chaosjc", "monitor-host"
LENIENT = "    min_coverage: 0.01"


class Slow(World):
    """Measured less often, so that a journal is short; `never` is what a run waits for that does not recover."""

    never = False

    def experiment(self, **changes: str) -> Path:
        path = super().experiment(**{"claim": LENIENT, **changes})
        text = path.read_text().replace("every: 200ms", "every: 500ms")
        if self.never:
            head, until, rest = text.partition("until:")
            text = head + until + rest.replace(f"{self.there}/file", f"{self.there}/never", 1)
        path.write_text(text)
        return path


def stories(world: Slow) -> list[Callable[[], object]]:
    """One of each verdict, and of each way to it that writes an event of its own."""
    there = world.there
    both = f"'{there}/file' '{there}/other'"

    def told(*events: Halted | Resumed) -> None:
        with Store(world.journal) as store:
            store.append_all(events)

    def run(**changes: str) -> None:
        world.run(lambda _: None, **changes)

    def halted() -> None:
        world.run(halt(world), duration="30s")

    def recovered() -> None:
        (there / "allowed").touch()
        with Store(world.journal) as store:
            recover(store, SystemClock(), lambda _: None)

    def given_up() -> None:
        with Store(world.journal) as store:
            abandon(store, "f1.local", "ada", "it is scrap now")
        (there / "file").touch()

    def does_not_recover() -> None:
        world.never = True
        run(more="deadline: 5s")
        world.never = False

    def dies() -> None:
        state = str(there)
        argv = [sys.executable, "-m", "tests.contract.crashing_run", str(world.experiment()), state, "injected:after"]
        command.run(argv, check=False, cwd=ROOT, timeout=60)
        with Store(world.journal) as store:
            while store.open_runs():
                SystemClock().sleep(0.2)

    return [
        lambda: run(more=OBSERVE.format(there=there)),
        lambda: run(inject=f"rm {both}", undo=f"touch {both}"),
        lambda: run(inject="exit 3"),
        halted,
        run,
        lambda: told(Resumed(who="ada")),
        lambda: run(undo=f"test -e '{there}/allowed' && touch '{there}/file'"),
        recovered,
        lambda: run(undo="exit 1"),
        given_up,
        does_not_recover,
        dies,
        lambda: told(Halted(who="ada", why="exam"), Resumed(who="bob", why="the exam is over")),
    ]


def record(there: Path) -> tuple[str, dict[str, Any]]:
    """The store as SQL, with nothing in it of where it was made; and what is said of each run."""
    world = Slow(there)
    for act in stories(world):
        world.entries.clear()
        act()
    with Store(world.journal) as store:
        said = {run: recorded(run_object(store.entries(run))) for run in store.runs()}
    with contextlib.closing(sqlite3.connect(world.journal)) as database:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        sql = "\n".join([*database.iterdump(), f"PRAGMA user_version={version};", ""])
    for mine, neutral in (
        (str(there), THERE),
        (str(ROOT), THERE),
        (os.getcwd(), THERE),
        (f'"{socket.gethostname()}:', f'"{HOST}:'),
    ):
        sql = sql.replace(mine, neutral)
    text = json.dumps(said, indent=1).replace(str(there), THERE)
    return sql, json.loads(text)


def main() -> None:
    directory = CASES / chaosjc.__version__
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as there:
        sql, said = record(Path(there))
    (directory / "journal.sql").write_text(sql)
    (directory / "said.json").write_text(json.dumps(said, indent=1) + "\n")
    for run, each in said.items():
        sys.stdout.write(f"{run} {each['verdict']} {each['code']}\n")


if __name__ == "__main__":
    main()
