"""Settings of the host that machines need, changed while any lab is up and put back with the last one.

All machines share one uid's inotify limits, and each runs a systemd that watches files. What a setting was before the
first lab is kept beside the labs' registrations, which are gone after a boot, as the change is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from chaosjc.lab.machine.disks import locked_directory, write_atomically

WANTED = {
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 1_048_576,
}


def raised(current: Mapping[str, int], wanted: Mapping[str, int] = WANTED) -> dict[str, int]:
    """Which settings to change and to what; never lower one."""
    return {key: value for key, value in wanted.items() if current[key] < value}


def apply(record: Path, proc: Path = Path("/proc/sys")) -> None:
    """Raise what is too low; the first values are written to `record` before."""
    with locked_directory(record.parent):
        current = {key: int((proc / key).read_text()) for key in WANTED}
        before = _read(record)
        changes = raised(current)
        write_atomically(record, json.dumps({**{key: current[key] for key in changes}, **before}))
        for key, value in changes.items():
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
