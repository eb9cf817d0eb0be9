"""The checks of GlusterFS on bricks that are really killed: what they say, and that a restart settles it."""

from __future__ import annotations

from typing import cast

import pytest

from chaosjc.checks import registry
from chaosjc.checks.entry import CheckEntry, Names
from chaosjc.checks.sources import Sources
from chaosjc.journal.events import Reading
from chaosjc.site import discover
from chaosjc.site.context import Context
from tests.lab.cloud import until
from tests.lab.runs import Stage
from tests.lab.site import DeployedSite

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]


class Asked:
    """The checks, as a run asks them."""

    def __init__(self, context: Context) -> None:
        found = discover.topology(context.site, context.cloud)
        self._sources = Sources(
            ssh=context.ssh,
            cloud=context.cloud,
            gluster=discover.pool(context.site, context.ssh),
            mounting=lambda volume: discover.mounting(context.site, volume, found),
        )

    def readings(self, kind: str, **options: str) -> dict[str, Reading]:
        """By series, at once."""
        model: type[CheckEntry] = registry.NAMED[kind]
        entry = model.model_validate({"check": kind, "timeout": "10s", **options})
        answers = registry.ask(registry.check_plan(entry, "h1", Names()), self._sources)
        return {each.series: each for each in answers}

    def values(self, kind: str, **options: str) -> dict[str, float | str | None]:
        """What they say."""
        return {series: each.value for series, each in self.readings(kind, **options).items()}

    def healed(self, volume: str) -> float | str | None:
        """`whole`, `broken`, or None where nobody can tell."""
        return self.values("gluster.healed", volume=volume)[""]


def kill_brick(site: DeployedSite, host: str, volume: str) -> None:
    """As a crash does: no good-bye."""
    site.by_hand(host, f"sudo sh -c 'kill -9 $(cat /var/run/gluster/vols/{volume}/*.pid)'")


def start_again(site: DeployedSite, volume: str) -> None:
    """Start what has died."""
    site.by_hand("brick-001", f"sudo gluster --mode=script volume start {volume} force")


def test_checks_tell_dead_bricks_and_when_all_is_well_again(storage: Stage) -> None:
    asked = Asked(storage.site.context())
    until(lambda: asked.healed("homes") == "whole", 90, every=1)
    assert asked.values("gluster.peers") == dict.fromkeys(["brick-001", "brick-002", "brick-003"], 1.0)
    assert set(asked.values("gluster.split_brain", volume="homes").values()) == {0.0}

    kill_brick(storage.site, "brick-003", "homes")
    online = {"brick-001:/data/homes": 1.0, "brick-002:/data/homes": 1.0, "brick-003:/data/homes": 0.0}
    until(lambda: asked.values("gluster.bricks_online", volume="homes") == online, 10, every=0.5)
    assert asked.healed("homes") in (None, "broken")
    assert "brick-003:/data/homes is offline" in asked.readings("gluster.healed", volume="homes")[""].why
    assert asked.values("gluster.writable", volume="homes") == {"homes/0": "whole"}

    start_again(storage.site, "homes")
    until(lambda: asked.healed("homes") == "whole", 120, every=1)


def test_two_dead_bricks_of_three_take_no_writes(storage: Stage) -> None:
    asked = Asked(storage.site.context())
    until(lambda: asked.healed("scratch") == "whole", 90, every=1)
    for host in ("brick-002", "brick-003"):
        kill_brick(storage.site, host, "scratch")
    until(lambda: asked.values("gluster.writable", volume="scratch") == {"scratch/0": "broken"}, 10, every=0.5)
    storage.site.by_hand("worker-001", "! sudo timeout 20 sh -c 'echo x > /srv/scratch/by-hand'")
    assert asked.values("gluster.writable", volume="homes") == {"homes/0": "whole"}

    start_again(storage.site, "scratch")
    until(lambda: asked.healed("scratch") == "whole", 120, every=1)
    storage.site.by_hand(
        "worker-001", "sudo timeout 20 sh -c 'echo x > /srv/scratch/by-hand && rm /srv/scratch/by-hand'"
    )


def test_discover_shows_the_real_layout(storage: Stage) -> None:
    found = cast("dict[str, list[dict[str, object]]]", storage.site.run("discover"))
    volumes = {each["name"]: each for each in found["volumes"]}
    assert set(volumes) == {"homes", "scratch"}
    assert volumes["scratch"]["sacrificial"] is True
    assert volumes["homes"]["mounts"] == ["worker-001", "worker-002"]
    (replicas,) = cast("list[dict[str, object]]", volumes["homes"]["sets"])
    assert (replicas["needed"], len(cast("list[object]", replicas["bricks"]))) == (2, 3)
