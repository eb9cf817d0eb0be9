"""The program that a brick VM runs for the stage volumes. Standard library only.

It is sent over SSH (`python3 -c`) with a request as JSON on stdin, and answers with JSON on stdout:

    {"look": [path…]}                   → {path: {"volume": UUID or "", "rebuilding": bool}…}
    {"mark": path, "rebuilding": bool}  → {}
    {"pending": path}                   → {"entries": number} that its index says others have missed, with false alarms
    {"files": path, "before": seconds since 1970, "names_only": bool}
                                        → {name: digest…} of the files that nobody has touched since then
    {"forget": true}                    → {}: this machine's glusterd asks its pool anew for all that it knows
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import subprocess  # noqa: TID251 - this file runs on the VM, where chaosjc is not
import sys
import uuid
from collections.abc import Iterator
from typing import Any

VOLUME_ID = "trusted.glusterfs.volume-id"
INTERNAL = ".glusterfs"
INDEX = ".glusterfs/indices/xattrop"
POINTER = stat.S_ISVTX  # the whole mode of a file that only says in which replica set the real one lies
KNOWLEDGE = ("/var/lib/glusterd/vols", "/var/lib/glusterd/peers")


def look(path: str) -> dict[str, Any]:
    """Whose brick it is, and whether its files are still on their way back."""
    volume = ""
    with contextlib.suppress(OSError):
        volume = str(uuid.UUID(bytes=os.getxattr(path, VOLUME_ID)))
    return {"volume": volume, "rebuilding": os.path.exists(marker(path))}


def marker(path: str) -> str:
    """Beside the brick, on its own disk: it is lost with it."""
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.rebuilding")


def mark(path: str, *, rebuilding: bool) -> None:
    """Durable before what it announces."""
    if not rebuilding:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(marker(path))
        return
    os.makedirs(path, exist_ok=True)
    with open(marker(path), "w") as file:
        os.fsync(file.fileno())


def pending(brick: str) -> int:
    """Names in the index; one that begins with the index's own name is what the others are links to."""
    return sum(not name.startswith("xattrop-") for name in os.listdir(os.path.join(brick, INDEX)))


def files(brick: str, before: float, *, names_only: bool) -> dict[str, str]:
    """Path below the brick → SHA-256 of the content (what an arbiter holds has none); symlinks by their target."""
    found: dict[str, str] = {}
    for path in walk(brick):
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(path)
            if status.st_ctime < before and stat.S_IMODE(status.st_mode) != POINTER:
                found[os.path.relpath(path, brick)] = "" if names_only else digest(path, status)
    return found


def walk(directory: str) -> Iterator[str]:
    """Every file and symlink, but GlusterFS's own."""
    for here, inner, names in os.walk(directory):
        if here == directory and INTERNAL in inner:
            inner.remove(INTERNAL)
        yield from (os.path.join(here, name) for name in names)
        yield from (path for name in inner if os.path.islink(path := os.path.join(here, name)))


def digest(path: str, status: os.stat_result) -> str:
    """Of a file's content; of anything else its kind."""
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path)
    if not stat.S_ISREG(status.st_mode):
        return oct(stat.S_IFMT(status.st_mode))
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def forget() -> None:
    """Its identity stays, and its bricks go on serving."""
    subprocess.run(["systemctl", "stop", "glusterd.service"], check=True)
    for each in KNOWLEDGE:
        shutil.rmtree(each, ignore_errors=True)
    subprocess.run(["systemctl", "start", "glusterd.service"], check=True)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """To one request."""
    if "look" in request:
        return {path: look(path) for path in request["look"]}
    if "pending" in request:
        return {"entries": pending(request["pending"])}
    if "files" in request:
        return files(request["files"], request["before"], names_only=request["names_only"])
    if "mark" in request:
        mark(request["mark"], rebuilding=request["rebuilding"])
    elif "forget" in request:
        forget()
    return {}


def main() -> None:
    """Answer one request."""
    json.dump(answer(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
