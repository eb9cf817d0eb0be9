"""What the storage tests ask of a site: is it settled, and is every acknowledged write where it should be?"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass

from chaosjc import names
from chaosjc.drivers.prometheus import Prometheus
from chaosjc.site import discover, endpoints
from chaosjc.site.state import SiteState
from chaosjc.site.topology import Topology
from tests.lab.cloud import until
from tests.lab.runs import Stage


def topology(stage: Stage) -> Topology:
    """The site with its volumes, as it is now."""
    context = stage.site.context()
    pool = discover.pool(context.site, context.ssh)
    assert pool is not None
    return discover.with_volumes(discover.topology(context.site, context.cloud), context.site, pool)


def backlog(stage: Stage) -> list[str]:
    """Why it is not settled; empty when it is."""
    volumes = topology(stage).volumes
    return ["gluster does not answer"] if volumes is None else [why for each in volumes for why in each.backlog]


def settled(stage: Stage, within: float = 180) -> float:
    """Seconds until all is healed and connected, and an audit has found every write.

    It returns when no stall is remembered either: the next run would take it for its own.
    """
    began = time.monotonic()
    until(lambda: not backlog(stage), within)
    asked = time.time()
    until(lambda: Durability.of(stage).whole(asked), within)
    took = time.monotonic() - began
    until(lambda: longest(stage) < 1, 120)
    return took


def longest(stage: Stage) -> float:
    """The longest stall that any canary remembers; infinite where none tells."""
    (found,) = _told(stage, f"max({names.STORAGE_LONGEST.name})")
    return math.inf if found is None else found


def _told(stage: Stage, *queries: str) -> list[float | None]:
    """What the site's Prometheus answers to each now; None for nothing, or no number."""
    state = SiteState.of("", str(stage.site.state))
    with endpoints.prometheus(state) as url, contextlib.closing(Prometheus.connect(url)) as prometheus:
        answers = [prometheus.query(each, at=time.time()) for each in queries]
    found = [each[0].points[-1][1] if each and each[0].points else math.nan for each in answers]
    return [None if math.isnan(each) else each for each in found]


FIGURES = (
    ("sum", names.STORAGE_WRITES),
    ("sum", names.STORAGE_BEHIND),
    ("sum", names.STORAGE_LOST),
    ("sum", names.STORAGE_CORRUPT),
    ("min", names.STORAGE_AUDITED),
)


@dataclass(frozen=True)
class Durability:
    """Of all canaries together; `audited` is when the oldest of their last complete audits began.

    0 is also what nobody tells of yet.
    """

    written: int
    behind: int
    lost: int
    corrupt: int
    audited: float

    @classmethod
    def of(cls, stage: Stage) -> Durability:
        """By the site's Prometheus."""
        told = _told(stage, *(f"{how}({metric.name})" for how, metric in FIGURES))
        written, behind, lost, corrupt, audited = (each or 0.0 for each in told)
        return cls(int(written), int(behind), int(lost), int(corrupt), audited)

    def whole(self, since: float) -> bool:
        """Whether all have been audited since then, and each write was found."""
        return self.audited > since and not self.behind
