"""Crashes of a run with four faults: where it may die, what its successors meet, and what must be true in the end.

Each fault takes two files away, one after the other, so that an inject or an undo may be found half done. The points
are those of the events that a whole run, and a whole recovery, really write: a new kind of event is covered by itself.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chaosjc.clock import SystemClock
from chaosjc.drivers import command
from chaosjc.engine.recover import recover
from chaosjc.engine.undo import TRIES
from chaosjc.journal.events import Closed, Entry
from chaosjc.journal.store import Store
from chaosjc.journal.verdict import judge
from tests.contract import processes

ROOT = Path(__file__).parents[2]
LASTS = 9.0  # seconds from the plan to the verdict, about; a kill after the end proves nothing, and is no failure

PROGRAM = """\
# VERB THING CHARACTER
cd "${0%/*}/things" || exit 9
case $1 in
inject) rm -f $2.1; sleep 0.4; rm -f $2.2 ;;
verify) test -e $2.1 && test -e $2.2 ;;
undo)
  if ! test -e ../once-$2; then
    touch ../once-$2
    case $3 in
    fails) exit 1 ;;
    hangs) exec sleep 60 ;;
    halves) echo whole >$2.1; exit 0 ;;
    esac
  fi
  echo whole >$2.1; echo whole >$2.2 ;;
esac
"""
EXPERIMENT = """\
apiVersion: chaosjc/v1
kind: Experiment
name: things-vanish
hypotheses:
  - {name: this machine runs programs, command: ["true"], every: 500ms, phases: [during], min_coverage: 0.01}
faults:
"""
FAULT = """\
  - fault: command
    start: {start}ms
    duration: 200ms
    timeout: 2500ms
    inject: [sh, '{program}', inject, {thing}]
    undo: [sh, '{program}', undo, {thing}, {character}]
    verify: [sh, '{program}', verify, {thing}]
"""
RECOVERY = """\
recovery:
  within: 60s
  until: [{{command: [sh, '{program}', verify, works], every: 200ms}}]
baseline: 1s
settle: 1s
deadline: 2m
"""
CHARACTERS = ("works", "fails", "hangs", "halves")
"""How the first call of a thing's undo goes."""


@dataclass(frozen=True)
class Crash:
    """Where a run dies; how its watchdog ends: `""` lives, `watchdog` dies with it, `watchdog=POINT`; and its heirs."""

    point: str
    watchdog: str = ""
    recovers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """What a whole run writes, and what a whole recovery does: kinds of events, in order."""

    run: tuple[str, ...]
    successor: tuple[str, ...]


class Stage:
    """A directory with the things of one run."""

    def __init__(self, there: Path) -> None:
        self.there = there
        (there / "things").mkdir(parents=True)
        for name in CHARACTERS:
            for half in "12":
                (there / f"things/{name}.{half}").write_text("whole\n")
        program = there / "program.sh"
        program.write_text(PROGRAM)
        faults = [
            FAULT.format(start=150 * number, program=program, thing=name, character=name)
            for number, name in enumerate(CHARACTERS)
        ]
        (there / "experiment.yaml").write_text("".join([EXPERIMENT, *faults, RECOVERY.format(program=program)]))
        self.initial = self.things()

    @property
    def journal(self) -> Path:
        return self.there / "journal.db"

    def things(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in sorted((self.there / "things").iterdir())}

    def broken(self) -> set[str]:
        now = self.things()
        return {half.partition(".")[0] for half, text in self.initial.items() if now.get(half) != text}

    def run(self, point: str, watchdog: str = "") -> int:
        """Until it dies; its exit code."""
        words = [str(self.there / "experiment.yaml"), str(self.there), point, *([watchdog] if watchdog else [])]
        argv = [sys.executable, "-m", "tests.contract.crashing_run", *words]
        done = command.run(argv, cwd=ROOT, check=False, timeout=150)
        assert done.returncode in (0, -9), done.stderr
        return done.returncode

    def recover_and_die(self, point: str) -> None:
        argv = [sys.executable, "-m", "tests.contract.dying", "recover", point, str(self.journal)]
        done = command.run(argv, cwd=ROOT, check=False, timeout=150)
        assert done.returncode in (0, -9), done.stderr

    def recover(self) -> None:
        """Two at once."""

        def one(_: int) -> None:
            with Store(self.journal) as store:
                recover(store, SystemClock(), lambda _: None)

        with ThreadPoolExecutor(2) as both:
            list(both.map(one, range(2)))

    def wait_quiet(self) -> None:
        """Until no process of the run, of its watchdog, or of their commands is left.

        One that is just being started has no command line yet, and may be missed at one look.
        """
        end, quiet = time.monotonic() + 120, 0
        while quiet < 3:
            quiet = 0 if processes.naming(str(self.there)) else quiet + 1
            assert time.monotonic() < end, "its watchdog does not end"
            time.sleep(0.1)

    @property
    def entries(self) -> list[Entry]:
        with Store(self.journal) as store:
            return [entry for run in store.runs() for entry in store.entries(run)]


def suffer(stage: Stage, crash: Crash) -> str:
    """The crash, those of its heirs, and what must be true in the end; returns in a few words what became of it."""
    code = stage.run(crash.point, crash.watchdog)
    if code == 0:
        _was_never_reached(stage.entries, crash.point)
    stage.wait_quiet()
    if not crash.watchdog:
        its_watchdog_has_undone_it(stage)
    for point in crash.recovers:
        stage.recover_and_die(point)
    stage.recover()
    nothing_is_broken(stage)
    return f"{'killed' if code else 'ended'} → {the_journal_tells_it(stage)}"


