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
        """On the longest stall, within 100 ms; or on that of the write which the probe made when the canary did.

        A write that was under way at the instant of the fault hangs, too, and stalls since it was due: that one got
        through and another did not, which was due after it, is chance. So is the order in which a brick that is back
        answers those that wait for it: then the probe's write of the same instant is the canary's measure.
        """
        healing = max((each["worst"] or 0.0 for each in self._phases("recovering", "after")), default=0.0)
        canary, longest = self.reported, self.probed
        print(
            f"\n{self.run['experiment']}: {self.run['verdict']}, stall {_told(canary)}, probe {_told(longest)},"
            f" recovered in {self.run['statistics']['time_to_recover_s']} s, longest wait meanwhile {healing:.2f} s"
        )
        if abs(_waited(canary) - _waited(longest)) > AGREEMENT:
            assert canary
            assert longest
            writer = self._beside(canary)
            print(
                f"the probe's write beside it: {_told(writer)}, begun {writer[0] - canary[0]:+.3f} s from the canary's"
            )
            assert abs(writer[1] - canary[1]) <= AGREEMENT
            assert abs(writer[0] - canary[0]) <= every + self._under_way(writer[0]) + ROUNDED
            assert longest[1] - writer[1] <= BACKLOG

    def _beside(self, canary: Stretch) -> Stretch:
        """The late write of the probe that was due nearest to the canary's."""
        late = (each for each in self.writes if each.seconds > probe.LATE)
        nearest = min(late, key=lambda each: abs(each.due - canary[0]))
        return nearest.due, nearest.done

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
