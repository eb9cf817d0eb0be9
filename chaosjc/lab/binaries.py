"""The programs that the lab's nodes carry: kubelet, kubeadm, the control plane, etcd, CoreDNS, flannel and pause.

    CACHE/binaries/NAME-DIGEST/   the programs of one component, whole; DIGEST is of its version and of how it was got
    CACHE/binaries/all-DIGEST/    all of them, as hard links
    CACHE/binaries/go-DIGEST/     Go, where the machine has none that is new enough
    CACHE/binaries/build-*/       work under way, or what a killed builder left: the next one removes it

They come from a configured directory, else from the official releases, else from their Go modules; each is asked for
its version before it counts. Deleting the whole cache is always safe.

    binaries = ensure(lab.cache, None, command.run, print)
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydantic

from chaosjc.drivers.command import Runner
from chaosjc.drivers.download import Downloader
from chaosjc.errors import CommandError, LabError, RemoteError
from chaosjc.lab.kubernetes import modules, toolchain
from chaosjc.lab.kubernetes.components import COMPONENTS, PROGRAMS, RECIPES, SAYS_VERSION, Build, Component
from chaosjc.lab.kubernetes.releases import Releases
from chaosjc.lab.machine.disks import locked

BUILDER = 1  # to be raised when a component becomes something else of the same table
SAID = 2000  # characters of a failed builder that an error carries
RELEASED, BUILT = "released", "built"  # in this order a cached one is taken
GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
ELF_MACHINES = {"x86_64": 62, "aarch64": 183}

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Binaries:
    """All programs in one flat directory, and the digest of what decides them.

    A configured directory may hold other files too: take the names in components.PROGRAMS.
    """

    directory: Path
    digest: str


def ensure(
    cache: Path,
    configured: Path | None,
    run: Runner,
    progress: Progress,
    components: Sequence[Component] = COMPONENTS,
) -> Binaries:
    """The programs, checked; what the cache lacks is downloaded (0.7 GB) or built (minutes, and 5 GB of Go's caches).

    Callers of one cache wait for each other. Raises LabError.
    """
    wanted = [(component, program) for component in components for program in component.programs]
    if configured is not None:
        progress(f"Kubernetes' programs: those in {configured}")
        for component, program in wanted:
            _check(configured / program, component, run)
        return Binaries(configured, _content(configured / program for _, program in wanted))
    top = cache / "binaries"
    try:
        with locked(top / ".lock"):
            return _Store(top, run, progress).all(components)
    except OSError as error:
        raise LabError(f"{top}: {error}", hint="is it writable, and its disk not full?") from error


@dataclass(frozen=True)
class _Store:
    """The cache, whose lock is held."""

    top: Path
    run: Runner
    progress: Progress

    def all(self, components: Sequence[Component]) -> Binaries:
        found = {component.name: self._cached(component) for component in components}
        if missing := [component for component in components if found[component.name] is None]:
            self._sweep()
            web = Downloader.connect()
            try:
                releases = Releases(web, GO_NAMES[machine()])
                found |= {component.name: self._get(component, releases) for component in missing}
            finally:
                web.close()
        places = [(component, place) for component in components if (place := found[component.name])]
        return self._gather(places)

    def _cached(self, component: Component) -> Path | None:
        places = (self._place(component, source) for source in (RELEASED, BUILT))
        return next((place for place in places if _whole(place, component.programs)), None)

    def _place(self, component: Component, source: str) -> Path:
        return self.top / f"{component.name}-{digest(component, source)}"

    def _sweep(self) -> None:
        for left in self.top.glob("build-*"):
            shutil.rmtree(left, ignore_errors=True)

    def _get(self, component: Component, releases: Releases) -> Path:
        work = Path(tempfile.mkdtemp(prefix="build-", dir=self.top))
        out = work / "out"
        out.mkdir()
        try:
            source = self._fetch(component, releases, work, out)
            for program in component.programs:
                (out / program).chmod(0o755)
                _check(out / program, component, self.run)
            return _publish(out, self._place(component, source))
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _fetch(self, component: Component, releases: Releases, work: Path, out: Path) -> str:
        name = f"{component.name} {component.version}"
        try:
            if component.release:
                self.progress(f"{name}: taking the official release")
            releases.fetch(component, out)
            return RELEASED
        except RemoteError as error:
            why = f", for its release cannot be had: {error.message}" if component.release else ""
            self.progress(f"{name}: building{why}")
        shutil.rmtree(out)
        out.mkdir()
        try:
            self._build(component.builds, work, out)
        except (CommandError, pydantic.ValidationError) as error:
            raise _unbuildable(name, error) from error
        return BUILT

    def _build(self, builds: Iterable[Build], work: Path, out: Path) -> None:
        go = toolchain.find(self.top, GO_NAMES[machine()], self.run, self.progress)
        for number, build in enumerate(builds):
            modules.build(build, go, work / str(number), out, self.run)

    def _gather(self, places: Sequence[tuple[Component, Path]]) -> Binaries:
        total = hashlib.sha256(" ".join(place.name for _, place in places).encode()).hexdigest()[:16]
        files = [place / program for component, place in places for program in component.programs]
        place = self.top / f"all-{total}"
        if not _whole(place, [file.name for file in files]):
            work = Path(tempfile.mkdtemp(prefix="build-", dir=self.top))
            work.chmod(0o755)
            for file in files:
                (work / file.name).hardlink_to(file)
            shutil.rmtree(place, ignore_errors=True)
            work.rename(place)
        return Binaries(place, total)


def machine() -> str:
    """As uname says. Raises LabError for one that nobody publishes for."""
    name = os.uname().machine
    if name not in GO_NAMES:
        raise LabError(f"the lab's Kubernetes runs on {' and '.join(GO_NAMES)}; this machine is {name}")
    return name


def digest(component: Component, source: str) -> str:
    """16 hexadecimal digits of what decides a component that was got from RELEASED or BUILT."""
    how = component.release if source == RELEASED else component.builds
    total = hashlib.sha256(f"{BUILDER} {machine()} {source} {component.name} {component.version} {how!r}".encode())
    if source == BUILT:
        local = [RECIPES / build.local for build in component.builds if build.local]
        for path in sorted(path for directory in local for path in directory.iterdir()):
            total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


def _content(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def _whole(directory: Path, programs: Iterable[str]) -> bool:
    return all((directory / program).is_file() for program in programs)


def _publish(out: Path, place: Path) -> Path:
    """On the disk first: it is there, whole, from the moment of its rename."""
    for path in out.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    shutil.rmtree(place, ignore_errors=True)
    return out.rename(place)


def _check(path: Path, component: Component, run: Runner) -> None:
    """Raises LabError unless it is a program for this machine that says the right version."""
    hint = f"it is to be {component.name} {component.version} for {machine()}"
    if reason := unfit(path, machine()):
        raise LabError(f"{path}: {reason}", hint=hint)
    if not (asking := SAYS_VERSION.get(path.name, ("--version",))):
        return
    try:
        done = run([str(path), *asking], timeout=30)
    except CommandError as error:
        raise LabError(f"{path} does not run: {error.message}", hint=hint) from error
    said = f"{done.stdout}\n{done.stderr}".strip()
    if not says(said, component.version):
        raise LabError(f"{path} is of another version: {said[:100]}", hint=hint)


def unfit(path: Path, wanted: str) -> str:
    """Why a file is no program for a machine of `wanted`; empty if it is."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return error.strerror or "cannot be read"
    if not head.startswith(b"\x7fELF\x02\x01") or len(head) < 20:
        return "is no 64-bit ELF executable"
    number = int.from_bytes(head[18:20], "little")
    if number != ELF_MACHINES[wanted]:
        names = {number: name for name, number in ELF_MACHINES.items()}
        return f"is for {names.get(number, f'machine {number}')}, not {wanted}"
    return "" if os.access(path, os.X_OK) else "is not executable"


def says(text: str, version: str) -> bool:
    """Whether a program's answer names this version, and not one that begins or ends with it."""
    return re.search(rf"(?<![\d.]){re.escape(version.removeprefix('v'))}(?![\d]|\.\d)", text) is not None


def _unbuildable(name: str, error: CommandError | pydantic.ValidationError) -> LabError:
    said = (error.stderr.strip() or error.message)[-SAID:] if isinstance(error, CommandError) else str(error)
    hint = (
        "it needs the official releases, or a Go module proxy and 6 GB of disk; or configure a directory that has "
        f"{', '.join(PROGRAMS)}"
    )
    return LabError(f"{name} cannot be built: {said}", hint=hint)
