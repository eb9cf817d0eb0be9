"""Published programs, each compared with the checksum that is published beside it."""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pydantic

from chaosjc.drivers.download import Unreachable
from chaosjc.errors import LabError, RemoteError
from chaosjc.lab.kubernetes.components import Artefact, Component

PATIENCE = 5.0  # seconds for the answer that tells whether a host can be reached
ARCHIVES = (".tar.gz", ".tgz")


class Web(Protocol):
    """The shape of drivers.download.Downloader."""

    def text(self, url: str, seconds: float) -> str: ...  # noqa: D102
    def save(self, url: str, path: Path) -> str: ...  # noqa: D102


class _Asset(pydantic.BaseModel):
    name: str
    digest: str | None = None


class _Release(pydantic.BaseModel):
    """GitHub's description of a release."""

    assets: list[_Asset]


class Releases:
    """Where programs are published. A host that did not answer is not asked again."""

    def __init__(self, web: Web, architecture: str) -> None:
        self._web = web
        self._architecture = architecture  # as in URLs: amd64
        self._silent = set[str]()

    def fetch(self, component: Component, out: Path) -> None:
        """Bring all programs of a component into `out`.

        Raises RemoteError if they cannot be had, and LabError if what came is not what was published.
        """
        if not component.release:
            raise RemoteError("none is published")
        sums = [self._checksum(artefact) for artefact in component.release]
        for artefact, checksum in zip(component.release, sums, strict=True):
            self._bring(artefact, checksum, out)

    def _checksum(self, artefact: Artefact) -> str:
        """Short: this also is the probe that decides whether to download at all."""
        url = self._at(artefact.checksum)
        host = urlsplit(url).netloc
        if host in self._silent:
            raise Unreachable(f"{host} did not answer before")
        try:
            text = self._web.text(url, PATIENCE)
        except Unreachable:
            self._silent.add(host)
            raise
        if found := published(text, self._at(artefact.url).rpartition("/")[2]):
            return found
        raise RemoteError(f"{url}: holds no checksum")

    def _bring(self, artefact: Artefact, checksum: str, out: Path) -> None:
        url = self._at(artefact.url)
        file = out / f"{artefact.programs[0]}.download"
        found = self._web.save(url, file)
        if found != checksum:
            raise LabError(
                f"{url}: its SHA-256 is {found}, but {checksum} is published",
                hint="try again; if it stays so, somebody between here and there changes it",
            )
        if url.endswith(ARCHIVES):
            unpack(file, artefact.programs, out)
            file.unlink()
        else:
            file.rename(out / artefact.programs[0])

    def _at(self, url: str) -> str:
        return url.replace("{arch}", self._architecture)


def published(text: str, name: str) -> str | None:
    """The SHA-256 of a file, in lower case: the text's only word, sha256sum's line, or GitHub's JSON."""
    if text.lstrip().startswith("{"):
        return _digest(text, name)
    for line in text.splitlines():
        match = re.fullmatch(r"([0-9a-fA-F]{64})(?:\s+\*?(\S+))?", line.strip())
        if match and (match[2] is None or match[2].rpartition("/")[2] == name):
            return match[1].lower()
    return None


def _digest(text: str, name: str) -> str | None:
    try:
        assets = _Release.model_validate_json(text).assets
    except pydantic.ValidationError:
        return None
    digests = [asset.digest or "" for asset in assets if asset.name == name]
    match = re.fullmatch(r"sha256:([0-9a-f]{64})", digests[0]) if digests else None
    return match[1] if match else None


def unpack(archive: Path, programs: Sequence[str], out: Path) -> None:
    """Write the files of these names, wherever they lie in a tar. Raises LabError if one is not in it."""
    try:
        with tarfile.open(archive) as tar:
            files = {member.name.rpartition("/")[2]: member for member in tar if member.isfile()}
            for program in programs:
                content = tar.extractfile(files[program])
                assert content is not None  # noqa: S101 - a regular file
                with content, (out / program).open("wb") as file:
                    shutil.copyfileobj(content, file)
    except KeyError as error:
        raise LabError(f"{archive.name}: has no {error.args[0]}") from error
    except tarfile.TarError as error:
        raise LabError(f"{archive.name}: {error}") from error
