"""Golden images: Debian root file systems as squashfs files, from which the lab's servers start.

    CACHE/DIGEST.squashfs   an image; DIGEST is that of its recipe
    CACHE/DIGEST.json       its name and the version of each package in it
    CACHE/build-NAME-*/     a build under way, or what a killed one left: the next build of that image removes it

The digest covers what we decide: suite, architecture, package list, files, customisation, and what else is put in. It
does not cover what the Debian mirror held on the day of the build; the versions beside the image tell. To get newer
packages, delete the image. Deleting the whole cache is always safe.

    image = build(default_recipe(), lab.cache / "images")
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pydantic

from chaosjc.drivers import command
from chaosjc.errors import CommandError, LabError

BUILDER = 2  # to be raised when build() makes something else of the same recipe
RECIPES = Path(__file__).with_name("recipes")
APT = Path("/etc/apt")
SAID = 2000  # characters of a failed builder that an error carries

# Whoever kills the builder, even by kill -9, kills all that it started, and with the last process of this mount
# namespace go the mounts that mmdebstrap made in it.
CONTAINED = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
NOT_PACKED = ("dev/*", "proc/*", "sys/*", "run/*", "tmp/*")


Progress = Callable[[str], None]
Furnish = Callable[[Path, Path], None]
"""Puts more into the root (its first argument) before it is packed; the second is a directory for its own use."""


@dataclass(frozen=True)
class Recipe:
    """What decides an image.

    Each of `directories` holds packages.txt, files/ (copied over the root) and customize.sh (run in the image last),
    all of which take effect in the order of the directories. `content` is the digest of what our own code puts in
    besides, `binaries` that of programs which come from elsewhere.
    """

    name: str
    suite: str
    architecture: str  # as uname says: x86_64
    directories: tuple[Path, ...]
    content: str = ""
    binaries: str = ""

    @property
    def packages(self) -> tuple[str, ...]:
        """The Debian packages, without what they depend on."""
        texts = ((directory / "packages.txt").read_text(encoding="utf-8") for directory in self.directories)
        lines = (line for text in texts for line in text.splitlines())
        return tuple(name for line in lines if (name := line.partition("#")[0].strip()))

    @property
    def own(self) -> str:
        """16 hexadecimal digits of all but `binaries`; the same wherever the recipe lies and whoever owns its files."""
        words = f"{BUILDER} {self.suite} {self.architecture} {self.packages} {self.content}"
        total = hashlib.sha256(words.encode())
        for directory in self.directories:
            for path in sorted(_sources(directory)):
                mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                total.update(f"{path.relative_to(directory)} {mode:o} {content}\n".encode())
        return total.hexdigest()[:16]

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of all that decides the image."""
        return hashlib.sha256(f"{self.own} {self.binaries}".encode()).hexdigest()[:16]


def _sources(directory: Path) -> Iterator[Path]:
    """Packages count as names, whatever is said about them."""
    yield from (path for path in directory.rglob("*") if path.is_file() and path.name != "packages.txt")


@dataclass(frozen=True)
class Image:
    """A finished image; `built_at` in seconds since 1970 UTC."""

    name: str
    digest: str
    path: Path
    bytes: int
    built_at: float
    packages: Mapping[str, str]  # name → version
    own: str  # its recipe's, which leaves open whose binaries it has


class _Record(pydantic.BaseModel, frozen=True, extra="forbid"):
    """DIGEST.json."""

    name: str
    packages: dict[str, str]
    own: str = ""


def default_recipe() -> Recipe:
    """The image of every role that is no Kubernetes node."""
    return Recipe("chaosjc-golden", "bookworm", os.uname().machine, (RECIPES / "golden",))


def images(cache: Path) -> list[Image]:
    """The finished images, newest first."""
    found = (_load(path) for path in cache.glob("*.squashfs"))
    return sorted((image for image in found if image), key=lambda image: image.built_at, reverse=True)


def build(
    recipe: Recipe,
    cache: Path,
    run: command.Runner = command.run,
    progress: Progress = lambda _: None,
    furnish: Furnish = lambda _root, _work: None,
) -> Image:
    """Return the image of `recipe`, building it first if the cache lacks it.

    That takes about a minute and 130 MB, root and a Debian mirror. Builders of one image wait for each other.
    Raises LabError if the image cannot be built.
    """
    path = cache / f"{recipe.digest}.squashfs"
    if image := _load(path):
        return image
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _only_builder(cache / f"lock-{recipe.name}", recipe.name, progress):
            return _load(path) or _build(recipe, path, run, progress, furnish)
    except CommandError as error:
        said = (error.stderr.strip() or error.message)[-SAID:]
        hint = "`make setup` says what this machine lacks; is its Debian mirror up?"
        raise LabError(f"image {recipe.name} cannot be built: {said}", hint=hint) from error
    except OSError as error:
        raise LabError(f"image {recipe.name}: {error}", hint=f"is {cache} writable, and its disk not full?") from error


