"""What the storage tests ask of a site: is it settled, and is every acknowledged write where it should be?"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator

from chaosjc.cli.demo.storage import Durability, longest_wait
from chaosjc.drivers.prometheus import Prometheus
from chaosjc.site import discover, endpoints
from chaosjc.site.context import Context
from chaosjc.site.state import SiteState
from tests.lab.cloud import until
from tests.lab.runs import Stage


def backlog(context: Context) -> list[str]:
    """Why the site is not settled now; empty when it is."""
    pool = discover.pool(context.site, context.ssh)
    assert pool is not None
    found = discover.with_volumes(discover.topology(context.site, context.cloud), context.site, pool)
    if found.volumes is None:
        return ["gluster does not answer"]
    return [why for each in found.volumes for why in each.backlog]


def settled(stage: Stage, within: float = 180) -> float:
    """Seconds until all is healed and connected, and an audit has found every write.

    It returns when no stall is remembered either: the next run would take it for its own.
    """
    began = time.monotonic()
    context = stage.site.context()  # one connection for all looks
    until(lambda: not backlog(context), within, every=1.0)
    with _prometheus(stage) as prometheus:
        asked = time.time()
        until(lambda: Durability.of(prometheus).whole(asked), within)
        took = time.monotonic() - began
        until(lambda: longest_wait(prometheus, time.time()) < 1, 120)
    return took


def durability(stage: Stage) -> Durability:
    """By the site's own Prometheus."""
    with _prometheus(stage) as prometheus:
        return Durability.of(prometheus)


@contextlib.contextmanager
def _prometheus(stage: Stage) -> Generator[Prometheus]:
    state = SiteState.of("", str(stage.site.state))
    with endpoints.prometheus(state) as url, contextlib.closing(Prometheus.connect(url)) as prometheus:
        yield prometheus
