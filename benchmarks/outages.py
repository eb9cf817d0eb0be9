"""Planted outages of 0.2 to 20 s: what the hub's canary reports of each, beside what probes every 15 s would have.

A server is out at known instants, in one of four ways. The canary is its own process, as on a site; its counter
`chaosjc_hub_outage_seconds_total` is read before and after each outage. Beside it a probe asks the same server once
every 15 s, as a blackbox exporter does under such a scrape interval: each probe that fails stands for 15 s.

A server that only holds requests for less than the canary's limit (2 s) is slow, and not out: such outages are longer.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.figures import Promises, busy, say
from benchmarks.outage_server import KINDS, Kind, Outage
from chaosjc.canary.hub_config import Limits
from chaosjc.canary.hub_figures import CHEAP, CHEAPEST
from chaosjc.drivers import command
from tests.contract.hub_process import canary

SHORTEST, LONGEST = 0.2, 20.0
HELD = Limits().probe + 0.5
"""A shorter one that only holds requests is none."""
CALM = 2.0
"""Seconds between two outages; in the middle of them the counter is read."""
SCRAPE, ANSWER = 15.0, 9.5
"""The probe's interval, and its limit: blackbox leaves 0.5 s of the 10 s that a scrape may take."""
TARGET = 0.05
NEVER = 3600.0
START = 4.0
"""Seconds for the canaries to begin."""


@dataclass(frozen=True)
class Scale:
    """How much of it: servers at once, and for how many seconds."""

    servers: int
    seconds: float
    longest: float = LONGEST


FULL, QUICK = Scale(6, 250.0), Scale(3, 25.0, 4.0)


@dataclass(frozen=True)
class Report:
    """One outage as it was, and as each observer had it; seconds."""

    planted: float
    kind: str
    canary: dict[str, float]
    probed: float


def draw(rng: random.Random, begin: float, scale: Scale) -> list[Outage]:
    """Outages with CALM between them; as many of one length as of another, on a logarithmic scale."""
    found: list[Outage] = []
    at = begin + CALM
    while True:
        seconds = math.exp(rng.uniform(math.log(SHORTEST), math.log(scale.longest)))
        kind: Kind = rng.choice([each for each in KINDS if each != "held" or seconds >= HELD])
        if at + seconds + CALM > begin + scale.seconds:
            return found
        found.append(Outage(at, seconds, kind))
        at += seconds + CALM


def probed(planted: tuple[float, float], probes: Iterable[tuple[float, bool]]) -> float:
    """What probes (asked at, answered well) say of one outage: each that was asked in it, and failed, SCRAPE."""
    return SCRAPE * sum(planted[0] <= at <= planted[1] for at, well in probes if not well)


def quantile(values: Sequence[float], q: float) -> float:
    """The least of them that no more than a part 1 - q of all exceeds."""
    ordered = sorted(values)
    return ordered[max(math.ceil(q * len(ordered)) - 1, 0)]


def spread(label: str, errors: Sequence[float]) -> str:
    """`canary   p50 20 ms   p90 … p99 … max … (n = 200)`, of absolute errors in seconds."""
    figures = [f"{name} {1000 * quantile([abs(e) for e in errors], q):8.1f} ms" for name, q in QUANTILES]
    return f"{label:24} {'  '.join(figures)}  mean {1000 * sum(errors) / len(errors):+7.1f} ms"


QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))


# ------------------------------------------------------------------ observing


class Probe:
    """Asks one server every SCRAPE seconds, from an instant on that nobody chose."""

    def __init__(self, port: int, first: float) -> None:
        self.seen: list[tuple[float, bool]] = []
        self._port, self._due = port, first
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No more; returns once the last answer is there."""
        self._closed.set()
        self._thread.join()

    def _forever(self) -> None:
        while not self._closed.wait(max(self._due - time.monotonic(), 0.0)):
            at = time.monotonic()
            self.seen.append((at, self._answers()))
            self._due += SCRAPE

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/hub/health")
            return connection.getresponse().status == 200
        return False


def between(plan: Sequence[Outage], scrape: Callable[[], dict[str, float]]) -> list[dict[str, float]]:
    """The canary's counters by rung, in the calm before the first outage and after each."""
    moments = [plan[0].at - CALM / 2, *(each.at + each.seconds + CALM / 2 for each in plan)]
    found: list[dict[str, float]] = []
    for moment in moments:
        time.sleep(max(moment - time.monotonic(), 0.0))
        seen = scrape()
        found.append({rung: seen[f"outage_seconds_total{{{rung}}}"] for rung in CHEAP})
    return found


