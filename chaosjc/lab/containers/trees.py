"""What the images of the hub, the users' servers and the proxy add to their base, as file trees; needs no root.

    CACHE/containers/hub-DIGEST/usr/local/         bin, share and lib/python3.11/dist-packages, where Debian's Python
                    /singleuser-DIGEST/usr/local/  and Jupyter look by themselves
                    /proxy-DIGEST/usr/local/       bin/node, bin/configurable-http-proxy, lib/proxy
                    /build-NAME-*/                 work under way, or what a killed one left: the next one removes it

DIGEST is that of the locked packages. Deleting the whole cache is always safe.

    hub = trees(default_cache(), command.run, print).hub
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from chaosjc.drivers.command import Runner
from chaosjc.errors import CommandError, LabError
from chaosjc.lab.environment import BOUND, ROOT, find_uv
from chaosjc.lab.machine.disks import locked

BUILDER = 1  # to be raised when the same locks become another tree
LOCKS = ROOT / "locks"
RECIPES = Path(__file__).resolve().parent.parent / "recipes" / "containers"
PYTHON = "3.11"  # Debian 12's
PACKAGES = f"usr/local/lib/python{PYTHON}/dist-packages"
PROXY = "usr/local/lib/proxy"
_PLATFORM = f"{os.uname().machine}-manylinux_2_36"  # Debian 12's, in uv's words
_SCRIPT = """\
#!/usr/bin/python3
import sys
from {module} import {name}
sys.exit({call}())
"""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Trees:
    """Directories to be laid over a root file system."""

    hub: Path
    singleuser: Path
    proxy: Path


def trees(cache: Path, run: Runner, progress: Progress) -> Trees:
    """All three, installed where the cache lacks them (half a minute, 0.7 GB). Raises LabError."""
    top = cache / "containers"
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        jobs = [
            pool.submit(made, top, "hub", _digest("hub"), lambda tree: _python("hub", tree, run, progress)),
            pool.submit(
                made, top, "singleuser", _digest("singleuser"), lambda t: _python("singleuser", t, run, progress)
            ),
            pool.submit(made, top, "proxy", _digest("nodejs"), lambda tree: _proxy(tree, run, progress)),
        ]
        return Trees(*(job.result() for job in jobs))


def digest() -> str:
    """16 hexadecimal digits of all that decides the trees."""
    return hashlib.sha256("".join(map(_digest, ("hub", "singleuser", "nodejs"))).encode()).hexdigest()[:16]


def made(top: Path, name: str, of: str, make: Callable[[Path], None]) -> Path:
    """`top`/NAME-`of`, made by `make` (whose argument does not exist yet) if it is not there.

    It is there, whole, from the moment of its rename; callers of one name wait for each other. Raises LabError.
    """
    place = top / f"{name}-{of}"
    try:
        with locked(top / f".{name}.lock"):
            if place.exists():
                return place
            for left in top.glob(f"build-{name}-*"):
                shutil.rmtree(left, ignore_errors=True)
            work = Path(tempfile.mkdtemp(prefix=f"build-{name}-", dir=top))
            try:
                make(work / "tree")
                return (work / "tree").rename(place)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except CommandError as error:
        said = (error.stderr.strip() or error.message)[-2000:]
        raise LabError(
            f"container layer {name} cannot be made: {said}", hint="are the package registries up?"
        ) from error
    except OSError as error:
        raise LabError(f"{top}: {error}", hint="is it writable, and its disk not full?") from error


def _digest(lock: str) -> str:
    total = hashlib.sha256(f"{BUILDER} {PYTHON} {_PLATFORM}".encode())
    sources = [LOCKS / f"{lock}.txt"]
    if lock == "nodejs":
        sources += sorted((RECIPES / "proxy").iterdir())
    for path in sources:
        try:
            total.update(path.read_bytes())
        except FileNotFoundError:
            raise LabError(f"{path} is missing", hint="run chaosjc from its source tree") from None
    return total.hexdigest()[:16]


def _python(name: str, tree: Path, run: Runner, progress: Progress) -> None:
    """Packages, what they bring for /usr/local/{share,etc}, and a script for each of their entry points."""
    progress(f"container layer {name}: installing Python packages")
    packages = tree / PACKAGES
    packages.mkdir(parents=True)
    _install(name, packages, run)
    for part in ("share", "etc"):
        if (packages / part).exists():
            (packages / part).rename(tree / "usr/local" / part)
    shutil.rmtree(packages / "bin", ignore_errors=True)  # name this machine's Python
    programs = tree / "usr/local/bin"
    programs.mkdir()
    found = (entry for each in metadata.distributions(path=[str(packages)]) for entry in each.entry_points)
    for entry in (each for each in found if each.group == "console_scripts"):
        text = _SCRIPT.format(module=entry.module, name=entry.attr.partition(".")[0], call=entry.attr)
        (programs / entry.name).write_text(text, encoding="utf-8")
        (programs / entry.name).chmod(0o755)


def _install(lock: str, target: Path, run: Runner) -> None:
    uv = find_uv()
    if uv is None:
        raise LabError("there is no uv, which installs the containers' Python packages", hint="make setup brings it")
    argv = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(target)]
    argv += ["--python-version", PYTHON, "--python-platform", _PLATFORM, "--only-binary", ":all:", "--no-deps"]
    argv += ["--require-hashes", "--requirement", str(LOCKS / f"{lock}.txt")]
    run([*BOUND, *argv], timeout=1200, env={"UV_SYSTEM_CERTS": "1"})


def _proxy(tree: Path, run: Runner, progress: Progress) -> None:
    """Node.js of a wheel, and what its own npm installs."""
    progress("container layer proxy: installing Node.js and the proxy")
    wheel, programs, proxy = tree.with_name("wheel"), tree / "usr/local/bin", tree / PROXY
    _install("nodejs", wheel, run)
    shutil.copytree(RECIPES / "proxy", proxy)
    node = next(wheel.glob("*/bin/node"))
    npm = next(wheel.glob("*/lib/node_modules/npm/bin/npm-cli.js"))
    argv = [str(node), str(npm), "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    run([*BOUND, *argv], timeout=600, cwd=proxy, env={"NODE_USE_SYSTEM_CA": "1"})
    programs.mkdir(parents=True)
    shutil.copy2(node, programs / "node")
    name = "configurable-http-proxy"
    (programs / name).symlink_to(f"../lib/proxy/node_modules/{name}/bin/{name}")
