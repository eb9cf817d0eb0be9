"""Acts, and how they are played: each command is shown, run on this terminal, and judged by its exit code."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from chaosjc.drivers import command

ROOT = Path(__file__).resolve().parents[3]
OUT = Path(os.environ.get("CHAOSJC_DEMO") or ROOT / "out" / "demo").absolute()
STATE, REPORTS, PROGRESS = OUT / "state", OUT / "reports", OUT / "progress.json"
SITE = "sites/jupytercloud.yaml"
CHAOSJC = str(ROOT / ".venv/bin/chaosjc")
INTERRUPTED = (5, 130)
NOT_STARTED = 4
KEPT_BY_SUDO = ("CHAOSJC_STATE", "XDG_CACHE_HOME", "HOME")
VERDICTS = {0: "PASS", 1: "FAIL", 3: "INCONCLUSIVE", 4: "NOT-STARTED", 5: "ABORTED", 6: "UNDO-FAILED"}

out = Console(highlight=False)


class Ended(Exception):
    """The demo cannot go on; the exit code says why."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True)
class Act:
    """One run of the demo: what is shown, and the exit code that is the truth of it."""

    title: str
    experiment: str
    expected: int
    arguments: tuple[str, ...] = ()


def shown(path: Path) -> str:
    """As it is named in a command that is typed in the source tree."""
    return os.path.relpath(path, ROOT)


def chaosjc(*arguments: str, root: bool = False) -> int:
    """Show a command, run it on this terminal, and return its exit code."""
    out.print(f"\n[bold cyan]$ chaosjc {shlex.join(arguments)}[/]")
    argv = [CHAOSJC, *arguments]
    if root and os.geteuid() != 0:
        kept = [f"{name}={os.environ[name]}" for name in KEPT_BY_SUDO if name in os.environ]
        argv = ["sudo", "env", *kept, *argv]
    return command.attached(argv)


def must(*arguments: str, root: bool = False) -> None:
    """A step without which the demo makes no sense."""
    code = chaosjc(*arguments, root=root)
    if code:
        raise Ended(code, f"chaosjc {shlex.join(arguments)} ended with {code}")


def play(acts: tuple[Act, ...], *common: str, calm: Callable[[], object] = lambda: None) -> list[str]:
    """Run each act that an interrupted demo has not shown yet; returns what went otherwise than it should.

    `calm` waits, before each run, until nothing is left to see of what was done before.
    """
    done: dict[str, str] = json.loads(PROGRESS.read_text()) if PROGRESS.exists() else {}
    wrong: list[str] = []
    for number, act in enumerate(acts, 1):
        key = f"{number} {act.experiment} {' '.join(act.arguments)}"
        if key in done:
            out.print(f"\n[dim]{act.title} Seen before the interruption: {done[key]}[/]")
            continue
        out.rule(f"[bold]{number}/{len(acts)}  {act.title}", align="left")
        code = _run(act, common, calm)
        if code in INTERRUPTED:
            raise Ended(code, "interrupted; `make demo` continues where it was")
        done[key] = VERDICTS.get(code, f"exit code {code}")
        if code == act.expected:
            PROGRESS.write_text(json.dumps(done))
        else:
            wrong.append(f"{act.experiment}: {done[key]}, and {VERDICTS[act.expected]} would have been the truth")
    return wrong


def _run(act: Act, common: tuple[str, ...], calm: Callable[[], object]) -> int:
    """Its exit code. A run that was refused has broken nothing: it is tried once more, when it is calm again.

    On two busy cores a write waits for over a second now and then, and one who promises less is not in a steady state.
    """

    def once() -> int:
        calm()
        return chaosjc("run", act.experiment, *common, *act.arguments, "--html", str(REPORTS))

    code = once()
    return once() if code == NOT_STARTED != act.expected else code


def conclude(journal: Path, wrong: list[str]) -> int:
    """The last words: every run of this demo, and whether its verdict was the true one."""
    from chaosjc.journal.store import Store
    from chaosjc.report.terminal import suite_summary

    PROGRESS.unlink(missing_ok=True)
    out.rule("[bold]What was found", align="left")
    reports = sorted(REPORTS.glob("*.html"))
    with Store(journal) as store:
        out.print(suite_summary([(store.entries(each.stem), shown(each)) for each in reports]))
    for each in wrong:
        out.print(f"[bold red]not as it should be:[/] {each}")
    if not wrong:
        out.print("[bold green]Every verdict was the true one.[/]")
    return 1 if wrong else 0
