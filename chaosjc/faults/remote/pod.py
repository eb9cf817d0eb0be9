"""Freezes the containers of one pod of this node. Standard library only; the package says how it is called.

    {"verb": "hold", "what": "freeze", "uid": U}
    {"verb": "look", "unit": name, "uid": U}  →  {"left": [what is wrong…]}

By cgroup: version 1 (`freezer.state`) or 2 (`cgroup.freeze`), below the directory that the kubelet made for the pod
with either of its drivers. It is the containers that are frozen, each by itself, and not their common parent: a
container that its kubelet kills meanwhile and starts again then runs, as after a hang.
"""

from __future__ import annotations

import glob
import json
import os
import signal
import socket
import subprocess  # noqa: TID251 - this file runs on the target, where chaosjc is not
import sys
import time
from typing import Any

ROOT = "/sys/fs/cgroup"
SOON = 10.0  # seconds within which all processes of a container have stopped


def freeze(request: dict[str, Any]) -> None:
    """Stop all containers that run now. The unit thaws them."""
    containers = [each for each in containers_of(request["uid"]) if busy(each)]
    if not containers:
        sys.exit(f"no container of pod {request['uid']} runs here")
    for each in containers:
        write(each, "freezer.state", "FROZEN") if is_v1(each) else write(each, "cgroup.freeze", "1")
    end = time.monotonic() + SOON
    while not all(map(frozen, containers)):
        if time.monotonic() > end:
            sys.exit(f"a container of pod {request['uid']} did not stop")
        time.sleep(0.01)
    ready()
    signal.pause()


def look(request: dict[str, Any]) -> dict[str, Any]:
    """What is left of the fault, in words."""
    left = [f"unit {request['unit']} still runs"] if unit_runs(request["unit"]) else []
    left += [f"container {os.path.basename(each)} is frozen" for each in containers_of(request["uid"]) if held(each)]
    return {"left": left}


def containers_of(uid: str) -> list[str]:
    """Directories of a pod's containers in the hierarchy that freezes; its sandbox is one too."""
    tree = ROOT if os.path.exists(f"{ROOT}/cgroup.controllers") else f"{ROOT}/freezer"
    pods = [os.path.join(parent, name) for parent, names, _ in os.walk(tree) for name in names if is_pod(name, uid)]
    return sorted(each.path for pod in pods for each in os.scandir(pod) if each.is_dir())


def is_pod(name: str, uid: str) -> bool:
    """`podU` by the driver cgroupfs, `kubepods-besteffort-podU.slice` by systemd's, with U's dashes underlined."""
    return name == f"pod{uid}" or name.endswith(f"-pod{uid.replace('-', '_')}.slice")


def is_v1(container: str) -> bool:
    """Whether it is frozen by `freezer.state`."""
    return os.path.exists(os.path.join(container, "freezer.state"))


def busy(container: str) -> bool:
    """Whether any process is in it, or below it."""
    return any(read(name) for name in glob.glob(f"{glob.escape(container)}/**/cgroup.procs", recursive=True))


def frozen(container: str) -> bool:
    """Whether all its processes have stopped, or it is gone."""
    if not os.path.isdir(container):
        return True
    if is_v1(container):
        return read(os.path.join(container, "freezer.state")) == "FROZEN"
    return "frozen 1" in read(os.path.join(container, "cgroup.events"))


def held(container: str) -> bool:
    """Whether it is told to stop: by itself, whatever is said above it."""
    name = "freezer.self_freezing" if is_v1(container) else "cgroup.freeze"
    return read(os.path.join(container, name)) == "1"


def unit_runs(unit: str) -> bool:
    """Whether systemd still has it, be it ending."""
    words = ("systemctl", "show", "--property=ActiveState", "--value", unit)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() not in ("inactive", "failed")


def read(path: str) -> str:
    """The text of a file without its end of line; empty where it is gone."""
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def write(container: str, name: str, word: str) -> None:
    """A word into one of a container's files."""
    with open(os.path.join(container, name), "w") as file:
        file.write(word)


def ready() -> None:
    """Tell systemd that the fault is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))


def main() -> None:
    """Do what the request says."""
    request = json.loads(sys.argv[1])
    if request["verb"] == "hold":
        freeze(request)
        return
    json.dump(look(request), sys.stdout)


if __name__ == "__main__":
    main()
