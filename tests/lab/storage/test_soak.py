"""A run is killed at a random instant while a brick's VM hangs, again and again: it ends healed, and nothing is lost.

SOAK says how often (`make soak`: 20); its seed is printed, and SOAK_SEED repeats one.
"""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

import pytest

from chaosjc.drivers import command
from tests.lab.runs import Stage
from tests.lab.site import ROOT
from tests.lab.storage.settled import durability, settled

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]
REPEATS = int(os.environ.get("SOAK", "1"))
LONGEST = 50.0  # seconds; a run of this experiment takes longer


def closed(storage: Stage) -> dict[str, Any]:
    """The last run: closed by its watchdog once anything was begun; before it has one, nobody but `recover` knows."""
    last = storage.show(storage.last()["run"])
    if not any(target["intent_at"] for fault in last["faults"] for target in fault["targets"]):
        storage.recover()
    return storage.wait_closed()


def test_killed_at_random_instants(storage: Stage) -> None:
    seed = int(os.environ.get("SOAK_SEED", str(time.time_ns() % 1_000_000)))
    print(f"\nSOAK_SEED={seed}")
    rng = random.Random(seed)
    for repeat in range(1, REPEATS + 1):
        settled(storage)
        instant = rng.uniform(0.5, LONGEST)
        log = storage.site.state / f"soak-{repeat}.log"
        process = command.spawn(storage.argv("brick-vm-frozen"), log=log, cwd=ROOT)
        began = time.monotonic()
        try:
            process.wait(timeout=instant)
        except Exception:  # still running, as it should be
            process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.returncode == -signal.SIGKILL, "a kill after its end would prove nothing"
        run = closed(storage) if storage.runs() else None
        storage.recover()
        assert set(storage.status().values()) == {"ACTIVE"}
        healed = settled(storage)
        found = durability(storage)
        print(
            f"{repeat:3}/{REPEATS}: killed after {time.monotonic() - began:.1f} s"
            f" → {run['verdict'] if run else 'no run'}; settled {healed:.1f} s after recover; {found}"
        )
        assert (found.lost, found.corrupt) == (0, 0)
