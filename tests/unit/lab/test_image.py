from __future__ import annotations

import fcntl
import re
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaosjc.drivers.command import Completed
from chaosjc.errors import CommandError, LabError
from chaosjc.lab import image
from chaosjc.lab.image import Recipe


@dataclass
class Machine:
    """A runner that knows the builder's four commands and does what each does to the disk; another one is an error."""

    fails: str = ""
    ran: list[str] = field(default_factory=lambda: [])
    seen_sources: str = ""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 60.0,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        argv = argv[len(image.CONTAINED) :] if tuple(argv[: len(image.CONTAINED)]) == image.CONTAINED else argv
        tool = next(word for word in argv if word != "env" and "=" not in word)
        self.ran.append(tool)
        if tool == self.fails:
            raise CommandError(f"{tool} ...: exit code 25", stderr="E: no space left\n", returncode=25)
        stdout = getattr(self, f"_{tool.replace('-', '_')}")(list(argv)) or ""
        return Completed(tuple(argv), 0, stdout, "", 0.0)

    def _rm(self, argv: list[str]) -> None:
        shutil.rmtree(argv[-1])

    def _mmdebstrap(self, argv: list[str]) -> None:
        Path(argv[-2]).mkdir()
        self.seen_sources = Path(argv[-1]).read_text()

    def _dpkg_query(self, argv: list[str]) -> str:
        return "systemd 252\ncurl 7.88\n"

    def _mksquashfs(self, argv: list[str]) -> None:
        Path(argv[2]).write_bytes(b"hsqs")


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    directory = tmp_path / "recipe"
    (directory / "files/etc").mkdir(parents=True)
    (directory / "packages.txt").write_text("# why\nsystemd   # runs it all\n\ncurl\n")
    (directory / "files/etc/motd").write_text("hello\n")
    (directory / "customize.sh").write_text("true\n")
    return Recipe("test", "bookworm", "x86_64", (directory,))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    apt = tmp_path / "apt"
    apt.mkdir()
    (apt / "sources.list").write_text("deb http://mirror.example/debian bookworm main\n")
    monkeypatch.setattr(image, "APT", apt)
    return tmp_path / "cache"


def test_packages_are_names_without_comments(recipe: Recipe) -> None:
    assert recipe.packages == ("systemd", "curl")


