"""What a fault did, of a run with the default baseline, by what a real Prometheus told of the time before."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaosjc.checks.sources import Sources
from chaosjc.clock import SystemClock
from chaosjc.engine import experiment as files
from chaosjc.engine.session import Session, Wishes
from chaosjc.journal.effects import Compared, compared
from chaosjc.journal.events import Entry, Planned, Sample
from chaosjc.journal.statistics import LEAST
from chaosjc.journal.store import Store
from chaosjc.journal.verdict import judge
from chaosjc.report.story import read
from tests.contract.prometheus_process import Exporter, Server, scraping, wait_for

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("prometheus")]

EXPERIMENT = """\
apiVersion: chaosjc/v1
kind: Experiment
name: value-rises
hypotheses:
  - {{name: recorded, promql: 'test:double', expect: '< 1000', every: 400ms}}
observe:
  - {{name: watched, promql: 'test:double * 10', every: 400ms}}
  - {{name: asked, command: [echo, '1'], every: 400ms}}
faults:
  - fault: command
    inject: [touch, '{there}/broken']
    undo: [rm, -f, '{there}/broken']
    verify: [test, '!', -e, '{there}/broken']
    duration: 11s
settle: 1s
"""
"""Its values come every 0.4 s: 12 of them in the 5 s of a baseline, 27 while the fault is there."""


@contextmanager
def wavering(exporter: Exporter, broken: Path) -> Generator[None]:
    """A value between 100 and 101, and 2 more while something is broken."""
    over, noise = threading.Event(), random.Random(1)

    def change() -> None:
        while not over.wait(0.05):
            exporter.text = f"test_value {100 + noise.random() + 2 * broken.exists()}\n"

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def run(there: Path, server: Server) -> list[Entry]:
    file = there / "experiment.yaml"
    file.write_text(EXPERIMENT.format(there=there))
    loaded, entries = files.load([file]), list[Entry]()
    wishes = Wishes(there / "journal.db", prometheus=server.client.url)
    with Store(wishes.journal) as store:
        session = Session(wishes, store, lambda _: None, Sources(prometheus=server.client), SystemClock())
        judged = session.run(session.plan(loaded[0], 1), entries.append).execute()
    assert judged.verdict == "PASS", judged.reason
    return entries


def effects(entries: list[Entry]) -> dict[str, Compared]:
    story = read(entries)
    checks = (*story.planned.hypotheses, *story.planned.observations)
    return {
        check.name: compared(check, story.planned, story.samples, story.judgement.windows) for check in checks
    }  # fmt: skip


def test_a_default_baseline_is_enough_for_an_interval(tmp_path: Path) -> None:
    with scraping(tmp_path) as (server, exporter), wavering(exporter, tmp_path / "broken"):
        enough = f"count_over_time(test:double[1m]) >= {LEAST + 15}"
        wait_for(lambda: server.client.query(enough, at=time.time()), 40)
        entries = run(tmp_path, server)
    found = effects(entries)
    for name, rise in (("recorded", 4.0), ("watched", 40.0)):
        during = found[name].phases[0]
        assert (during.phase, during.effect.few) == ("during", ""), name
        assert during.effect.n_other >= LEAST
        shift = during.effect.shift
        assert shift and shift.low and shift.high and during.effect.seen
        assert 0.7 * rise < shift.low < shift.high < 1.3 * rise
    assert all(each.effect.few or each.effect.n_other < LEAST for each in found["asked"].phases)
    began = next(entry.at for entry in entries if isinstance(entry.event, Planned))
    before = [entry for entry in entries if isinstance(entry.event, Sample) and entry.event.readings[-1].time < began]
    assert {entry.event.check for entry in before if isinstance(entry.event, Sample)} == {"h1", "o1"}
    without = [entry for entry in entries if entry not in before]
    assert judge(without).hypotheses == judge(entries).hypotheses, "no verdict rests on it"
