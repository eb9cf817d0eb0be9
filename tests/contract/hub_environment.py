"""JupyterHub, single-user server and proxy of the contract tests: the trees of the lab's container images."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chaosjc.drivers import command
from chaosjc.lab.containers.trees import PACKAGES, PYTHON, trees
from chaosjc.lab.layout import default_cache


@dataclass(frozen=True)
class Program:
    """How it is started."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


@dataclass(frozen=True)
class Programs:
    """What a hub is made of."""

    hub: Program
    singleuser: Program
    proxy: Program


def programs() -> Programs:
    """All three, made where the cache does not have them yet (half a minute)."""
    cache = default_cache()
    made = trees(cache, command.run, lambda _: None)
    compiled = {"PYTHONPYCACHEPREFIX": str(cache / "contract-bytecode"), "PYTHONDONTWRITEBYTECODE": ""}

    def python(tree: Path, module: str) -> Program:
        return Program((_interpreter(), "-m", module), compiled | {"PYTHONPATH": str(tree / PACKAGES)})

    programs = made.proxy / "usr" / "local" / "bin"
    proxy = Program((str(programs / "node"), str((programs / "configurable-http-proxy").resolve())), {})
    return Programs(python(made.hub, "jupyterhub"), python(made.singleuser, "jupyterhub.singleuser"), proxy)


def _interpreter() -> str:
    """One of the version for which the trees' packages are built."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}" == PYTHON
    found = sys.executable if own else shutil.which(f"python{PYTHON}")
    assert found, f"no python{PYTHON} on this machine"
    return found
