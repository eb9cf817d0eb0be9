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

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from chaosjc.drivers import command
from chaosjc.lab.layout import Lab
from tests.lab.cloud import Cloud, lab_command

T = TypeVar("T")
RANGE = "10.231.77.0/24"
MEBIBYTE = 1 << 20


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def timed(label: str, target: float, act: Callable[[], T]) -> T:
    """Do it and print how long it took."""
    began = time.monotonic()
    done = act()
    took = time.monotonic() - began
    say(f"{label:48} {took:6.1f} s   target {target:5.0f} s   ratio {took / target:.2f}")
    return done


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


def memory(lab: Lab) -> None:
    """Of each process of the control plane, ten seconds after it did something."""
    time.sleep(10)
    control = json.loads(lab_command(lab, "status", "--json"))["control"]
    for process in control:
        say(f"memory of {process['role']:38} {process['memory_mb']:6d} MiB")
    total = sum(process["memory_mb"] for process in control) * MEBIBYTE / 1e6
    say(f"{'memory of the control plane':48} {total:6.0f} MB  target   700 MB  ratio {total / 700:.2f}")


def main(root: Path) -> None:
    """Everything in one go, on one lab with a cache of its own, which OpenStack's packages go to as well."""
    os.environ["XDG_CACHE_HOME"] = str(root / "cache")
    lab = Lab.of("bench", root)
    key = root / "key"
    command.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
    try:
        cloud = timed("cold: from nothing to 4 servers that answer SSH", 240, lambda: cold(lab, key))
        for number in range(3):
            timed("one server, create to SSH", 6, lambda number=number: cloud.boot(f"one-{number}"))
        timed("8 servers at once, create to SSH", 30, lambda: boot_many(cloud, 8))
        cloud.delete(*cloud.api.compute.servers())
        memory(lab)
        timed("lab down, no servers", 20, lambda: lab_command(lab, "down"))
        timed("lab up again: the control plane, warm", 8, lambda: lab_command(lab, "up"))
    finally:
        timed("lab reset", 20, lambda: lab_command(lab, "reset"))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    directory = Path(tempfile.mkdtemp(prefix="chaosjc-bench-", dir="/var/tmp"))
    directory.chmod(0o711)
    try:
        main(directory)
    finally:
        shutil.rmtree(directory)
