"""Container images as one docker-archive, which `ctr images import` takes. What images share is in it once.

The same content makes the same archive: entries are sorted, carry no times, and belong to root unless the tree says
otherwise.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

BLOCK = tarfile.BLOCKSIZE
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # what uname says → what images say
CREATED = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Tree:
    """A layer that is a directory's content; `owned`: with the owners and modes that its files have there."""

    directory: Path
    owned: bool = False


@dataclass(frozen=True)
class Program:
    """A layer that is one executable: `path` in the image, `source` on this machine."""

    path: str
    source: Path


Layer = Tree | Program


@dataclass(frozen=True)
class ContainerImage:
    """One image; `layers` from the lowest on."""

    name: str  # with its tag
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    directory: str = "/"
    environment: tuple[str, ...] = ()


def write(images: Sequence[ContainerImage], path: Path) -> None:
    """Write the archive of all images. Raises OSError."""
    layers = dict.fromkeys(layer for image in images for layer in image.layers)
    with path.open("wb") as out:
        digests = {layer: _write_layer(out, layer) for layer in layers}
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            manifest: list[dict[str, Any]] = []
            for image in images:
                config = json.dumps(_config(image, [digests[layer] for layer in image.layers])).encode()
                name = f"{hashlib.sha256(config).hexdigest()}.json"
                _add(archive, name, config)
                names = [f"{digests[layer]}.tar" for layer in image.layers]
                manifest.append({"Config": name, "RepoTags": [image.name], "Layers": names})
            _add(archive, "manifest.json", json.dumps(manifest).encode())


def _config(image: ContainerImage, digests: Sequence[str]) -> dict[str, Any]:
    """As OCI's image specification has it."""
    settings: dict[str, Any] = {"Env": [f"PATH={PATH}", *image.environment], "WorkingDir": image.directory}
    settings |= {"Entrypoint": list(image.entrypoint)} if image.entrypoint else {}
    settings |= {"Cmd": list(image.command)} if image.command else {}
    settings |= {"User": image.user} if image.user else {}
    return {
        "architecture": ARCHITECTURES[os.uname().machine],
        "os": "linux",
        "created": CREATED,
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created": CREATED, "created_by": "chaosjc"} for _ in digests],
    }


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _write_layer(out: BinaryIO, layer: Layer) -> str:
    """Write the archive's member and return its SHA-256. Its name and size are known last, so that its head is too."""
    start = out.tell()
    out.write(bytes(BLOCK))
    body = _Hashed(out)
    stream = cast(BinaryIO, body)  # all that a writer asks of it
    with tarfile.TarFile(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, copybufsize=1 << 20) as tar:
        for entry, source in _entries(layer):
            with source.open("rb") if source else contextlib.nullcontext() as file:
                tar.addfile(entry, file)
    head = tarfile.TarInfo(f"{body.digest.hexdigest()}.tar")
    head.size = body.size
    out.write(bytes(-body.size % BLOCK))
    end = out.tell()
    out.seek(start)
    out.write(head.tobuf(tarfile.GNU_FORMAT))
    out.seek(end)
    return body.digest.hexdigest()


class _Hashed:
    """What is written goes through to a file, and into a digest."""

    def __init__(self, out: BinaryIO) -> None:
        self.out, self.size, self.digest = out, 0, hashlib.sha256()

    def tell(self) -> int:
        return self.size

    def write(self, data: bytes) -> int:
        self.size += len(data)
        self.digest.update(data)
        return self.out.write(data)


def _entries(layer: Layer) -> Iterator[tuple[tarfile.TarInfo, Path | None]]:
    if isinstance(layer, Tree):
        for path in _paths(layer.directory):
            if entry := _entry(layer, path):
                yield entry, path if entry.isreg() else None
        return
    *parents, _ = layer.path.split("/")
    for depth in range(1, len(parents) + 1):
        directory = tarfile.TarInfo("/".join(parents[:depth]))
        directory.type, directory.mode = tarfile.DIRTYPE, 0o755
        yield directory, None
    program = tarfile.TarInfo(layer.path)
    program.size, program.mode = layer.source.stat().st_size, 0o755
    yield program, layer.source


def _paths(directory: Path) -> Iterator[Path]:
    """All that is below, a directory before what it holds."""
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        yield Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _paths(Path(entry.path))


def _entry(layer: Tree, path: Path) -> tarfile.TarInfo | None:
    """None for devices, sockets and pipes, which a container's runtime makes itself. Hard links become files."""
    status = path.lstat()
    entry = tarfile.TarInfo(str(path.relative_to(layer.directory)))
    entry.mode = status.st_mode & 0o7777 if layer.owned else 0o755 if status.st_mode & 0o100 else 0o644
    if layer.owned:
        entry.uid, entry.gid = status.st_uid, status.st_gid
    if path.is_symlink():
        entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)
    elif path.is_dir():
        entry.type = tarfile.DIRTYPE
    elif path.is_file():
        entry.size = status.st_size
    else:
        return None
    return entry
