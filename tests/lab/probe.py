"""What an independent writer on a worker saw: `programs/probe.py`, started there, and its log read by brute force."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from chaosjc.drivers import command
from tests.lab.site import DeployedSite

PERIOD = 0.1  # seconds, as a canary's: on the same grid both mostly begin to wait with the same write
LATE = 1.0  # seconds
PROGRAM = Path(__file__).parent / "programs" / "probe.py"


@dataclass(frozen=True)
class Write:
    """One write of the probe; times in seconds since 1970, `errno` is empty for success."""

    due: float
    done: float
    errno: str

    @property
    def seconds(self) -> float:
        return self.done - self.due


def longest(writes: Iterable[Write]) -> Write | None:
    """The late write that waited longest; None if none was late."""
    return max((each for each in writes if each.seconds > LATE), key=lambda each: each.seconds, default=None)


class Probe:
    """The writer on one worker and one mount."""

    def __init__(self, site: DeployedSite, worker: str, mount: str) -> None:
        self._site = site
        self.worker = worker
        self._directory = f"{mount}/probe-{worker}"
        self._unit = f"probe-{mount.strip('/').replace('/', '-')}"
        self._log = f"/var/log/{self._unit}.log"

    def start(self) -> None:
        argv = f"python3 /usr/local/lib/probe.py {self._directory} {self._log} {PERIOD}"
        # what a test could not end; a pattern names only what is there
        self._site.by_hand(self.worker, f"sudo systemctl stop '{self._unit}*'")
        self._site.by_hand(self.worker, f"sudo rm -f {self._log}; sudo mkdir -p {self._directory}")
        done = command.run(
            ["ssh", "-F", str(self._site.state / "ssh/config"), self.worker, "sudo tee /usr/local/lib/probe.py"],
            stdin=PROGRAM.read_text(),
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self._site.by_hand(self.worker, f"sudo systemd-run --quiet --collect --unit={self._unit} {argv}")

    def stop(self) -> None:
        self._site.by_hand(self.worker, f"sudo systemctl stop {self._unit}; sudo rm -rf {self._directory}")

    def writes(self, since: float = 0.0) -> list[Write]:
        """All that were due since then and are answered."""
        lines = self._site.ssh(self.worker, f"cat {self._log}").stdout.splitlines()
        parsed = (line.split() for line in lines)
        writes = [Write(float(due), float(done), _name(int(code))) for due, done, code in parsed]
        return [write for write in writes if write.due >= since]


def _name(code: int) -> str:
    return errno.errorcode.get(code, str(code)) if code else ""


@contextlib.contextmanager
def probing(site: DeployedSite, workers: Iterable[str], mount: str) -> Generator[list[Probe]]:
    """Writers on these workers while the block lasts; it begins with one second of steady writing."""
    probes = [Probe(site, worker, mount) for worker in workers]
    for probe in probes:
        probe.start()
    time.sleep(1.0)
    try:
        yield probes
    finally:
        for probe in probes:
            probe.stop()
