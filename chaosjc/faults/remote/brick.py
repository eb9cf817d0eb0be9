"""Breaks one brick of this machine: its process, or its disk. Standard library only; the package says how it is called.

    {"verb": "kill", "volume": V, "path": P}
    {"verb": "hold", "what": "freeze", "volume": V, "path": P}
    {"verb": "hold", "what": "slow", "volume": V, "path": P, "delay": 0.05, "calls": [system call…]}
    {"verb": "hold", "what": "fill", "volume": V, "path": P, "file": name, "leave": 0.5}
    {"verb": "look", "unit": name, "volume": V, "path": P, "file": name, "leave": 0.5}  →  {"left": [what is wrong…]}
    {"verb": "marked", "path": P}  →  {"marked": bool}

`file` may be empty. Seconds and percent of the file system's size. Places and formats as GlusterFS 10.3 has them.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import signal
import socket
import struct
import subprocess  # noqa: TID251 - this file runs on the target, where chaosjc is not
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

RUN = "/var/run/gluster"
MARK = "trusted.glusterfs.volume-id"
SOON = 10.0  # seconds within which a signal, or an attached tracer, has had its effect
ANSWER = 2.0  # seconds within which a brick that is well answers: an idle one takes 0.5 ms
CHUNK, CRUMB = 64 << 20, 64 << 10  # bytes that are taken at a time while a disk is filled: most, and least
GF_DUMP, LIST_PROGRAMS = 123451501, 1


def kill(request: dict[str, Any]) -> dict[str, Any]:
    """End its process without a word to anyone."""
    pid = require_process(request)
    os.kill(pid, signal.SIGKILL)
    wait(lambda: not os.path.exists(f"/proc/{pid}") or state_of(pid) == "Z", f"process {pid} did not end")
    return {}


# ------------------------------------------------------------------ what lasts as long as its unit


def freeze(request: dict[str, Any]) -> None:
    """Stop its process; its kernel goes on to accept connections. The unit sends the SIGCONT."""
    pid = require_process(request)
    os.kill(pid, signal.SIGSTOP)
    wait(lambda: state_of(pid) == "T", f"process {pid} did not stop")
    ready()
    signal.pause()


def slow(request: dict[str, Any]) -> None:
    """Let a tracer delay each system call by which the process uses its disk; without it they are as before."""
    pid = require_process(request)
    calls = ",".join(request["calls"])
    inject = f"inject={calls}:delay_enter={round(request['delay'] * 1e6)}"
    tracer = subprocess.Popen(
        [
            "strace",
            "-f",
            "-q",
            "-p",
            str(pid),
            "-o",
            "/dev/null",
            "-e",
            "signal=none",
            "-e",
            f"trace={calls}",
            "-e",
            inject,
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait(lambda: tracer.poll() is not None or traced(pid), f"strace did not attach to process {pid}")
    if tracer.poll() is None:
        ready()
    said = (tracer.communicate()[1].strip() or "ended").splitlines()[-1]
    sys.exit(f"strace: {said}")


def fill(request: dict[str, Any]) -> None:
    """Take the free space of the brick's file system, all but `leave`, with a file beside the brick."""
    path: str = request["path"]
    directory = os.path.dirname(path)
    if os.stat(path).st_dev != os.stat(directory).st_dev:
        sys.exit(f"{path} is the root of its file system: a file beside it would lie elsewhere")
    with open(os.path.join(directory, request["file"]), "wb") as file:
        take(file.fileno(), request["leave"])
    ready()
    signal.pause()


def take(file: int, leave: float) -> None:
    """Allocate until no more than `leave` percent are free, or no crumb is to be had."""
    size, chunk = 0, CHUNK
    while chunk >= CRUMB:
        space = os.fstatvfs(file)
        left = int(space.f_bfree * space.f_frsize - space.f_blocks * space.f_frsize * leave / 100)
        if left <= 0:
            return
        try:
            os.posix_fallocate(file, size, min(chunk, left))
            size += min(chunk, left)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            chunk //= 2


HOLDS: dict[str, Callable[[dict[str, Any]], None]] = {"freeze": freeze, "slow": slow, "fill": fill}


# ------------------------------------------------------------------ the look afterwards


def look(request: dict[str, Any]) -> dict[str, Any]:
    """What is still wrong with the brick, in words."""
    return {"left": residue(request) or wrong(request["volume"], request["path"])}


def residue(request: dict[str, Any]) -> list[str]:
    """What is left of the fault itself."""
    left: list[str] = []
    if unit_runs(request["unit"]):
        left.append(f"unit {request['unit']} still runs")
    if not request["file"]:
        return left
    directory: str = os.path.dirname(request["path"])
    if os.path.exists(os.path.join(directory, request["file"])):
        left.append(f"{directory}/{request['file']} is still there")
    space = os.statvfs(directory)
    if space.f_bfree * 100 <= request["leave"] * space.f_blocks:
        left.append(f"{directory} has no space")
    return left


