"""A run, and what a writer that knows nothing of the canary saw of it: they must agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.lab import probe
from tests.lab.probe import Write, probing
from tests.lab.runs import Stage, hypothesis
from tests.lab.storage.settled import settled

WORKER = "worker-001"
AGREEMENT = 0.1  # seconds between what the canary and the probe say of one instant
ROUNDED = 0.02  # seconds by which clocks and scrapes make the canary's begin inexact
ABOUT = 1.0  # seconds: a write that was under way when a stall began makes it so much longer for one of the two
BACKLOG = 0.5  # seconds in which the writes that hung first are answered
STALLS = "no write stalls longer than promised"
HEALING = "healing stalls no write longer than promised"  # the same stall is remembered when healing begins

Stretch = tuple[float, float]
"""Begin and end, seconds since 1970."""


@dataclass(frozen=True)
class Seen:
    """One run, and what the probe saw of it on one worker."""

    run: dict[str, Any]
    writes: list[Write]

    @property
    def reported(self) -> Stretch | None:
        """The longest stall that the canary of the same worker reported; None if there was none."""
        mine = [each for each in self.run["stalls"] if each["who"].endswith(WORKER)]
        if not mine:
            return None
        worst = max(mine, key=lambda each: each["at_least"])
        start = datetime.fromisoformat(worst["start"]).timestamp()
        return start, start + worst["at_least"]

    @property
    def probed(self) -> Stretch | None:
        """The longest that the probe saw; of several faults' stalls about as long, the one that the canary reported."""
        reported = self.reported
        if (worst := probe.longest(self.writes)) is None or reported is None or len(self.run["faults"]) == 1:
            return (worst.due, worst.done) if worst else None
        same = [each for each in self.writes if each.due <= reported[1] and each.done >= reported[0]]
        if (near := probe.longest(same)) is not None and near.seconds >= worst.seconds - ABOUT:
            worst = near
        return worst.due, worst.done

    @property
    def errors(self) -> set[str]:
        return {each.errno for each in self.writes} - {""}

    def assert_agreed(self, every: float = probe.PERIOD) -> None:
        """On how long the longest stall was; or on its end, and on its begin within one write of the canary's.

        A write that was under way at the instant of the fault hangs, too, and stalls since it was due: that one got
        through and another did not, which was due after it, is chance. So is the order in which a brick that is back
        answers those that wait for it: the end must lie among the probe's, of what hung first.
        """
        healing = max((each["worst"] or 0.0 for each in self._phases("recovering", "after")), default=0.0)
        canary, writer = self.reported, self.probed
        print(
            f"\n{self.run['experiment']}: {self.run['verdict']}, stall {_told(canary)}, probe {_told(writer)},"
            f" recovered in {self.run['statistics']['time_to_recover_s']} s, longest wait meanwhile {healing:.2f} s"
        )
        if abs(_waited(canary) - _waited(writer)) > AGREEMENT:
            assert canary
            assert writer
            assert abs(canary[0] - writer[0]) <= every + self._under_way(writer[0]) + ROUNDED
            first, last = self._answered(writer[0])
            print(
                f"late writes answered in {last - first:.2f} s; canary {canary[1] - writer[1]:+.2f} s beside the probe"
            )
            assert first - AGREEMENT <= canary[1] <= last + AGREEMENT
            assert last - first <= BACKLOG

    def _answered(self, begin: float) -> Stretch:
        """When those of the probe's late writes were answered that were due within a second of this."""
        ends = [each.done for each in self.writes if each.seconds > probe.LATE and abs(each.due - begin) <= 1]
        return min(ends), max(ends)

    def _under_way(self, begin: float) -> float:
        """The longest that a write took in the two seconds before."""
        earlier = (each.seconds for each in self.writes if begin - 2 <= each.due < begin)
        return max(earlier, default=0.0)

    def _phases(self, *names: str) -> list[dict[str, Any]]:
        asked = {each["name"] for each in self.run["hypotheses"]}
        phases = hypothesis(self.run, HEALING if HEALING in asked else STALLS)["phases"]
        return [phases[each] for each in names if each in phases]


def _waited(stretch: Stretch | None) -> float:
    """Seconds; at least what is no stall yet, and told by nobody."""
    return stretch[1] - stretch[0] if stretch else probe.LATE


def _told(stretch: Stretch | None) -> str:
    return f"{_waited(stretch):.2f} s" if stretch else "none"


def seen(storage: Stage, experiment: str, expect: int, mount: str = "/srv/homes") -> Seen:
    """Run it on a settled site, with a probe beside the canary."""
    settled(storage)
    with probing(storage.site, [WORKER], mount) as (writer,):
        run = storage.run(experiment, expect)
        return Seen(run, writer.writes())
