"""Every fault by its name. A new fault is its module, a line here, a folder of cases and an experiment."""

from __future__ import annotations

from chaosjc.faults import balancer, brick, command, disk, net, node, pod, service, vm
from chaosjc.faults.fault import Fault

FAULTS: dict[str, Fault] = {
    "brick.freeze": brick.FREEZE,
    "brick.kill": brick.KILL,
    "command": command.COMMAND,
    "disk.fill": disk.FILL,
    "disk.slow": disk.SLOW,
    "lb.member": balancer.MEMBER,
    "net.delay": net.DELAY,
    "net.partition": net.PARTITION,
    "node.drain": node.DRAIN,
    "pod.delete": pod.DELETE,
    "pod.freeze": pod.FREEZE,
    "service.scale": service.SCALE,
    "vm.delete": vm.DELETE,
    "vm.pause": vm.PAUSE,
    "vm.stop": vm.STOP,
}
