"""What a climb counts, and what it owes: a hub that throttles is left alone, and its user's server is not forgotten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, cast

import aiohttp
import pytest

from chaosjc.canary import hub_api, hub_ladder
from chaosjc.canary.hub_api import Server
from chaosjc.canary.hub_channels import Channels
from chaosjc.canary.hub_config import Config
from chaosjc.canary.hub_figures import LADDER, figures_of
from chaosjc.canary.hub_http import Failure, Throttled
from chaosjc.canary.hub_ladder import Ladder
from chaosjc.canary.hub_pace import Pace
from chaosjc.canary.hub_tally import Tally

CONFIG = Config({"lb": "http://hub"}, "/token", 9815)
WAIT = Throttled(7)
AWAY = Failure("refused")


class Hub(hub_api.Hub):
    """One that has the ladder's server or has not, and refuses a spawn while it has; `says` is what it answers once."""

    def __init__(self, **says: Exception) -> None:
        super().__init__(cast("aiohttp.ClientSession", None), "http://hub", "token", CONFIG.prefix)
        self.says, self.has_server, self.asked = dict(says), False, list[str]()

    def heard(self, what: str) -> None:
        self.asked.append(what)
        if what in self.says:
            raise self.says.pop(what)

    async def spawn(self, user: str, options: Mapping[str, Any], limit: float) -> Server:
        self.heard("spawn")
        if self.has_server:
            raise Failure("4xx", "is already running")
        self.has_server = True
        return Server(ready=True, pending="", began="now")

    async def start_kernel(self, user: str, name: str, limit: float) -> str:
        self.heard("kernel")
        return "k"

    async def stop(self, user: str, limit: float) -> None:
        self.heard("stop")
        self.has_server = False


class Kernel:
    """Prints what a cell would."""

    async def run(self, code: str, limit: float) -> str:
        if code.startswith("print("):
            one, two = code.removeprefix("print(").removesuffix(")").split(" * ")
            return f"{int(one) * int(two)}\n"
        return code.partition("file.write('")[2].partition("'")[0] + "\n"

    async def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _connected(monkeypatch: pytest.MonkeyPatch) -> None:
    async def opened(hub: Hub, user: str, kernel: str, limit: float) -> Channels:
        hub.heard("cell")
        return cast("Channels", Kernel())

    monkeypatch.setattr(hub_ladder, "opened", opened)


class Climber:
    """A ladder, climbed when the test says so."""

    def __init__(self, hub: Hub) -> None:
        self.figures = figures_of(CONFIG, Pace(), time.monotonic())
        self.ladder = Ladder(hub, CONFIG, self.figures)

    def climb(self) -> float:
        """How long the hub wants to be left alone."""
        return asyncio.run(self.ladder.climb(time.monotonic()))

    def tallies(self) -> dict[str, Tally]:
        return {rung: self.figures.rungs[rung, "lb"] for rung in LADDER}

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """Successes, failures and 429s of each rung that has any."""
        found = {rung: (t.successes, sum(t.failures.values()), t.throttled) for rung, t in self.tallies().items()}
        return {rung: counts for rung, counts in found.items() if any(counts)}

    def outages(self) -> int:
        return sum(tally.outages.count() for tally in self.tallies().values())


def test_the_first_climb_is_soon_and_so_is_the_next_after_a_fall() -> None:
    hub = Hub()
    one = Climber(hub)
    assert one.ladder.pace == hub_ladder.AGAIN
    one.climb()
    assert one.ladder.pace == CONFIG.every.ladder
    hub.says["spawn"] = AWAY
    one.climb()
    assert one.ladder.pace == hub_ladder.AGAIN


def test_a_climb_that_goes_well_leaves_nothing() -> None:
    hub = Hub()
    one = Climber(hub)
    assert one.climb() == 0
    assert one.counts() == dict.fromkeys(LADDER, (1, 0, 0))
    assert (hub.asked, hub.has_server) == (["spawn", "kernel", "cell", "stop"], False)


@pytest.mark.parametrize("rung", ["kernel", "cell"])
def test_a_hub_that_throttles_a_climb_is_left_alone_before_it_is_asked_to_stop_the_server(rung: str) -> None:
    hub = Hub(**{rung: WAIT})
    one = Climber(hub)
    assert one.climb() == 7
    assert (hub.asked[-1], hub.has_server) == (rung, True)
    assert one.climb() == 0
    first = ["spawn", "kernel", "cell"][: 2 if rung == "kernel" else 3]
    assert hub.asked == [*first, "stop", "spawn", "kernel", "cell", "stop"]
    assert (one.counts()[rung], one.counts()["stop"], one.outages()) == ((1, 0, 1), (1, 0, 0), 0)


def test_a_server_whose_stop_was_throttled_is_stopped_before_the_next_is_asked_for() -> None:
    """Else the hub says that it is running already: a failure, and an outage, of nobody."""
    hub = Hub(stop=WAIT)
    one = Climber(hub)
    assert (one.climb(), hub.has_server) == (7, True)
    assert (one.climb(), hub.has_server) == (0, False)
    assert (one.counts()["spawn"], one.counts()["stop"], one.outages()) == ((2, 0, 0), (1, 0, 1), 0)


def test_a_stop_that_is_throttled_again_and_again_is_owed_still() -> None:
    hub = Hub(stop=WAIT)
    one = Climber(hub)
    one.climb()
    for wait in (3, 9):
        hub.says["stop"] = Throttled(wait)
        assert one.climb() == wait
    assert one.climb() == 0
    assert (hub.asked.count("spawn"), one.outages(), hub.has_server) == (2, 0, False)


def test_a_throttled_spawn_owes_nothing() -> None:
    hub = Hub(spawn=WAIT)
    one = Climber(hub)
    assert (one.climb(), one.counts()) == (7, {"spawn": (0, 0, 1)})
    one.climb()
    assert hub.asked == ["spawn", "spawn", "kernel", "cell", "stop"]


def test_a_hub_that_went_away_meanwhile_is_an_outage_since_the_climb_was_due() -> None:
    hub = Hub(stop=WAIT)
    one = Climber(hub)
    one.climb()
    hub.says |= {"stop": AWAY, "spawn": AWAY}
    due = time.monotonic()
    assert asyncio.run(one.ladder.climb(due)) == 0
    assert one.tallies()["spawn"].failures["refused"] == 1
    assert one.tallies()["spawn"].outages.since() == due
    assert not hub.has_server, "it was asked again afterwards"


def test_a_fall_is_told_by_the_rungs_above_it() -> None:
    one = Climber(Hub(kernel=Failure("5xx")))
    one.climb()
    assert one.counts() == {
        "spawn": (1, 0, 0),
        **dict.fromkeys(("kernel", "cell", "home"), (0, 1, 0)),
        "stop": (1, 0, 0),
    }
    assert one.tallies()["cell"].failures["unreached"] == 1
