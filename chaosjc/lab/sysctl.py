"""Settings of the host that machines need, changed while any lab is up and put back with the last one.

All machines share one uid's inotify limits, and each runs a systemd that watches files. A kubelet does not start where
some settings are not what it wants, and a machine cannot set them. What a setting was before the first lab is kept
beside the labs' registrations, which are gone after a boot, as the change is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from chaosjc.drivers.command import Runner
from chaosjc.errors import CommandError, LabError
from chaosjc.lab.machine.disks import locked_directory, write_atomically

AT_LEAST = {
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 1_048_576,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}
EXACTLY = {
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
}
WANTED = AT_LEAST | EXACTLY
BRIDGE_FILTER = "net/bridge"


def changes(current: Mapping[str, int]) -> dict[str, int]:
    """Which settings to change and to what; one that this kernel lacks is not in `current`."""
    raised = {key: value for key, value in AT_LEAST.items() if current.get(key, value) < value}
    return raised | {key: value for key, value in EXACTLY.items() if current.get(key, value) != value}


def load_bridge_filter(run: Runner, proc: Path = Path("/proc/sys")) -> None:
    """Pods that share a node's bridge reach each other's services only if the bridge asks the packet filter.

    Raises LabError if the kernel has no such module.
    """
    if not (proc / BRIDGE_FILTER).exists():
        try:
            run(["modprobe", "br_netfilter"])
        except CommandError as error:
            hint = "this kernel needs its module br_netfilter, and this container the right to load it"
            raise LabError(f"Kubernetes needs the bridges' packet filter: {error.message}", hint=hint) from error


def apply(record: Path, proc: Path = Path("/proc/sys")) -> None:
    """Change what is not as wanted; the first values are written to `record` before."""
    with locked_directory(record.parent):
        current = {key: int((proc / key).read_text()) for key in WANTED if (proc / key).exists()}
        before, wanted = _read(record), changes(current)
        write_atomically(record, json.dumps({**{key: current[key] for key in wanted}, **before}))
        for key, value in wanted.items():
            (proc / key).write_text(str(value))


def restore(record: Path, proc: Path = Path("/proc/sys")) -> None:
    """Put back what `apply` changed, unless somebody else has changed it again."""
    with locked_directory(record.parent):
        before = _read(record)
        for key, value in before.items():
            if int((proc / key).read_text()) == WANTED.get(key):
                (proc / key).write_text(str(value))
        record.unlink(missing_ok=True)


def _read(record: Path) -> dict[str, int]:
    return json.loads(record.read_text()) if record.exists() else {}
