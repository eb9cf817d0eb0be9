"""The last act: a controller deploys the site and breaks it, by itself, when its schedule says so."""

from __future__ import annotations

import contextlib
import datetime
import shlex
import time
from collections.abc import Callable, Generator

from chaosjc.cli.demo.stage import CHAOSJC, OUT, REPORTS, ROOT, SITE, VERDICTS, must, out, shown
from chaosjc.cli.state import journal_of
from chaosjc.controller.claims import Claim, Claims
from chaosjc.drivers import command
from chaosjc.journal.store import Store
from chaosjc.site.state import SiteState

SCHEDULE, LOG = OUT / "schedule.yaml", OUT / "controller.log"
NAME, ENTRY = "demo", "by-itself"
EXPERIMENTS = ("worker-vm-terminated", "brick-broken-four-ways")
AHEAD = datetime.timedelta(seconds=8)  # the controller must be there then
PATIENCE = 1200.0  # seconds for all that falls due

FILE = """\
apiVersion: chaosjc/v1
kind: Schedule
name: {name}
site: {site}
entries:
  - name: {entry}
    at: {due:%Y-%m-%d %H:%M:%S}             # UTC, as no calendar says otherwise; `cron` and `mtbf` come again
    prepare: deploy                     # deployed and verified first, or nothing is broken
    experiments: [{experiments}]
"""


def play(state: SiteState) -> list[str]:
    """Write a schedule, serve it until its entry has been dealt with; returns what went otherwise than it should."""
    out.rule("[bold]A controller goes on by itself: it deploys, verifies, and breaks a VM and a brick", align="left")
    now = datetime.datetime.now(datetime.UTC)
    SCHEDULE.write_text(schedule(now))
    out.print(SCHEDULE.read_text(), style="dim", markup=False)
    before = _runs(state)
    must("schedule", "list", shown(SCHEDULE))
    with serving() as alive:
        must("site", "status", SITE)  # there is time until then
        claim = dealt_with(Claims(state.root / "claims.jsonl"), now, alive)
    for run in (each for each in _runs(state) if each not in before):
        must("report", run, "--html", shown((REPORTS / run).with_suffix(".html")))
    return judged(claim)


def schedule(now: datetime.datetime) -> str:
    """The file: everything falls due as soon as the controller has had time to start."""
    files = ", ".join(str(ROOT / f"experiments/{each}.yaml") for each in EXPERIMENTS)
    return FILE.format(name=NAME, site=ROOT / SITE, entry=ENTRY, due=now + AHEAD, experiments=files)


@contextlib.contextmanager
def serving() -> Generator[Callable[[], bool]]:
    """Whether the controller is there, whose words are shown; it ends with the block, and puts all back."""
    words = ["serve", shown(SCHEDULE), "--listen", "127.0.0.1:0"]
    out.print(f"\n[bold cyan]$ chaosjc {shlex.join(words)}[/]")
    LOG.unlink(missing_ok=True)
    process = command.spawn([CHAOSJC, *words], log=LOG)
    try:
        yield lambda: process.poll() is None
    finally:
        process.terminate()
        process.wait()
        out.print(LOG.read_text(), style="dim", markup=False)


def dealt_with(claims: Claims, since: datetime.datetime, alive: Callable[[], bool]) -> Claim | None:
    """What became of the entry; None where nothing did for long, or the controller has ended. Shows what has begun."""
    until = time.monotonic() + PATIENCE
    with out.status("the controller waits, and works") as status:
        while time.monotonic() < until and alive():
            of_entry = [each for each in claims.all() if _is_of(each, since)]
            if of_entry and of_entry[-1].outcome != "begun":
                return of_entry[-1]
            if of_entry:
                status.update("the controller deploys, verifies and breaks")
            time.sleep(0.5)
    return None


def judged(claim: Claim | None) -> list[str]:
    """What is wrong with it: it has ended, with PASS."""
    if claim and claim.outcome == "ended" and claim.code == 0:
        return []
    if claim is None:
        return [f"the controller has ended, or had not done in {PATIENCE:.0f} s what it was to do: {LOG}"]
    verdict = VERDICTS.get(claim.code, str(claim.code)) if claim.code is not None else ""
    return [f"the controller's runs: {claim.outcome} {verdict} {claim.why}, and PASS would have been the truth"]


def _is_of(claim: Claim, since: datetime.datetime) -> bool:
    due = datetime.datetime.fromisoformat(claim.due)
    return (claim.schedule, claim.entry) == (NAME, ENTRY) and due >= since


def _runs(state: SiteState) -> list[str]:
    journal = journal_of(state=str(state.root))
    with Store(journal) as store:
        return store.runs()
