"""What the lab promises about time and memory, measured: `make bench`. Needs root; its lab is removed at the end.

Each line has the figure, its target on a machine of two cores that does nothing else, and their ratio:

cold                 from the first `lab up`, with caches as empty as the lab, until 4 servers answer SSH: OpenStack is
                     installed and the image built on the way, from the mirrors that this machine uses
one server           from the request to create it until it answers SSH, three times
8 servers at once    from the first of the requests until the last of them answers SSH
memory               resident, of all processes of the control plane, once the servers are gone
the control plane    from `lab up` until it has ended, after a `lab down`: databases and caches are there
`lab down`, `reset`  how long it takes to be rid of the lab, without servers
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from benchmarks import on_a_lab
from benchmarks.figures import Promises, say
from chaosjc.drivers import command
from chaosjc.lab.layout import Lab
from tests.lab.cloud import Cloud, lab_command

RANGE = "10.231.77.0/24"
MEBIBYTE = 1 << 20


def cold(lab: Lab, key: Path) -> Cloud:
    """From nothing to a cloud with 4 servers that answer SSH."""
    lab_command(lab, "up")
    cloud = Cloud.connect(lab, key)
    cloud.furnish(RANGE)
    boot_many(cloud, 4)
    return cloud


def boot_many(cloud: Cloud, count: int) -> None:
    """Ask for all at once, then wait until each lets us in."""
    asked = [cloud.create(f"many-{count}-{n}") for n in range(count)]
    for server in [cloud.wait(each, "ACTIVE") for each in asked]:
        cloud.wait_for_ssh(server)


def memory(lab: Lab) -> float:
    """MB of the whole control plane, ten seconds after it did something; that of each of its processes is told."""
    time.sleep(10)
    control = json.loads(lab_command(lab, "status", "--json"))["control"]
    for process in control:
        say(f"memory of {process['role']:38} {process['memory_mb']:6d} MiB")
    return sum(process["memory_mb"] for process in control) * MEBIBYTE / 1e6


def main(root: Path) -> int:
    """Everything in one go, on one lab with a cache of its own, which OpenStack's packages go to as well."""
    os.environ["XDG_CACHE_HOME"] = str(root / "cache")
    lab, promises = Lab.of("bench", root), Promises()
    key = root / "key"
    command.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
    try:
        cloud = promises.timed("cold: from nothing to 4 servers that answer SSH", 240, lambda: cold(lab, key))
        for number in range(3):
            promises.timed("one server, create to SSH", 6, lambda number=number: cloud.boot(f"one-{number}"))
        promises.timed("8 servers at once, create to SSH", 30, lambda: boot_many(cloud, 8))
        cloud.delete(*cloud.api.compute.servers())
        promises.measured("memory of the control plane", memory(lab), 700, "MB")
        promises.timed("lab down, no servers", 20, lambda: lab_command(lab, "down"))
        promises.timed("lab up again: the control plane, warm", 8, lambda: lab_command(lab, "up"))
    finally:
        promises.timed("lab reset", 20, lambda: lab_command(lab, "reset"))
    return promises.exit_code()


if __name__ == "__main__":
    sys.exit(on_a_lab.run(__doc__, main))
