"""The two processes of the control plane, told by pid and start time: start, wait, stop, each at any time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import dataclass
from typing import Literal

from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers.command import spawn
from chaosjc.errors import LabError
from chaosjc.lab.config import Ports
from chaosjc.lab.environment import Environment, clean
from chaosjc.lab.layout import Lab
from chaosjc.lab.machine import process
from chaosjc.lab.machine.disks import write_atomically
from chaosjc.lab.machine.network import Names

Role = Literal["cloud", "network"]
ROLES: tuple[Role, ...] = ("network", "cloud")
_SERVE = "chaosjc.lab.openstack.serve"
_POLL = 0.05


@dataclass(frozen=True)
class Process:
    """What a process of the control plane says of itself: `loading`, `ready`, `failed`; `down` when it is not there."""

    role: Role
    pid: int
    started: int
    phase: str

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.phase != "down"


def look(lab: Lab, role: Role) -> Process:
    """The process of a role as it is now."""
    try:
        said = json.loads((lab.run / f"{role}.json").read_text())
    except (FileNotFoundError, ValueError):
        return Process(role, 0, 0, "down")
    pid, started = int(said["pid"]), int(said["started"])
    return Process(role, pid, started, str(said["phase"]) if process.alive(pid, started) else "down")


def start(lab: Lab, environment: Environment, ports: Ports) -> None:
    """Start what does not run."""
    settings = lab.run / "settings.json"
    wanted = {
        "etc": str(lab.etc),
        "run": str(lab.run),
        "cgroup": Names(lab.tag).cgroup,
        "ports": {"cloud": ports.cloud, "network": ports.network},
    }
    write_atomically(settings, json.dumps(wanted))
    for role in ROLES:
        if not look(lab, role).alive:
            argv = ["nice", "-n", "5", str(environment.python), "-m", _SERVE, str(settings), role]
            spawn(argv, log=lab.logs / f"{role}.out", env=clean(lab.plugins), cwd=lab.private)


def wait(lab: Lab, timeout: float = 120.0, clock: Clock | None = None) -> None:
    """Until both are ready. Raises LabError, with the place of the log, if one ends or takes too long."""
    clock = clock or SystemClock()
    end = clock.monotonic() + timeout
    grace = clock.monotonic() + 10  # a new process needs a moment to say that it is there
    while any((now := look(lab, role)).phase != "ready" for role in ROLES):
        if now.phase == "failed" or (now.phase == "down" and clock.monotonic() > grace) or clock.monotonic() > end:
            raise LabError(
                f"the control plane did not start: {now.role} is {now.phase}",
                hint=f"see {lab.logs / f'{now.role}.out'} and the logs beside it",
            )
        clock.sleep(_POLL)


def stop(lab: Lab, timeout: float = 10.0, clock: Clock | None = None) -> None:
    """End both; by force after `timeout` seconds. Servers go on running."""
    clock = clock or SystemClock()
    running = [p for role in ROLES if (p := look(lab, role)).alive]
    _signal(running, signal.SIGTERM)
    end = clock.monotonic() + timeout
    while running := [p for p in running if process.alive(p.pid, p.started)]:
        if clock.monotonic() > end:
            _signal(running, signal.SIGKILL)
        clock.sleep(_POLL)


def _signal(processes: list[Process], number: int) -> None:
    for each in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each.pid, number)