def its_watchdog_has_undone_it(stage: Stage) -> None:
    """Before anybody recovers: only what all its tries could not undo may be broken, and is told as a debt."""
    with Store(stage.journal) as store:
        states = [state for run in store.runs() if (state := store.state(run))]
    debts = [debt for state in states for debt in state.debts]
    assert all(state.closed for state in states if any(step.intent_at for step in state.steps.values()))
    assert all(debt.epoch >= TRIES for debt in debts), "given up too early"
    assert stage.broken() <= {debt.plan.inject.split()[-1] for debt in debts}


def nothing_is_broken(stage: Stage) -> None:
    assert stage.things() == stage.initial
    with Store(stage.journal) as store:
        assert [state.run for state in store.open_runs()] == [], "somebody left a run open"
        for run in store.runs():
            assert processes.marked(run) == [], "an inject or an undo goes on, and may strike late"


def the_journal_tells_it(stage: Stage) -> str:
    """Returns the verdict."""
    entries = stage.entries
    if not entries:
        return "no run"  # it died before it had planned anything
    closed = [entry.event for entry in entries if isinstance(entry.event, Closed)]
    assert len(closed) == 1, "closed once"
    judged = judge(entries)
    assert (judged.verdict, judged.code, judged.reason) == (closed[0].verdict, closed[0].code, closed[0].reason)
    told = Counter(entry.event.type for entry in entries)
    if told["stopping"] == 0:
        assert judged.code in ("held", "thin-data"), "it had ended before it died"
    elif judged.verdict == "UNDO-FAILED":
        assert told["debt-cleared"], "the verdict stands, and the debt was paid later"
    else:
        assert (judged.verdict, judged.code) == ("ABORTED", "death"), judged.reason
    with Store(stage.journal) as store:
        (run,) = store.runs()
        state = store.state(run)
    assert state is not None
    for step in state.steps.values():
        assert step.intent_at is None or step.outcome == "whole"
    return judged.verdict


def _was_never_reached(entries: Sequence[Entry], point: str) -> None:
    """At another pace fewer samples are taken, and undos fail less often: that is no fault of the run."""
    kind, _, number = point.partition(":")[0].partition("#")
    if kind not in ("at", "start", "never"):
        assert [entry.event.type for entry in entries].count(kind) < int(number or 1), f"{point} was passed alive"


# ------------------------------------------------------------------ which


def learn(directory: Path) -> Written:
    """From one run that ends, and one recovery after a crash with everything under way."""
    whole = Stage(directory / "whole")
    assert whole.run("never") == 0
    the_journal_tells_it(whole)
    left = Stage(directory / "left")
    left.run("injected#3:after", "watchdog")
    before = len(left.entries)
    left.recover()
    return Written(_types(whole.entries), _types(left.entries[before:]))


def draw(written: Written, seed: int, count: int) -> list[Crash]:
    """So many crashes: each kind of event before and after at least once, then the other points and any instants."""
    rng = random.Random(seed)
    run, successor = _points(written.run), _points(written.successor)
    first = [rng.choice([each for each in run if _kind(each) == kind]) for kind in sorted(set(map(_kind, run)))]
    rest = [each for each in run if each not in first]
    rng.shuffle(rest)
    others = [f"at:{rng.uniform(0, LASTS):.3f}" for _ in range(len(rest) + count)]
    mixed = [point for pair in zip(rest, others, strict=False) for point in pair] + others[len(rest) :]
    points = (first + mixed)[:count]
    heirs = [*successor, *(f"at:{rng.uniform(0, 4):.3f}" for _ in successor)]
    fates = ["", "watchdog", f"watchdog=start:{rng.uniform(0.5, 4):.3f}"]
    crashes = [
        Crash(point, _fate(number, fates, heirs, rng), _recovers(number, heirs, rng))
        for number, point in enumerate(points)
    ]
    rng.shuffle(crashes)
    return crashes


def _fate(number: int, fates: Sequence[str], heirs: Sequence[str], rng: random.Random) -> str:
    turn = number % (len(fates) + 1)
    return fates[turn] if turn < len(fates) else f"watchdog={rng.choice(heirs)}"


def _recovers(number: int, heirs: Sequence[str], rng: random.Random) -> tuple[str, ...]:
    return tuple(rng.choice(heirs) for _ in range(number % 3 - 1))


def _points(types: Iterable[str]) -> list[str]:
    seen: Counter[str] = Counter()
    found: list[str] = []
    for kind in types:
        seen[kind] += 1
        found += [f"{kind}#{seen[kind]}:{when}" for when in ("before", "after")]
    return found


def _kind(point: str) -> tuple[str, str]:
    name, _, when = point.partition(":")
    return name.partition("#")[0], when


def _types(entries: Iterable[Entry]) -> tuple[str, ...]:
    return tuple(entry.event.type for entry in entries)


def kept(directory: Path, seed: int, count: int) -> list[Crash]:
    """Drawn once, for all workers of pytest that share the directory."""
    from chaosjc.engine.locks import Locks

    path = directory / "crashes.json"
    with Locks(path).held("crashes"):
        if not path.exists():
            crashes = draw(learn(Path(tempfile.mkdtemp(dir=directory))), seed, count)
            path.write_text(json.dumps([[each.point, each.watchdog, each.recovers] for each in crashes]))
        return [Crash(point, watchdog, tuple(recovers)) for point, watchdog, recovers in json.loads(path.read_text())]
