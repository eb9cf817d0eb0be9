"""Files of known content on the volume `homes`, and whether every brick and every mount has the same."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Generator

from tests.lab.site import DeployedSite

BRICK, MOUNT, STILL = "/data/homes", "/srv/homes", "still"
COUNT = 100
BRICKS = ("brick-001", "brick-002", "brick-003")
WORKERS = ("worker-001", "worker-002")


@contextlib.contextmanager
def still(site: DeployedSite) -> Generator[DeployedSite]:
    """With `COUNT` files that nobody changes meanwhile."""
    make = f"mkdir {MOUNT}/{STILL}; for n in $(seq {COUNT}); do head -c 40000 /dev/urandom > {MOUNT}/{STILL}/$n; done"
    site.by_hand(WORKERS[0], f"sudo sh -c {shlex.quote(make)}")
    try:
        yield site
    finally:
        site.by_hand(WORKERS[0], f"sudo rm -rf {MOUNT}/{STILL}")


def sums(site: DeployedSite, vm: str, directory: str) -> str:
    """Every file in the directory by its checksum."""
    done = site.ssh(vm, f"sudo sh -c 'cd {directory}; sha256sum * | sort -k 2'")
    assert done.returncode == 0, done.stderr
    return done.stdout


def same_everywhere(site: DeployedSite, directory: str = STILL) -> bool:
    """Whether bricks, by their own disks, and workers, by their mounts, have the same files; those of `still`, all."""
    found = {sums(site, brick, f"{BRICK}/{directory}") for brick in BRICKS}
    found |= {sums(site, worker, f"{MOUNT}/{directory}") for worker in WORKERS}
    return len(found) == 1 and (directory != STILL or len(found.pop().splitlines()) == COUNT)