def _build(
    recipe: Recipe, path: Path, run: command.Runner, progress: Progress, furnish: Furnish = lambda _root, _work: None
) -> Image:
    for left in path.parent.glob(f"build-{recipe.name}-*"):
        run(["rm", "--recursive", "--one-file-system", "--", str(left)], timeout=300)
    work = Path(tempfile.mkdtemp(prefix=f"build-{recipe.name}-", dir=path.parent))
    try:
        root, packed = work / "root", work / "image.squashfs"
        progress(f"{recipe.name}: installing {len(recipe.packages)} Debian packages and what they need")
        bootstrap(recipe, root, work, run)
        versions = run(_versions(root)).stdout
        furnish(root, work)
        progress(f"{recipe.name}: packing")
        run(_mksquashfs(root, packed), timeout=600)
        return _publish(recipe, versions, packed, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def bootstrap(recipe: Recipe, root: Path, work: Path, run: command.Runner) -> None:
    """Make the recipe's root file system at `root`; temporary files go to `work`. Raises CommandError, LabError."""
    sources = work / "sources.list"
    sources.write_text("".join(f"{line}\n" for line in debian_sources(APT, recipe.suite)), encoding="utf-8")
    run(_mmdebstrap(recipe, sources, root), timeout=1800, env={"TMPDIR": str(work)})


def _publish(recipe: Recipe, versions: str, packed: Path, path: Path) -> Image:
    """The record first: an image is there from the moment of its rename."""
    packages = dict(line.split(" ", 1) for line in versions.splitlines())
    record = _Record(name=recipe.name, packages=packages, own=recipe.own)
    path.with_suffix(".json").write_text(record.model_dump_json(indent=1), encoding="utf-8")
    with packed.open("rb") as file:
        os.fsync(file.fileno())
    packed.rename(path)
    image = _load(path)
    if image is None:
        raise LabError(f"image {recipe.name}: {path} vanished", hint="something else empties this cache")
    return image


def _load(path: Path) -> Image | None:
    """None also if the record is missing or broken: the image will be built again."""
    try:
        status = path.stat()
        record = _Record.model_validate_json(path.with_suffix(".json").read_bytes())
    except (OSError, pydantic.ValidationError):
        return None
    return Image(record.name, path.stem, path, status.st_size, status.st_mtime, record.packages, record.own)


@contextlib.contextmanager
def _only_builder(path: Path, name: str, progress: Progress) -> Generator[None]:
    """The kernel holds the lock: it is gone with its holder."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another builder of {name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _mmdebstrap(recipe: Recipe, sources: Path, root: Path) -> list[str]:
    """Hooks are shell scripts: paths reach them by environment variables, never inside their text."""
    count = range(len(recipe.directories))
    pack = "tar --owner=0 --group=0 --mode=u=rwX,go=rX -c ."
    copy = f'if cd "$RECIPE{{}}/files" 2>/dev/null; then {pack} | tar -C "$1" -x; fi'
    return [
        *(*CONTAINED, "env", *(f"RECIPE{n}={directory}" for n, directory in enumerate(recipe.directories))),
        *("mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", "--quiet"),
        f"--include={','.join(recipe.packages)}",
        *(f"--dpkgopt=path-exclude=/usr/share/{what}/*" for what in ("man", "doc", "locale", "info")),
        *(f"--customize-hook={copy.format(n)}" for n in count),
        *(f'--customize-hook=chroot "$1" sh -s < "$RECIPE{n}/customize.sh"' for n in count),
        *(recipe.suite, str(root), str(sources)),
    ]


def _versions(root: Path) -> list[str]:
    return ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", "--showformat=${Package} ${Version}\\n"]


def _mksquashfs(root: Path, packed: Path) -> list[str]:
    """Level 3 packs in seconds; a machine that reads it cannot tell the difference."""
    options = ["-comp", "zstd", "-Xcompression-level", "3", "-noappend", "-quiet", "-no-progress", "-wildcards"]
    return [*CONTAINED, "mksquashfs", str(root), str(packed), *options, "-e", *NOT_PACKED]


def debian_sources(apt: Path, suite: str) -> list[str]:
    """Lines of this machine's own apt configuration that serve Debian's `suite`, its updates and security fixes.

    Other archives that this machine uses (those signed by another key) stay out. Raises LabError if none is left.
    """
    found = [
        line for path in sorted(apt.glob("sources.list.d/*.list")) for line in _one_line(path.read_text("utf-8"), suite)
    ]
    if (classic := apt / "sources.list").is_file():
        found += _one_line(classic.read_text("utf-8"), suite)
    for path in sorted(apt.glob("sources.list.d/*.sources")):
        found += _deb822(path.read_text("utf-8"), suite)
    if not found:
        raise LabError(f"{apt} names no source of Debian {suite}", hint=f"add a line such as: deb MIRROR {suite} main")
    return list(dict.fromkeys(found))


def _one_line(text: str, suite: str) -> Iterator[str]:
    """`deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] MIRROR bookworm main`."""
    for match in re.finditer(
        r"^deb\s+(?:\[(?P<options>[^]]*)]\s+)?(?P<uri>\S+)\s+(?P<rest>[^#\n]+)", text, re.MULTILINE
    ):
        signed_by = re.search(r"signed-by=(\S+)", match["options"] or "")
        release, *components = match["rest"].split()
        yield from _entries([match["uri"]], [release], components, signed_by[1] if signed_by else "", suite)


def _deb822(text: str, suite: str) -> Iterator[str]:
    """Stanzas of `Types:`, `URIs:`, `Suites:`, `Components:`, `Signed-By:`."""
    bare = re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE)
    for stanza in re.split(r"\n\s*\n", bare):
        fields = {
            key.lower(): value.split()
            for key, value in re.findall(r"^(\S+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if "deb" in fields.get("types", ()) and fields.get("enabled", ["yes"]) != ["no"]:
            signed_by = " ".join(fields.get("signed-by", ()))
            yield from _entries(
                fields.get("uris", ()), fields.get("suites", ()), fields.get("components", ()), signed_by, suite
            )


def _entries(
    uris: Iterable[str], suites: Iterable[str], components: Iterable[str], signed_by: str, suite: str
) -> Iterator[str]:
    ours = {suite, f"{suite}-updates", f"{suite}-security"}
    if "main" not in components or (signed_by and "/debian-archive" not in signed_by):
        return
    option = f"[signed-by={signed_by}] " if signed_by else ""
    for uri in uris:
        yield from (f"deb {option}{uri} {name} main" for name in suites if name in ours and not uri.startswith("cdrom"))
