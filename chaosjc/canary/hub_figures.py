"""What the hub canary exports, computed at the instant of the scrape from tallies that nobody has to be asked for.

So a canary whose event loop hangs still tells how long ago a live server's last cell was answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric as Family

from chaosjc import names
from chaosjc.canary.hub_config import Config
from chaosjc.canary.hub_life import Life
from chaosjc.canary.hub_pace import Pace
from chaosjc.canary.hub_tally import Tally
from chaosjc.canary.series import family, histogram

CHEAP: tuple[str, ...] = ("proxy", "hub", "api")
CHEAPEST: tuple[str, ...] = ("proxy", "hub")
"""Those that may be asked still more often: for each answer of its API the hub looks into its database."""
LADDER: tuple[str, ...] = ("spawn", "kernel", "cell", "home", "stop")
RUNGS: tuple[str, ...] = (*CHEAP, "login", *LADDER)
"""From the bottom up."""

MISSED = 3  # attempts that must be missing before what is known of a rung is not told any more
LATE = 2  # periods of cells without a good answer after which a server is not live

Key = tuple[str, ...]
Tallies = Mapping[Key, Tally]


@dataclass(frozen=True)
class Live:
    """What a worker's live server did."""

    tally: Tally
    life: Life


@dataclass(frozen=True)
class Figures:
    """`rungs` by (rung, entry), `live` by worker."""

    rungs: dict[Key, Tally]
    live: dict[str, Live]
    pace: Pace
    began: float
    every_cell: float
    last_activity_interval: float = 0.0


def figures_of(config: Config, pace: Pace, now: float) -> Figures:
    """Everything at its beginning, so that the first failure of any kind is an increase."""
    every, limits = config.every, config.limits
    keys = [(rung, entry) for rung in CHEAP for entry in config.entries]
    rungs: dict[Key, Tally] = {key: _tally(limits.probe, config.period(*key)) for key in keys}
    rungs["login", config.way] = _tally(limits.login, every.login)
    whole = sum(float(getattr(limits, rung)) for rung in LADDER)
    rungs |= {(rung, config.way): _tally(whole, every.ladder) for rung in LADDER}
    live = {worker: Live(_tally(limits.live, every.cell), Life()) for worker in config.workers}
    return Figures(rungs, live, pace, now, every.cell, config.last_activity_interval)


def _tally(limit: float, every: float) -> Tally:
    return Tally(limit, MISSED * every + limit)


def families(figures: Figures, now: float) -> list[Family]:
    """Everything, as of now (monotonic)."""
    with ExitStack() as held:
        for tally in (*figures.rungs.values(), *(each.tally for each in figures.live.values())):
            held.enter_context(tally.lock)
        return [*_ladder(figures.rungs, now), *_live(figures, now), *_itself(figures)]


def _ladder(rungs: Tallies, now: float) -> Iterator[Family]:
    ups = {key: tally.up(now) for key, tally in rungs.items()}
    yield family(names.HUB_UP, ((key, up) for key, up in ups.items() if up is not None))
    yield _latency(names.HUB_LATENCY, rungs)
    yield _each(names.HUB_SUCCESSES, rungs, lambda tally: tally.successes)
    yield _reasons(names.HUB_FAILURES, rungs)
    yield _each(names.HUB_THROTTLED, rungs, lambda tally: tally.throttled)
    yield _each(names.HUB_OUTAGES, rungs, lambda tally: tally.outages.count())
    yield _each(names.HUB_OUTAGE_SECONDS, rungs, lambda tally: tally.outages.seconds(now))
    yield _each(names.HUB_OUTAGE_AGE, rungs, lambda tally: tally.outages.age(now))
    yield _each(names.HUB_OLDEST, rungs, lambda tally: tally.oldest(now))


def _live(figures: Figures, now: float) -> Iterator[Family]:
    cells: dict[Key, Tally] = {(worker,): each.tally for worker, each in figures.live.items()}
    lives: dict[Key, Life] = {(worker,): each.life for worker, each in figures.live.items()}
    there = {key: cells[key] for key, life in lives.items() if not life.astray}  # of another worker nothing is known
    ages = {key: now - (tally.answered or figures.began) for key, tally in there.items()}
    late = LATE * figures.every_cell
    yield family(names.LIVE_OK, ((key, cells[key].answered is not None and age <= late) for key, age in ages.items()))
    yield family(names.LIVE_AGE, ages.items())
    yield _latency(names.LIVE_LATENCY, cells)
    yield _each(names.LIVE_CELLS, cells, lambda tally: tally.successes)
    yield _reasons(names.LIVE_FAILURES, cells)
    yield _each(names.LIVE_OUTAGES, cells, lambda tally: tally.outages.count())
    yield _each(names.LIVE_OUTAGE_SECONDS, cells, lambda tally: tally.outages.seconds(now))
    yield _each(names.LIVE_OUTAGE_AGE, there, lambda tally: tally.outages.age(now))
    yield family(names.LIVE_LOST_CONNECTIONS, ((key, life.lost_connections) for key, life in lives.items()))
    yield family(names.LIVE_LOST_KERNELS, ((key, life.lost_kernels) for key, life in lives.items()))
    yield family(names.LIVE_LOST_SERVERS, ((key, life.lost_servers) for key, life in lives.items()))
    yield family(names.LIVE_ELSEWHERE, ((key, life.moves) for key, life in lives.items()))
    yield family(names.LIVE_ELSEWHERE_SECONDS, ((key, life.move(now)) for key, life in lives.items()))


def _itself(figures: Figures) -> Iterator[Family]:
    yield family(names.HUB_STOOD_STILL, [((), figures.pace.stood_still)])
    if figures.last_activity_interval:
        yield family(names.HUB_ROUTES_EVERY, [((), figures.last_activity_interval)])


def _each(metric: names.Metric, tallies: Tallies, value: Callable[[Tally], float]) -> Family:
    return family(metric, ((key, value(tally)) for key, tally in tallies.items()))


def _reasons(metric: names.Metric, tallies: Tallies) -> Family:
    found: Iterable[tuple[Key, float]] = (
        ((*key, reason), count) for key, tally in tallies.items() for reason, count in tally.failures.items()
    )
    return family(metric, found)


def _latency(metric: names.Metric, tallies: Tallies) -> Family:
    return histogram(metric, {key: tally.latency for key, tally in tallies.items() if tally.successes})