def wrong(volume: str, path: str) -> list[str]:
    """Why a user of the brick would not get an answer."""
    if not marked(path):
        return [f"{path} is not a brick: it lacks {MARK}"]
    pid = process_of(volume, path)
    if pid is None:
        return [f"{path} has no process"]
    if state_of(pid) in "Tt":
        return [f"{path}: process {pid} is stopped"]
    if traced(pid, any_thread=True):
        return [f"{path}: process {pid} is being traced"]
    status, port = as_glusterd_sees(volume, path)
    if status != "Started":
        return [f"{path}: glusterd says {status}"]
    return [] if answers(port) else [f"{path}: port {port} does not answer"]


def as_glusterd_sees(volume: str, path: str) -> tuple[str, int]:
    """Status and port of a brick by this machine's glusterd alone: `volume status` would lock the cluster."""
    with tempfile.TemporaryDirectory() as directory:
        run("gluster", "--mode=script", "get-state", "glusterd", "odir", directory, "file", "state")
        with open(f"{directory}/state") as file:
            facts = {key: value.strip() for key, _, value in (line.partition(":") for line in file)}
    numbers = [key.split(".")[0] for key, value in facts.items() if key.endswith(".name") and value == volume]
    for key, value in facts.items():
        brick, _, field = key.rpartition(".")
        here = f"{brick}.port" in facts  # it tells ports of this machine's bricks only
        if field == "path" and here and brick.split(".")[0] in numbers and value.partition(":")[2] == path:
            return facts[f"{brick}.status"], int(facts[f"{brick}.port"])
    return "nothing of it", 0


def answers(port: int) -> bool:
    """Whether the process behind a port of this machine answers the question with which every client begins."""
    body = struct.pack(">10IQ", 1, 0, 2, GF_DUMP, 1, LIST_PROGRAMS, 0, 0, 0, 0, 0)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER) as connection:
            connection.sendall(struct.pack(">I", 0x80000000 | len(body)) + body)
            connection.recv(4)
    except OSError:
        return False
    return True


# ------------------------------------------------------------------ small things


def process_of(volume: str, path: str) -> int | None:
    """The brick's process by its pid file, if what bears that number now is one for this path."""
    dashed = glob.escape(path.replace("/", "-"))
    for name in glob.glob(f"{RUN}/vols/{glob.escape(volume)}/*{dashed}.pid"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(read(name))
            words = read(f"/proc/{pid}/cmdline").split("\0")
            if words[0].endswith("glusterfsd") and path in words[words.index("--brick-name") + 1 :][:1]:
                return pid
    return None


def require_process(request: dict[str, Any]) -> int:
    """The same; ends this program where there is none."""
    pid = process_of(request["volume"], request["path"])
    if pid is None:
        sys.exit(f"{request['path']} has no process of volume {request['volume']}")
    return pid


def state_of(pid: int) -> str:
    """R, S, D, T (stopped), t (by a tracer), Z; empty once it is gone."""
    with contextlib.suppress(OSError):
        return read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0]
    return ""


def traced(pid: int, *, any_thread: bool = False) -> bool:
    """Whether all of its threads, or any, have a tracer."""
    found: list[bool] = []
    for name in glob.glob(f"/proc/{pid}/task/*/status"):
        with contextlib.suppress(OSError):
            found.append("TracerPid:\t0\n" not in read(name))
    return any(found) if any_thread else bool(found) and all(found)


def marked(path: str) -> bool:
    """Whether the directory is a brick of some volume, with what it held."""
    with contextlib.suppress(OSError):
        return bool(os.getxattr(path, MARK))
    return False


def unit_runs(unit: str) -> bool:
    """Whether systemd still has it, be it ending."""
    state = run("systemctl", "show", "--property=ActiveState", "--value", unit).strip()
    return state not in ("inactive", "failed")


def wait(what: Callable[[], bool], otherwise: str) -> None:
    """Until it is so; ends this program where it is not soon."""
    end = time.monotonic() + SOON
    while not what():
        if time.monotonic() > end:
            sys.exit(otherwise)
        time.sleep(0.01)


def run(*words: str) -> str:
    """The output of a command; ends this program with its last words where it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words[:4])}: {done.stderr.strip() or done.stdout.strip() or done.returncode}")
    return done.stdout


def read(path: str) -> str:
    """The text of a file."""
    with open(path) as file:
        return file.read()


def ready() -> None:
    """Tell systemd that the fault is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))


def main() -> None:
    """Do what the request says."""
    request = json.loads(sys.argv[1])
    if request["verb"] == "hold":
        HOLDS[request["what"]](request)
        return
    verbs: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "kill": kill,
        "look": look,
        "marked": lambda asked: {"marked": marked(asked["path"])},
    }
    json.dump(verbs[request["verb"]](request), sys.stdout)


if __name__ == "__main__":
    main()
