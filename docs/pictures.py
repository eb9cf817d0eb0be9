"""The README's pictures, drawn from what `make demo` has just left in out/demo: `python -m docs.pictures`.

Needs Chromium for the picture of the report.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, RenderableType

from chaosjc.cli.demo.stage import REPORTS, ROOT, STATE
from chaosjc.drivers import command
from chaosjc.journal.events import Entry, Injected
from chaosjc.journal.store import Store
from chaosjc.report.live import LiveView
from chaosjc.report.terminal import suite_summary

DOCS = Path(__file__).parent
LIVE, REPORT = "worker-vm-terminated", "hub-scaled-to-zero"
AFTER = 4.0  # seconds from the injection to the instant that the live view shows


def main() -> None:
    """Write all three."""
    with Store(STATE / "site/jupytercloud/journal.db") as store:
        runs = [store.entries(each.stem) for each in sorted(REPORTS.glob("*.html"))]
    told = [(each, f"out/demo/reports/{each[0].run}.html") for each in runs]
    _svg(DOCS / "demo.svg", suite_summary(told), "make demo", 100)
    _svg(DOCS / "live.svg", live(newest(runs, LIVE)), f"chaosjc run experiments/{LIVE}.yaml", 120)
    photograph(REPORTS / f"{newest(runs, REPORT)[0].run}.html", DOCS / "report.png")


def newest(runs: Sequence[Sequence[Entry]], experiment: str) -> Sequence[Entry]:
    """The last run of an experiment."""
    return [each for each in runs if experiment in str(each[0].event)][-1]


def live(entries: Sequence[Entry]) -> LiveView:
    """What a terminal showed while the fault was there."""
    instant = next(each.at for each in entries if isinstance(each.event, Injected)) + AFTER
    view = LiveView(lambda: instant)
    view.update(each for each in entries if each.at <= instant)
    return view


def photograph(page: Path, to: Path) -> None:
    """A page as a browser shows it."""
    browser = shutil.which("chromium") or "chromium"
    argv = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1100,1400"]
    command.run([*argv, f"--screenshot={to}", page.as_uri()], cwd=ROOT, timeout=60)


def _svg(path: Path, shown: RenderableType, title: str, width: int) -> None:
    console = Console(record=True, width=width, height=24, file=io.StringIO(), color_system="truecolor")
    console.print(shown)
    console.save_svg(str(path), title=title)


if __name__ == "__main__":
    main()
