"""Programs built from their Go modules, which the machine's Go module proxy serves and Go's checksum database proves.

A main module of our own requires the module and begins with that one's own versions: `go install MODULE@VERSION`
refuses modules that replace others, as etcd and Kubernetes do. Nothing needs C.
"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydantic

from chaosjc.drivers.command import Runner
from chaosjc.lab.environment import BOUND
from chaosjc.lab.image import CONTAINED
from chaosjc.lab.kubernetes.components import RECIPES, Build

DOWNLOADING, BUILDING = 900.0, 3600.0  # seconds at most; Kubernetes takes 6 minutes on two idle cores
TRIMMED = "trimmed"
_LOCAL = re.compile(r"^(?P<before>\s*(?:replace\s+)?)(?P<module>\S+)(?:\s+v\S+)?\s+=>\s+\.\.?/")


@dataclass(frozen=True)
class Go:
    """A Go that is new enough; `proxy` is where its modules come from."""

    program: Path
    proxy: str
    architecture: str  # amd64, arm64


class _Module(pydantic.BaseModel):
    """What `go mod download -json` says."""

    Dir: Path
    Zip: Path


def contained() -> tuple[str, ...]:
    """What a builder is started by: whoever kills us kills it, and for root all that it started too."""
    return BOUND if os.geteuid() else CONTAINED


def settings(go: Go, temporary: Path) -> dict[str, str]:
    """Variables of a build: static programs, the checked sources and nothing of the user's own projects."""
    return {
        "CGO_ENABLED": "0",
        "GOARCH": go.architecture,
        "GOFLAGS": "-mod=mod -buildvcs=false",
        "GOOS": "linux",
        "GOPROXY": go.proxy,
        "GOROOT": "",
        "GOTMPDIR": str(temporary),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def build(what: Build, go: Go, work: Path, out: Path, run: Runner) -> None:
    """Build all programs of `what` into `out`; `work` is an empty directory. Raises CommandError."""
    main, temporary = work / "main", work / "tmp"
    temporary.mkdir(parents=True)
    env = settings(go, temporary)
    if what.local:
        shutil.copytree(RECIPES / what.local, main)
    else:
        main.mkdir()
        argv = [*contained(), str(go.program), "mod", "download", "-json", f"{what.module}@{what.version}"]
        downloaded = run(argv, timeout=DOWNLOADING, env=env, cwd=main).stdout
        _prepare(what, _Module.model_validate_json(downloaded), main)
    for argv in commands(what, go, out):
        run([*contained(), *argv], timeout=BUILDING, env=env, cwd=main)


def commands(what: Build, go: Go, out: Path) -> list[list[str]]:
    """One `go build` for all programs, or one for each where Go would give it another name."""
    # what the linker would leave out is not even made: an eighth less time
    flags = ["-trimpath", "-gcflags=all=-dwarf=false", f"-ldflags={linker_flags(what.variables)}"]
    paths = {program: f"{what.module}/{package}".rstrip("/") for program, package in what.packages.items()}
    if all(path.rpartition("/")[2] == program for program, path in paths.items()):
        return [[str(go.program), "build", *flags, "-o", f"{out}/", *paths.values()]]
    return [[str(go.program), "build", *flags, "-o", str(out / name), path] for name, path in paths.items()]


def linker_flags(variables: Mapping[str, str]) -> str:
    """Without symbols, and with these variables set."""
    return " ".join(("-s -w", *(f"-X {name}={value}" for name, value in variables.items())))


def main_module(text: str, what: Build) -> str:
    """Our go.mod, of the one that `what` has.

    A replacement by a folder leads out of the module's zip: it becomes the published version, or goes.
    """
    lines = ["module lab.local/build"]
    for line in text.splitlines():
        if line.startswith(("module ", "toolchain ")):
            continue
        if match := _LOCAL.match(line):
            if what.staging:
                lines.append(f"{match['before']}{match['module']} => {match['module']} {what.staging}")
            continue
        lines.append(line)
    lines.append(f"require {what.module} {what.version}")
    if what.emptied:
        lines.append(f"replace {what.module} => ./{TRIMMED}")
    return "\n".join(lines) + "\n"


def _prepare(what: Build, module: _Module, main: Path) -> None:
    """Text only: Go keeps its modules read-only."""
    text = (module.Dir / "go.mod").read_text(encoding="utf-8")
    (main / "go.mod").write_text(main_module(text, what), encoding="utf-8")
    (main / "go.sum").write_bytes((module.Dir / "go.sum").read_bytes())
    if what.emptied:
        trim(module.Zip, what.emptied, main / TRIMMED)


def trim(archive: Path, emptied: Sequence[str], to: Path) -> None:
    """Unpack a module, with nothing in some of its packages."""
    left_out = tuple(f"{package}/" for package in emptied)
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            below = name.partition("@")[2].partition("/")[2]  # MODULE@VERSION/PATH
            if below.startswith(left_out):
                continue
            path = to / below
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read(name))
    for package in (to / each for each in emptied):
        package.mkdir(parents=True)
        (package / "emptied.go").write_text(f"package {package.name}\n", encoding="utf-8")
