from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaosjc.drivers.download import Unreachable
from chaosjc.errors import LabError, RemoteError
from chaosjc.lab.kubernetes.components import Artefact, Build, Component
from chaosjc.lab.kubernetes.releases import Releases, published, unpack

SUM = "ab" * 32
OTHER = "cd" * 32


@dataclass
class Web:
    """Serves what it holds; a host in `dead` does not answer."""

    files: dict[str, bytes]
    dead: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list[str])

    def _get(self, url: str) -> bytes:
        self.asked.append(url)
        if any(f"//{host}/" in url for host in self.dead):
            raise Unreachable(f"{url}: no route")
        if url not in self.files:
            raise RemoteError(f"{url}: status 404")
        return self.files[url]

    def text(self, url: str, seconds: float) -> str:
        assert 0 < seconds < 10
        return self._get(url).decode()

    def save(self, url: str, path: Path) -> str:
        path.write_bytes(self._get(url))
        return hashlib.sha256(self._get(url)).hexdigest()


def component(*artefacts: Artefact) -> Component:
    return Component("thing", "v1", (Build("m", "v1", {"one": "", "two": ""}),), artefacts)


def test_checksums_are_read_in_each_way_of_publishing_them() -> None:
    assert published(SUM, "x") == SUM
    assert published(f"{SUM.upper()}\n", "x") == SUM
    assert published(f"{OTHER}  y.tgz\n{SUM}  x.tgz\n", "x.tgz") == SUM
    assert published(f"{SUM} *release/x.tgz\n", "x.tgz") == SUM
    assets = f'{{"assets": [{{"name": "y"}}, {{"name": "x", "digest": "sha256:{SUM}", "size": 1}}]}}'
    assert published(assets, "x") == SUM


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>sign in first</html>",
        f"{OTHER}  y.tgz\n",
        SUM[:-1],
        "{",
        '{"assets": [{"name": "x"}]}',
        '{"assets": [{"name": "x", "digest": "sha512:00"}]}',
        '{"message": "rate limit"}',
    ],
)
def test_what_is_no_checksum_of_the_file_is_none(text: str) -> None:
    assert published(text, "x") is None


def test_a_program_is_taken_as_it_was_published(tmp_path: Path) -> None:
    web = Web({"https://a/amd64/one": b"program", "https://a/one.sum": hashlib.sha256(b"program").hexdigest().encode()})
    artefact = Artefact("https://a/{arch}/one", "https://a/one.sum", ("one",))
    Releases(web, "amd64").fetch(component(artefact), tmp_path)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("one", b"program")]


def test_a_wrong_checksum_is_an_error_that_names_both(tmp_path: Path) -> None:
    web = Web({"https://a/one": b"changed", "https://a/one.sum": SUM.encode()})
    with pytest.raises(LabError, match=f"https://a/one: its SHA-256 is [0-9a-f]{{64}}, but {SUM} is published"):
        Releases(web, "amd64").fetch(component(Artefact("https://a/one", "https://a/one.sum", ("one",))), tmp_path)


def test_a_host_that_did_not_answer_is_not_asked_again(tmp_path: Path) -> None:
    web = Web({}, dead=("a",))
    releases = Releases(web, "amd64")
    for name, why in (("one", r"https://a/one\.sum: no route"), ("two", "^a did not answer before")):
        with pytest.raises(RemoteError, match=why):
            releases.fetch(component(Artefact(f"https://a/{name}", f"https://a/{name}.sum", (name,))), tmp_path)
    assert web.asked == ["https://a/one.sum"]


def test_nothing_is_downloaded_before_all_checksums_are_there(tmp_path: Path) -> None:
    web = Web({"https://a/one.sum": SUM.encode()})
    artefacts = [Artefact(f"https://a/{name}", f"https://a/{name}.sum", (name,)) for name in ("one", "two")]
    with pytest.raises(RemoteError, match=r"two\.sum: status 404"):
        Releases(web, "amd64").fetch(component(*artefacts), tmp_path)
    assert web.asked == ["https://a/one.sum", "https://a/two.sum"]


def test_a_page_in_place_of_a_checksum_is_no_release(tmp_path: Path) -> None:
    web = Web({"https://a/one.sum": b"<html>sign in first</html>"})
    with pytest.raises(RemoteError, match="holds no checksum"):
        Releases(web, "amd64").fetch(component(Artefact("https://a/one", "https://a/one.sum", ("one",))), tmp_path)
    with pytest.raises(RemoteError, match="none is published"):
        Releases(web, "amd64").fetch(component(), tmp_path)


def archive(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
    return path


def test_programs_are_found_wherever_they_lie_in_an_archive_and_nothing_else_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    unpack(archive(tmp_path / "a.tgz", "thing-v1/one", "thing-v1/README", "../two"), ("one", "two"), out)
    assert {
        path.name: path.read_text() for path in tmp_path.rglob("*") if path.suffix != ".tgz" and path.is_file()
    } == {
        "one": "thing-v1/one",
        "two": "../two",
    }
    assert sorted(path.name for path in out.iterdir()) == ["one", "two"]


def test_an_archive_without_the_program_and_what_is_no_archive_are_errors(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="has no two"):
        unpack(archive(tmp_path / "a.tgz", "one"), ("two",), tmp_path)
    (tmp_path / "b.tgz").write_text("no archive")
    with pytest.raises(LabError, match=r"b\.tgz"):
        unpack(tmp_path / "b.tgz", ("two",), tmp_path)
