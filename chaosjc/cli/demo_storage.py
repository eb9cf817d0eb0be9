"""What the demo asks of its storage between two runs and at the end, by the site's own Prometheus."""

from __future__ import annotations

import contextlib
import time

from rich.console import Console

from chaosjc import names
from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers.prometheus import Prometheus
from chaosjc.errors import RemoteError
from chaosjc.names import Metric
from chaosjc.site import endpoints
from chaosjc.site.state import SiteState

PATIENCE = 90.0  # seconds for an audit to which every brick answers

CALM = 120.0  # seconds until no stall is remembered any more


def calm(state: SiteState) -> bool:
    """Wait until no canary remembers a stall: a run that begins earlier finds what it promises broken already.

    False where that takes too long; the run then tells of what. Raises RemoteError where the site has no Prometheus.
    """
    with endpoints.prometheus(state) as url, contextlib.closing(Prometheus.connect(url)) as prometheus:
        return calmed(prometheus, SystemClock())


def calmed(prometheus: Prometheus, clock: Clock) -> bool:
    """The same, of a Prometheus; one that does not answer, or knows of no canary, is asked again."""
    until = clock.monotonic() + CALM
    while clock.monotonic() < until:
        with contextlib.suppress(RemoteError):
            found = prometheus.query(f"max({names.STORAGE_LONGEST.name})", at=clock.time())
            if found and found[0].points[-1][1] < 1:
                return True
        clock.sleep(1)
    return False


def durability(state: SiteState, out: Console) -> list[str]:
    """Print how many writes were acknowledged, and whether all are there; returns what is not as it should be."""
    with endpoints.prometheus(state) as url, contextlib.closing(Prometheus.connect(url)) as prometheus:
        if not _audited(prometheus):
            return ["no audit of the acknowledged writes was complete"]
        written, kept, lost, corrupt = (
            _total(prometheus, metric)
            for metric in (names.STORAGE_WRITES, names.STORAGE_KEPT, names.STORAGE_LOST, names.STORAGE_CORRUPT)
        )
        out.print(
            f"\n{written:.0f} writes were acknowledged since the canaries began; the last {kept:.0f} were just looked"
            f" for on every brick's own disk. Lost: {lost:.0f}. Corrupt: {corrupt:.0f}."
        )
    return [f"{lost:.0f} writes lost, {corrupt:.0f} corrupt"] if lost or corrupt else []


def _audited(prometheus: Prometheus) -> bool:
    """Wait until every canary has been told by every brick, since now, that nothing is missing."""
    began = time.time()
    while time.time() < began + PATIENCE:
        audited = prometheus.query(f"min({names.STORAGE_AUDITED.name})", at=time.time())
        if audited and audited[0].points[-1][1] > began and not _total(prometheus, names.STORAGE_BEHIND):
            return True
        time.sleep(1)
    return False


def _total(prometheus: Prometheus, metric: Metric) -> float:
    found = prometheus.query(f"sum({metric.name})", at=time.time())
    return found[0].points[-1][1] if found else 0.0
