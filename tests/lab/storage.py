"""What the storage tests ask of a site: is it settled, and is every acknowledged write where it should be?"""

from __future__ import annotations

import contextlib
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
    """Seconds until nothing is left to heal, everybody is connected, and a whole audit has found every write."""
    began = time.monotonic()
    until(lambda: not backlog(stage), within)
    asked = time.time()
    until(lambda: Durability.of(stage).whole(asked), within)
    return time.monotonic() - began


FIGURES = (
    ("sum", names.STORAGE_WRITES),
    ("sum", names.STORAGE_BEHIND),
    ("sum", names.STORAGE_LOST),
    ("sum", names.STORAGE_CORRUPT),
    ("min", names.STORAGE_AUDITED),
)


@dataclass(frozen=True)
class Durability:
    """Of all canaries together; `audited` is when the oldest of their last complete audits began, 0 for none."""

    written: int
    behind: int
    lost: int
    corrupt: int
    audited: float

    @classmethod
    def of(cls, stage: Stage) -> Durability:
        """By the site's Prometheus."""
        state = SiteState.of("", str(stage.site.state))
        with endpoints.prometheus(state) as url, contextlib.closing(Prometheus.connect(url)) as prometheus:
            asked = ((how, metric.name) for how, metric in FIGURES)
            answers = [prometheus.query(f"{how}({name})", at=time.time()) for how, name in asked]
        written, behind, lost, corrupt, audited = (each[0].points[-1][1] if each else 0.0 for each in answers)
        return cls(int(written), int(behind), int(lost), int(corrupt), audited)

    def whole(self, since: float) -> bool:
        """Whether all have been audited since then, and each write was found."""
        return self.audited > since and not self.behind
