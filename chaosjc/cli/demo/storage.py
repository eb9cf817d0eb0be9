"""What the demo asks of its storage at the end, by the site's own Prometheus."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass
from typing import Self

from rich.console import Console

from chaosjc import names
from chaosjc.drivers.prometheus import Prometheus
from chaosjc.site import endpoints
from chaosjc.site.state import SiteState

PATIENCE = 90.0  # seconds for an audit to which every brick answers

_FIGURES = (
    ("sum", names.STORAGE_WRITES),
    ("sum", names.STORAGE_KEPT),
    ("sum", names.STORAGE_BEHIND),
    ("sum", names.STORAGE_LOST),
    ("sum", names.STORAGE_CORRUPT),
    ("sum", names.STORAGE_UNAUDITED),
    ("min", names.STORAGE_AUDITED),
)


@dataclass(frozen=True)
class Durability:
    """Of all canaries together; `audited` is when the oldest of their last complete audits began, `unaudited` how many
    writes none of them has ever found.

    0 is also what nobody tells of yet.
    """

    written: int
    kept: int
    behind: int
    lost: int
    corrupt: int
    unaudited: int
    audited: float

    @classmethod
    def of(cls, prometheus: Prometheus) -> Self:
        """As a Prometheus has it now. Raises RemoteError where it does not answer."""
        told = (_told(prometheus, f"{how}({metric.name})", time.time()) or 0.0 for how, metric in _FIGURES)
        written, kept, behind, lost, corrupt, unaudited, audited = told
        return cls(int(written), int(kept), int(behind), int(lost), int(corrupt), int(unaudited), audited)

    def whole(self, since: float) -> bool:
        """Whether all have been audited since then, and each write was found."""
        return self.audited > since and not self.behind


def longest_wait(prometheus: Prometheus, at: float) -> float:
    """The longest that any canary remembers, seconds; infinite where none tells."""
    found = _told(prometheus, f"max({names.STORAGE_LONGEST.name})", at)
    return math.inf if found is None else found


def durability(state: SiteState, out: Console) -> list[str]:
    """Print how many writes were acknowledged, and whether all are there; returns what is not as it should be."""
    with endpoints.prometheus(state) as url, contextlib.closing(Prometheus.connect(url)) as prometheus:
        found = _audited(prometheus)
    if found is None:
        return ["no audit of the acknowledged writes was complete"]
    out.print(
        f"\n{found.written} writes were acknowledged since the canaries began; the last {found.kept} were just looked"
        f" for on every brick's own disk. Lost: {found.lost}. Corrupt: {found.corrupt}. Unaudited:"
        f" {found.unaudited}."
    )
    if found.lost or found.corrupt or found.unaudited:
        return [f"{found.lost} writes lost, {found.corrupt} corrupt, {found.unaudited} unaudited"]
    return []


def _audited(prometheus: Prometheus) -> Durability | None:
    """Once every canary has been told by every brick, since now, that nothing is missing; None where that fails."""
    began = time.time()
    while time.time() < began + PATIENCE:
        found = Durability.of(prometheus)
        if found.whole(began):
            return found
        time.sleep(1)
    return None


def _told(prometheus: Prometheus, query: str, at: float) -> float | None:
    """The one number that answers it; None for nothing, or no number."""
    found = prometheus.query(query, at=at)
    value = found[0].points[-1][1] if found and found[0].points else math.nan
    return None if math.isnan(value) else value
