"""What this machine's glusterd and heal tool know, asked without a transaction of the cluster."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chaosjc.canary.watch import Unknown
from chaosjc.clock import Clock
from chaosjc.drivers import gluster_xml
from chaosjc.drivers.command import Runner

PING_TIMEOUT = 42.0
"""GlusterFS's own network.ping-timeout, in force where the volume does not set it."""

MOST_PENDING = 100  # entries: some 10 ms each
_STATE_LIMIT = 5.0  # seconds for what takes 55 ms
_HEAL_LIMIT = 25.0  # seconds: a brick that does not answer costs it a ping-timeout
_VALUE = re.compile(r"^([\w.-]+): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class State:
    """`peers`: whether this glusterd is connected to each, by name. `options` by volume: those that were set."""

    peers: Mapping[str, bool]
    options: Mapping[str, Mapping[str, str]]

    def ping_timeout(self, volume: str) -> float | None:
        """Seconds; None for a volume that it does not know."""
        if volume not in self.options:
            return None
        return float(self.options[volume].get("network.ping-timeout", PING_TIMEOUT))


def state(run: Runner, directory: Path) -> State:
    """Ask `gluster get-state`, which answers through a file in `directory`.

    Raises CommandError, CommandTimeout, OSError.
    """
    run(["gluster", "get-state", "glusterd", "odir", str(directory), "file", "state"], timeout=_STATE_LIMIT)
    return parse_state((directory / "state").read_text())


def parse_state(text: str) -> State:
    """The file that `gluster get-state` writes: `Volume1.options.network.ping-timeout: 5`."""
    values = dict(_VALUE.findall(text))
    return State(dict(_peers(values)), dict(_options(values)))


def version(run: Runner) -> tuple[int, ...]:
    """(10, 3). It is asked once: another version is another image, and so another VM."""
    said = run(["gluster", "--version"], timeout=_STATE_LIMIT).stdout
    match = re.match(r"glusterfs (\d+)\.(\d+)", said)
    if not match:
        raise Unknown(f"gluster --version says {said[:80]!r}")
    return int(match[1]), int(match[2])


class SplitBrain:
    """Counts entries in split-brain that a brick knows of, by the heal tool, at most every `every` seconds.

    One brick cannot tell by itself, and the tool is dear: it walks through all that is pending, with locks on every
    brick. A large backlog is being healed; it is not asked about, lest the asking keeps it from being healed.
    """

    def __init__(self, run: Runner, clock: Clock, volume: str, brick: str, every: float = 30.0) -> None:
        self._run, self._clock, self._every = run, clock, every
        self._volume, self._brick = volume, brick
        self._asked, self._found = float("-inf"), None

    def count(self, pending: int) -> int:
        """0 where nothing is pending: every entry in split-brain is. Raises Unknown where the tool has not told."""
        if not pending:
            self._asked, self._found = float("-inf"), None
            return 0
        if pending > MOST_PENDING:
            raise Unknown(f"{self._brick}: {pending} entries pending, too many to ask about")
        if self._clock.monotonic() - self._asked >= self._every:
            self._asked, self._found = self._clock.monotonic(), None
            self._found = self._ask()
        if self._found is None:
            raise Unknown(f"{self._brick}: not told")
        return self._found

    def _ask(self) -> int | None:
        argv = ["gluster", "--mode=script", "volume", "heal", self._volume, "info", "summary", "--xml"]
        answer = gluster_xml.document(self._run(argv, timeout=_HEAL_LIMIT).stdout)
        counts = {f"{each.host}:{each.path}": each.entries for each in gluster_xml.split_brain(answer)}
        return counts.get(self._brick)


def _peers(values: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    for key, host in values.items():
        if match := re.fullmatch(r"(Peer\d+)\.primary_hostname", key):
            names = [host, *re.split(r"[ ,]+", values.get(f"{match[1]}.othernames", ""))]
            connected = values.get(f"{match[1]}.connected")
            if connected in ("Connected", "Disconnected"):
                yield next((name for name in names if name and not _is_address(name)), host), connected == "Connected"


def _options(values: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    for key, name in values.items():
        if match := re.fullmatch(r"(Volume\d+)\.name", key):
            prefix = f"{match[1]}.options."
            yield name, {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
