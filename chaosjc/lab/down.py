"""`lab down` and `lab reset`: both work without a control plane and without databases, on what the host shows."""

from __future__ import annotations

import concurrent.futures
import shutil

from chaosjc.errors import LabError
from chaosjc.lab import control, leftovers, registry, sysctl
from chaosjc.lab.layout import Lab
from chaosjc.lab.machine.machine import Host, Machine
from chaosjc.lab.machine.network import Names
from chaosjc.lab.up import SYSCTLS, Progress, exclusive

GRACE = 60.0  # seconds that a server gets to shut down, as nova gives it


def host_of(lab: Lab) -> Host:
    """The lab's machines."""
    return Host(lab.machines, Names(lab.tag))


def down(lab: Lab, progress: Progress, grace: float = GRACE) -> list[str]:
    """Stop control plane and servers and leave only files; returns the names of servers that had to be cut off.

    What ran is noted, and runs again after the next `up`.
    """
    if not lab.private.exists():
        return []
    with exclusive(lab):
        progress("stopping the control plane")
        control.stop(lab)
        cut = _stop_all(host_of(lab).machines(), grace, progress)
        _leave(lab, progress)
        return cut


def _stop_all(machines: list[Machine], grace: float, progress: Progress) -> list[str]:
    """All at once: a graceful stop mostly waits."""
    running = [m for m in machines if m.state in ("running", "paused")]
    if running:
        progress(f"stopping {len(running)} servers")
    with concurrent.futures.ThreadPoolExecutor(max(len(running), 1)) as pool:
        asked = [(m, pool.submit(m.stop, grace, resume=True)) for m in running]
        return [m.spec.name for m, by_itself in asked if not by_itself.result()]


def reset(lab: Lab, progress: Progress) -> None:
    """Remove every trace of the lab, at once: servers and all their data are gone."""
    if not lab.private.exists():
        _leave(lab, progress)
        shutil.rmtree(lab.directory, ignore_errors=True)
        return
    with exclusive(lab):
        control.stop(lab, timeout=1.0)
        _leave(lab, progress)
        progress("deleting its files")
        shutil.rmtree(lab.directory)


def _leave(lab: Lab, progress: Progress) -> None:
    leftovers.clear(lab, progress)
    registry.release(lab)
    if not registry.claims():
        sysctl.restore(SYSCTLS)


def find(lab: Lab, wanted: str) -> Machine:
    """A server by name or by the beginning of its id. Raises LabError if none or several match."""
    found = [m for m in host_of(lab).machines() if m.spec.name == wanted or m.uuid.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(sorted(m.spec.name for m in host_of(lab).machines())) or "none"
    what = "several servers match" if found else "no server is called"
    raise LabError(f"{what} {wanted!r}", hint=f"servers of lab {lab.name}: {names}")