def test_digest_is_that_of_the_content_wherever_it_lies(recipe: Recipe, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(recipe.directories[0], copy)
    (copy / "files/etc/motd").chmod(0o600)  # another umask is no other recipe
    (copy / "packages.txt").write_text("systemd\ncurl   # what is said about a package is no other one\n")
    assert replace(recipe, directories=(copy,)).digest == recipe.digest


@pytest.mark.parametrize("change", ["package", "content", "place", "executable", "customize", "suite", "binaries"])
def test_whatever_decides_the_image_changes_the_digest(recipe: Recipe, change: str) -> None:
    before, directory = recipe.digest, recipe.directories[0]
    motd = directory / "files/etc/motd"
    if change == "package":
        (directory / "packages.txt").write_text("systemd\n")
    elif change == "content":
        motd.write_text("goodbye\n")
    elif change == "place":
        motd.rename(directory / "files/motd")
    elif change == "executable":
        motd.chmod(0o755)
    elif change == "customize":
        (directory / "customize.sh").write_text("false\n")
    elif change == "suite":
        recipe = replace(recipe, suite="trixie")
    else:
        recipe = replace(recipe, binaries="of another release")
    assert recipe.digest != before


def test_recipes_that_are_put_together_take_effect_in_their_order(recipe: Recipe, cache: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "packages.txt").write_text("runc\n")
    (more / "customize.sh").write_text("true\n")
    both = replace(recipe, directories=(*recipe.directories, more))
    assert both.packages == ("systemd", "curl", "runc")
    argv = image._mmdebstrap(both, tmp_path / "sources", tmp_path / "root")
    assert [f"RECIPE0={recipe.directories[0]}", f"RECIPE1={more}"] == [word for word in argv if "RECIPE" in word][:2]
    hooks = [word for word in argv if word.startswith("--customize-hook")]
    assert [next(part for part in re.findall(r"RECIPE\d/[a-z.]+", hook)) for hook in hooks] == [
        "RECIPE0/files",
        "RECIPE1/files",
        "RECIPE0/customize.sh",
        "RECIPE1/customize.sh",
    ]


def test_what_a_recipe_leaves_open_is_in_the_image_before_it_is_packed(recipe: Recipe, cache: Path) -> None:
    machine, seen = Machine(), list[str]()

    def furnish(root: Path, work: Path) -> None:
        assert root.is_dir()
        assert work.is_dir()
        seen.extend(machine.ran)

    built = image.build(replace(recipe, binaries="theirs"), cache, machine, furnish=furnish)
    assert seen == ["mmdebstrap", "dpkg-query"]
    assert built.own == recipe.own, "an image can be found without knowing whose binaries it has"
    assert built.digest != recipe.digest


def test_build_publishes_the_image_and_leaves_nothing_else(recipe: Recipe, cache: Path) -> None:
    machine, said = Machine(), list[str]()
    built = image.build(recipe, cache, machine, said.append)
    assert machine.ran == ["mmdebstrap", "dpkg-query", "mksquashfs"]
    assert machine.seen_sources == "deb http://mirror.example/debian bookworm main\n"
    assert built.path == cache / f"{recipe.digest}.squashfs"
    assert (built.name, built.digest, built.bytes) == ("test", recipe.digest, 4)
    assert built.packages == {"systemd": "252", "curl": "7.88"}
    assert said == ["test: installing 2 Debian packages and what they need", "test: packing"]
    assert {path.suffix for path in cache.iterdir()} == {".squashfs", ".json", ""}
    assert not list(cache.glob("build-*"))
    assert image.images(cache) == [built]


def test_what_is_built_is_not_built_again(recipe: Recipe, cache: Path) -> None:
    first = image.build(recipe, cache, Machine())
    machine = Machine()
    assert image.build(recipe, cache, machine) == first
    assert machine.ran == []


@pytest.mark.parametrize("record", [None, "{}", "not JSON"])
def test_an_image_without_its_record_is_built_again(recipe: Recipe, cache: Path, record: str | None) -> None:
    path = image.build(recipe, cache, Machine()).path.with_suffix(".json")
    path.unlink() if record is None else path.write_text(record)
    assert image.images(cache) == []
    machine = Machine()
    image.build(recipe, cache, machine)
    assert "mmdebstrap" in machine.ran


@pytest.mark.parametrize("tool", ["mmdebstrap", "dpkg-query", "mksquashfs"])
def test_a_failed_build_says_why_and_leaves_nothing(recipe: Recipe, cache: Path, tool: str) -> None:
    with pytest.raises(LabError, match="image test cannot be built: E: no space left"):
        image.build(recipe, cache, Machine(fails=tool))
    assert image.images(cache) == []
    assert [path.name for path in cache.iterdir()] == ["lock-test"]


def test_what_a_killed_build_left_is_removed(recipe: Recipe, cache: Path) -> None:
    (cache / "build-test-killed/root/etc").mkdir(parents=True)
    (cache / "build-other-alive").mkdir()
    image.build(recipe, cache, Machine())
    assert [path.name for path in cache.glob("build-*")] == ["build-other-alive"]


def test_a_cache_that_cannot_be_written_is_an_error_for_people(recipe: Recipe, cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(LabError, match=r"image test: .*exists"):
        image.build(recipe, cache, Machine())


def test_a_second_builder_waits_and_takes_what_the_first_built(recipe: Recipe, cache: Path) -> None:
    waiting, built = threading.Event(), list[Any]()
    second = Machine()
    cache.mkdir()
    with (cache / "lock-test").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(
            target=lambda: built.append(image.build(recipe, cache, second, lambda _: waiting.set()))
        )
        thread.start()
        assert waiting.wait(10)
        first = image._build(recipe, cache / f"{recipe.digest}.squashfs", Machine(), lambda _: None)
    thread.join(10)
    assert built == [first]
    assert second.ran == []


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("sources.list", "deb http://m/debian bookworm main contrib # main\n", ["deb http://m/debian bookworm main"]),
        ("sources.list", "#deb http://m/d bookworm main\ndeb-src http://m/d bookworm main\n", []),
        ("sources.list", "deb cdrom:[Debian_12]/ bookworm main\n", []),
        ("sources.list", "deb http://m/debian trixie main\n", []),
        ("sources.list.d/other.list", "deb https://m/apt tool-bookworm main\n", []),
        (
            "sources.list.d/other.list",
            "deb [arch=amd64 signed-by=/etc/apt/keyrings/it.gpg] https://m bookworm main",
            [],
        ),
        ("sources.list.d/docker.list", "deb https://m bookworm stable\n", []),
        (
            "sources.list.d/d.list",
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://m bookworm-security main",
            ["deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://m bookworm-security main"],
        ),
        (
            "sources.list.d/debian.sources",
            "# comment\nTypes: deb deb-src\nURIs: http://m/debian\nSuites: bookworm bookworm-updates sid\n"
            "Components: main\n\nTypes: deb\nEnabled: no\nURIs: http://m/off\nSuites: bookworm\nComponents: main\n",
            ["deb http://m/debian bookworm main", "deb http://m/debian bookworm-updates main"],
        ),
        (
            "sources.list.d/folded.sources",
            "Types: deb\nURIs: http://a\n http://b\nSuites: bookworm\nComponents: main\n",
            ["deb http://a bookworm main", "deb http://b bookworm main"],
        ),
    ],
)
def test_debians_own_sources_are_found_and_no_others(tmp_path: Path, file: str, text: str, expected: list[str]) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / file).write_text(text)
    if expected:
        assert image.debian_sources(tmp_path, "bookworm") == expected
    else:
        with pytest.raises(LabError, match="names no source of Debian bookworm"):
            image.debian_sources(tmp_path, "bookworm")


def test_sshd_gets_its_key_after_all_that_decides_who_may_enter() -> None:
    (golden,) = image.default_recipe().directories
    config = yaml.safe_load((golden / "files/etc/cloud/cloud.cfg.d/90-lab.cfg").read_text())
    modules = config["cloud_init_modules"]
    assert modules.index("ssh") > max(modules.index("write-files"), modules.index("users-groups"))
    assert "rm -f /etc/ssh/ssh_host_*" in (golden / "customize.sh").read_text()