@contextlib.contextmanager
def servers(plans: Sequence[Sequence[Outage]], directory: Path) -> Generator[tuple[list[int], Callable[[], str]]]:
    """Their process: their ports, and how to wait for what really happened."""
    log, said = directory / "servers.log", directory / "plans.json"
    said.write_text(json.dumps([[asdict(each) for each in plan] for plan in plans]))
    with said.open() as plan:
        process = command.spawn([sys.executable, "-m", "benchmarks.outage_server"], log=log, stdin=plan.fileno())

    def line(number: int) -> str:
        while len(lines := log.read_text().splitlines()) <= number:
            if process.poll() is not None:
                raise RuntimeError(log.read_text())
            time.sleep(0.05)
        return lines[number]

    try:
        yield json.loads(line(0)), lambda: line(1)
    finally:
        process.kill()
        process.wait()


def observed(scale: Scale, seed: int, directory: Path) -> tuple[list[Report], float]:
    """Plant and watch; the reports, and for how many seconds the canaries themselves did not run."""
    rng = random.Random(seed)
    begin = time.monotonic() + START + scale.servers
    plans = [draw(rng, begin, scale) for _ in range(scale.servers)]
    with contextlib.ExitStack() as stack:
        ports, happened = stack.enter_context(servers(plans, directory))
        every = {"ladder": NEVER, "login": NEVER}
        canaries = [
            stack.enter_context(canary(directory, f"http://127.0.0.1:{port}", every=every, login="page"))
            for port in ports
        ]
        probes = [Probe(port, begin + rng.uniform(0, SCRAPE)) for port in ports]
        with ThreadPoolExecutor(scale.servers) as pool:
            counters = list(pool.map(between, plans, [each.scrape for each in canaries]))
        truths: list[list[list[float]]] = json.loads(happened())
        for probe in probes:
            probe.close()
        stood_still = sum(each.scrape()["stood_still_seconds_total"] for each in canaries)
    found = zip(plans, truths, counters, probes, strict=True)
    return [report for each in found for report in reports(*each)], stood_still


def reports(
    plan: Sequence[Outage], truths: Sequence[Sequence[float]], counters: Sequence[dict[str, float]], probe: Probe
) -> list[Report]:
    """What all said of each outage of one server."""
    return [
        Report(
            ended - began,
            outage.kind,
            {rung: after[rung] - before[rung] for rung in CHEAP},
            probed((began, ended), probe.seen),
        )
        for outage, (began, ended), before, after in zip(plan, truths, counters, counters[1:], strict=False)
    ]


def main(scale: Scale) -> int:
    """Plant, watch, tell; the exit code."""
    promises = Promises()
    with tempfile.TemporaryDirectory() as directory:
        found, stood_still = observed(scale, 7, Path(directory))
    say(f"{len(found)} outages of {SHORTEST:g} to {scale.longest:g} s; {busy()}")
    if stood_still:
        say(f"the canaries' processes did not run for {stood_still:.1f} s of it: of that time they say nothing")
    for rung in CHEAP:
        say(spread(f"canary, {rung}", [each.canary[rung] - each.planted for each in found]))
    canaries = [each.canary[rung] - each.planted for each in found for rung in CHEAPEST]
    blackbox = [each.probed - each.planted for each in found]
    say(spread("probes every 15 s", blackbox))
    missed = sum(each.probed == 0 for each in found)
    say(f"probes every 15 s saw nothing of {missed} of {len(found)} outages")
    ours, theirs = (quantile([abs(error) for error in errors], 0.99) for errors in (canaries, blackbox))
    promises.measured("p99 error of the canary's outages", 1000 * ours, 1000 * TARGET, "ms")
    say(f"the error of probes every 15 s is {theirs / ours:.0f} times as large at p99")
    return promises.exit_code()


if __name__ == "__main__":
    sys.exit(main(QUICK if "--quick" in sys.argv else FULL))
