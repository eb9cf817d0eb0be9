"""`chaosjc run`: execute experiments, and say what they found."""

from __future__ import annotations

import contextlib
import json
import signal
import types
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chaosjc.cli.say import say

if TYPE_CHECKING:
    from chaosjc.engine.experiment import Loaded
    from chaosjc.engine.run import Run
    from chaosjc.engine.session import Session, Wishes
    from chaosjc.journal.events import Entry

app = typer.Typer()
WORST_FIRST = (6, 5, 1, 3, 4, 0)
"""Exit codes of the verdicts."""
ABORTED = 5
SET = """Set a variable, read as in a file: K=3 is a number, 'K="3"' a text."""


@app.command()
def run(  # noqa: PLR0913, PLR0917 - one parameter an option
    experiments: Annotated[
        list[Path], typer.Argument(help="Experiment files, or directories of them.", readable=False)
    ],
    site: Annotated[Path | None, typer.Option(help="The site file.")] = None,
    prometheus: Annotated[str, typer.Option(metavar="URL", help="Ask this Prometheus instead of the site's.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the whole plan, touch nothing.")] = False,
    seed: Annotated[int | None, typer.Option(help="Draw the same targets again.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="K=V", help=SET)] = None,
    repeat: Annotated[int, typer.Option(min=1, help="How often to run each.")] = 1,
    html: Annotated[Path | None, typer.Option(metavar="DIR", help="Write each run's report there.")] = None,
    summary: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Write what all runs sum up to there, as JSON."),
    ] = None,
    state: Annotated[str, typer.Option(help="The state directory of the site.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a run.")] = False,
) -> None:
    """Run experiments one after another; the exit code is that of the worst verdict.

    0 PASS, 1 FAIL, 2 bad file or usage, 3 INCONCLUSIVE, 4 NOT-STARTED, 5 ABORTED, 6 UNDO-FAILED, 70 no verdict at all.
    """
    import secrets

    from chaosjc.cli.files import experiment_files, parse_settings, read_site
    from chaosjc.cli.main import INTERNAL_ERROR, fail
    from chaosjc.cli.state import halts, journal_of, remember
    from chaosjc.engine import experiment as files
    from chaosjc.engine.session import Wishes, open_session
    from chaosjc.errors import ChaosJCError, UsageError

    file = read_site(site)
    overrides = parse_settings(set_ or [])
    loaded = files.load(experiment_files(experiments), site=file.vars if file else {}, overrides=overrides)
    where = state or (file.state if file else "")
    journal = journal_of(file.name if file else "", where)
    wishes = Wishes(journal, file, str(site or ""), where, prometheus, halts())
    code = INTERNAL_ERROR
    try:
        with contextlib.ExitStack() as stack:
            if dry_run:
                wishes = stack.enter_context(_touching_nothing(wishes))
            with _nothing_injected():
                session = stack.enter_context(open_session(wishes, loaded, lambda line: say(line, err=True)))
                if not dry_run:
                    remember(journal)
            series = Series(session, html, as_json, summary)
            first_seed = secrets.randbelow(2**31) if seed is None else seed
            code = (series.dry_run if dry_run else series.run)(loaded * repeat, first_seed)
    except UsageError:
        raise
    except ChaosJCError as error:
        fail(str(error), INTERNAL_ERROR)  # 1 would say that something was measured
    raise typer.Exit(code)


@dataclass(frozen=True)
class Series:
    """Experiments one after another, in one session."""

    session: Session
    html: Path | None
    as_json: bool
    summary: Path | None = None

    def dry_run(self, loaded: Sequence[Loaded], first_seed: int) -> int:
        """Print what `run` would do, by the site as it is now; 0 if each would start, 4 if one would be refused."""
        from rich.console import Console

        from chaosjc.cli.forecast import as_object, forecast
        from chaosjc.report.dryrun import dry_run

        refused = False
        for number, each in enumerate(loaded):
            plan = self.session.plan(each, first_seed + number)
            told = forecast(plan, self.session.dry_run(plan))
            refused = refused or any(answer for _, answer in told.guards)
            if self.as_json:
                typer.echo(json.dumps(as_object(plan, told)))
            else:
                Console().print(dry_run(plan.planned, told))
        return 4 if refused else 0

    def run(self, loaded: Sequence[Loaded], first_seed: int) -> int:
        """Run each, the n-th with `first_seed` + n; an abort, or a signal too late for one, ends the series.

        Returns the worst exit code.
        """
        codes = [0]
        runs: dict[str, str] = {}
        for number, each in enumerate(loaded):
            code, interrupted = self._run(each, first_seed + number, runs)
            codes.append(code)
            if interrupted and len(codes) <= len(loaded):
                codes.append(ABORTED)
            if code >= ABORTED or interrupted:
                break
        self._sum_up(runs)
        return min(codes, key=WORST_FIRST.index)

    def _run(self, loaded: Loaded, seed: int, runs: dict[str, str]) -> tuple[int, bool]:
        """The exit code, and whether a signal came meanwhile; `runs` have the path of their report, if there is one."""
        from chaosjc.cli.view import watching
        from chaosjc.journal.verdict import EXIT_CODES

        plan = self.session.plan(loaded, seed)
        with watching(quiet=self.as_json) as observe:
            run = self.session.run(plan, observe)
            runs[run.id] = ""
            with _signals(run) as came, _nothing_injected():
                judged = run.execute()
        runs[run.id] = self._tell(run.id)
        return EXIT_CODES[judged.verdict], bool(came)

    def _tell(self, run: str) -> str:
        """Write its report and print what it found; returns the path of the report, empty if there is none."""
        from chaosjc.cli.view import to_stdout
        from chaosjc.report.data import run_object
        from chaosjc.report.terminal import Summary

        entries = self.session.store.entries(run)
        report = self._report(run, entries)
        if self.as_json:
            to_stdout().out(json.dumps(run_object(entries)), highlight=False)
        else:
            to_stdout().print(Summary(entries, journal=str(self.session.store.path), report=report))
        return report

    def _report(self, run: str, entries: Sequence[Entry]) -> str:
        from chaosjc.report.html import html

        path = self.html / f"{run}.html" if self.html else None
        return str(path) if path and _write(path, html(entries)) else ""

    def _sum_up(self, runs: Mapping[str, str]) -> None:
        """For people if there were several; for programs into a file: stdout has one object a run, and nothing else."""
        from chaosjc.cli.view import to_stdout
        from chaosjc.report.figures import sums_object
        from chaosjc.report.story import read
        from chaosjc.report.terminal import suite_summary

        if self.summary:
            found = sums_object(read(self.session.store.entries(run)) for run in runs)
            _write(self.summary, json.dumps(found) + "\n")
        if len(runs) > 1 and not self.as_json:
            told = [(self.session.store.entries(run), report) for run, report in runs.items()]
            to_stdout().print(suite_summary(told))


def _write(path: Path, text: str) -> bool:
    """Whether it could: else that is said, and changes no exit code: that of the verdicts says what happened."""
    from chaosjc.cli.files import write
    from chaosjc.errors import UsageError

    try:
        write(path, text)
    except UsageError as error:
        say(f"chaosjc: {error.message}", err=True)
        return False
    return True


@contextlib.contextmanager
def _nothing_injected() -> Generator[None]:
    """Say so of a journal that fails, unless the run says what it had injected."""
    from chaosjc.engine.run import UNTOLD
    from chaosjc.errors import Fenced, JournalError

    try:
        yield
    except JournalError as error:
        if isinstance(error, Fenced) or error.hint == UNTOLD:
            raise
        raise JournalError(error.message, hint=f"Nothing was injected. {error.hint}".strip()) from error


@contextlib.contextmanager
def _touching_nothing(wishes: Wishes) -> Generator[Wishes]:
    """The same with a directory that is gone afterwards, for what a run would write beside what is there."""
    from chaosjc.cli.state import JOURNAL, nowhere
    from chaosjc.drivers.ssh import end_shared

    with nowhere() as directory:
        keys = wishes.journal.parent / "ssh"  # without them, or with those of others, a site's directory is written to
        deployed = wishes.site is not None and wishes.site.managed and keys.is_dir()
        journal = wishes.journal if wishes.journal.exists() else directory / JOURNAL
        try:
            yield replace(wishes, journal=journal, workspace="" if deployed else str(directory))
        finally:
            end_shared(directory)


@contextlib.contextmanager
def _signals(run: Run) -> Generator[list[int]]:
    """Ctrl-C and SIGTERM ask the run to stop; asking again changes nothing: it undoes first, whatever happens.

    Yields the list of those that came.
    """
    from chaosjc.engine.signals import heard

    came: list[int] = []

    def stop(number: int, _: types.FrameType | None) -> None:
        came.append(number)
        run.request_stop("signal", f"interrupted by {signal.Signals(number).name}")

    with heard(stop):
        yield came
