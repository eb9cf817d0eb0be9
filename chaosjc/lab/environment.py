"""OpenStack's own Python environment, made from the lock file, addressed by its digest, safe to delete."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import chaosjc
from chaosjc.drivers.command import run
from chaosjc.errors import LabError
from chaosjc.lab.machine.disks import locked

ROOT = Path(chaosjc.__file__).resolve().parent.parent
LOCK = ROOT / "locks" / "openstack.txt"


@dataclass(frozen=True)
class Environment:
    """An interpreter that has OpenStack."""

    directory: Path
    digest: str

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.directory / "bin" / "python"

    @property
    def etc(self) -> Path:
        """Configuration files that the packages bring."""
        return self.directory / "etc"


# Whoever kills us, even by kill -9, kills what we started: an orphan would write into what the next one makes
BOUND = ("setpriv", "--pdeathsig", "KILL", "--")


def clean(plugins: Path | None = None) -> dict[str, str]:
    """Variables for OpenStack's interpreter: nothing of ours leaks in, and it may keep its bytecode.

    It has a hundred threads, and without a limit glibc keeps eight heaps for each processor.
    """
    return {
        "MALLOC_ARENA_MAX": "2",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPATH": str(plugins or ""),
        "VIRTUAL_ENV": "",
    }


def lock_digest(lock: Path = LOCK) -> str:
    """Of the locked packages and the interpreter's version. Raises LabError without a lock file."""
    try:
        text = lock.read_text()
    except FileNotFoundError:
        raise LabError(f"{lock} is missing", hint="run chaosjc from its source tree") from None
    return hashlib.sha256(f"{sys.version}\n{text}".encode()).hexdigest()[:12]


def ensure(cache: Path, progress: Callable[[str], None]) -> Environment:
    """The environment, installed and byte-compiled if it is not there yet (about 20 s). Raises CommandError."""
    digest = lock_digest()
    environment = Environment(cache / f"openstack-{digest}", digest)
    complete = environment.directory / ".complete"
    with locked(cache / f".openstack-{digest}.lock"):
        if complete.exists():
            return environment
        shutil.rmtree(environment.directory, ignore_errors=True)
        progress("installing OpenStack")
        _install(environment)
        progress("compiling OpenStack")
        compile_all = ["-m", "compileall", "-q", "-j", str(os.cpu_count() or 1), str(environment.directory / "lib")]
        run(
            [*BOUND, str(environment.python), *compile_all], check=False, timeout=600, env=clean()
        )  # a few templates do not compile
        complete.touch()
    return environment


def find_uv() -> str | None:
    """uv of this source tree, else of the PATH."""
    own = ROOT / ".tools" / "bin" / "uv"
    return str(own) if own.exists() else shutil.which("uv")


def _install(environment: Environment) -> None:
    python, directory = sys.executable, str(environment.directory)
    if uv := find_uv():
        run([uv, "venv", "-q", "--python", python, directory], env=clean())
        argv = [uv, "pip", "install", "-q", "--python", str(environment.python), "--require-hashes", "-r", str(LOCK)]
    else:
        run([*BOUND, python, "-m", "venv", directory], env=clean(), timeout=120)
        argv = [str(environment.python), "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "-r", str(LOCK)]
    trusting = {"UV_SYSTEM_CERTS": "1"}  # a site's own authority is known to the system, not to uv
    run([*BOUND, *argv], timeout=1200, env=clean() | trusting)
