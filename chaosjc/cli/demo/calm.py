"""When nothing is left to see of what was broken before, by the site's own Prometheus."""

from __future__ import annotations

import contextlib

from chaosjc import names
from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers.prometheus import Prometheus
from chaosjc.errors import RemoteError
from chaosjc.site import endpoints
from chaosjc.site.state import SiteState

LIMIT = 120.0  # seconds until it has to be calm
QUERY = f"""
max({names.STORAGE_LONGEST.name}) < 1
and on () min(min_over_time({names.HUB_UP.name}[10s])) == 1
and on () min(min_over_time({names.LIVE_OK.name}[10s])) == 1
and on () sum(increase({names.HUB_SUCCESSES.name}{{rung="home"}}[20s])) > 0
"""
"""No canary remembers a stall, no rung of the hub was down of late, and somebody has just had a cell executed."""


def calm(state: SiteState) -> bool:
    """Wait until it is: a run that begins earlier finds what it promises broken already.

    False where that takes too long; the run then tells of what. Raises RemoteError where the site has no Prometheus.
    """
    with endpoints.prometheus(state) as url, contextlib.closing(Prometheus.connect(url)) as prometheus:
        return calmed(prometheus, SystemClock())


def calmed(prometheus: Prometheus, clock: Clock) -> bool:
    """The same, of a Prometheus; one that does not answer is asked again."""
    until = clock.monotonic() + LIMIT
    while clock.monotonic() < until:
        with contextlib.suppress(RemoteError):
            if prometheus.query(QUERY, at=clock.time()):
                return True
        clock.sleep(1)
    return False
