"""Every fault by its name. A new fault is its module, a line here, a folder of cases and an experiment."""

from __future__ import annotations

from chaosjc.faults import command, vm
from chaosjc.faults.fault import Fault

FAULTS: dict[str, Fault] = {
    "command": command.COMMAND,
    "vm.pause": vm.PAUSE,
    "vm.stop": vm.STOP,
    "vm.delete": vm.DELETE,
}
