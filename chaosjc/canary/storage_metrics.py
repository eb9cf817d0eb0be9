"""What the storage canary exports, as Prometheus's families, computed at the instant of the scrape.

Absent is absent: no latency before the first write, no finding before the first complete audit, no backlog while audits
fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.metrics_core import Metric as Family

from chaosjc import names
from chaosjc.canary.audit import Harm
from chaosjc.canary.children import KILLED
from chaosjc.canary.series import Histogram, Series, family, histogram

EXPECTED = (
    *(
        "EACCES",
        "EAGAIN",
        "EBADF",
        "EBADFD",
        "EBUSY",
        "ECONNRESET",
        "EDQUOT",
        "EEXIST",
        "EHOSTUNREACH",
        "EINVAL",
        "EIO",
    ),
    *(
        "ENETUNREACH",
        "ENODATA",
        "ENOENT",
        "ENOMEM",
        "ENOSPC",
        "ENOTCONN",
        "EPERM",
        "EPIPE",
        "EPROTO",
        "EROFS",
        "ESTALE",
    ),
    *("ETIMEDOUT", KILLED),
)
"""Errors that begin at 0, so that the first of them is an increase; any besides counts as OTHER, which does so too."""
OTHER = "other"


@dataclass
class Figures:
    """What happened since the canary began."""

    writes: int = 0
    latency: Histogram = field(default_factory=Histogram)
    errors: Counter[str] = field(default_factory=Counter[str])
    reads: dict[str, Histogram] = field(default_factory=dict[str, Histogram])
    read_errors: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    ended_well: bool | None = None
    """How the last write ended; None before the first."""
    audited: float | None = None
    """When the last complete audit began, in seconds since 1970."""
    behind: int = 0
    unaudited: int = 0
    """Writes that had to go before any audit found them whole."""

    def failed(self, error: str) -> None:
        """Count a write that failed, by its errno."""
        self.errors[error if error in EXPECTED else OTHER] += 1


@dataclass(frozen=True)
class State:
    """What is true at the instant of a scrape."""

    mounted: bool
    inflight: int
    oldest: float
    stalls: int
    stalled: float
    longest: float
    kept: int
    harm: Mapping[int, Harm]
    stale: bool
    """Whether the last complete audit is so old that how many were behind then says nothing of now."""


def families(volume: str, peers: Iterable[str], figures: Figures, state: State) -> Iterator[Family]:
    """Everything, labelled with the volume."""
    if figures.ended_well is not None or not state.mounted:
        yield family(names.STORAGE_UP, _one(volume, state.mounted and bool(figures.ended_well)))
    if figures.writes:
        yield histogram(names.STORAGE_WRITE, {(volume,): figures.latency})
    yield histogram(names.STORAGE_READ, {(volume, peer): each for peer, each in figures.reads.items()})
    yield family(names.STORAGE_WRITES, _one(volume, figures.writes))
    errors = {each: 0 for each in (*EXPECTED, OTHER)} | figures.errors
    yield family(names.STORAGE_ERRORS, (((volume, each), count) for each, count in errors.items()))
    read_errors = {(peer, "checksum"): 0 for peer in peers} | figures.read_errors
    yield family(names.STORAGE_READ_ERRORS, (((volume, *each), count) for each, count in read_errors.items()))
    yield family(names.STORAGE_OLDEST, _one(volume, state.oldest))
    yield family(names.STORAGE_INFLIGHT, _one(volume, state.inflight))
    yield family(names.STORAGE_STALLS, _one(volume, state.stalls))
    yield family(names.STORAGE_STALLED, _one(volume, state.stalled))
    yield family(names.STORAGE_LONGEST, _one(volume, state.longest))
    yield family(names.STORAGE_KEPT, _one(volume, state.kept))
    yield family(names.STORAGE_UNAUDITED, _one(volume, figures.unaudited))
    yield from _findings(volume, figures, state)


def _findings(volume: str, figures: Figures, state: State) -> Iterator[Family]:
    if figures.audited is not None:
        yield family(names.STORAGE_AUDITED, _one(volume, figures.audited))
        if not state.stale:
            yield family(names.STORAGE_BEHIND, _one(volume, figures.behind))
    if figures.audited is not None or state.harm:
        kinds = Counter(state.harm.values())
        yield family(names.STORAGE_LOST, _one(volume, kinds["lost"]))
        yield family(names.STORAGE_CORRUPT, _one(volume, kinds["corrupt"]))


def _one(volume: str, value: float) -> Series:
    return [((volume,), value)]
