from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaosjc.drivers.command import Completed
from chaosjc.errors import CommandError, LabError
from chaosjc.lab import binaries
from chaosjc.lab.binaries import BUILT, ELF_MACHINES, RELEASED, digest, ensure, machine, says, unfit
from chaosjc.lab.kubernetes import toolchain
from chaosjc.lab.kubernetes.components import COMPONENTS, Build, Component
from chaosjc.lab.kubernetes.modules import Go

THING = Component("thing", "v1.2.3", (Build("lab.local/pause", "v1.2.3", {"one": "", "two": ""}, local="pause"),))
OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}


def elf(architecture: str) -> bytes:
    return b"\x7fELF\x02\x01" + bytes(10) + b"\x02\x00" + ELF_MACHINES[architecture].to_bytes(2, "little") + bytes(44)


def program(path: Path, content: bytes | None = None, mode: int = 0o755) -> Path:
    path.write_bytes(elf(machine()) if content is None else content)
    path.chmod(mode)
    return path


@dataclass
class Machine:
    """A runner that knows `go build` and the programs that this one builds."""

    version: str = "1.2.3"
    fails: bool = False
    builds: list[str] = field(default_factory=list[str])

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
        words = list(argv)
        if "build" in words:
            out = Path(words[words.index("-o") + 1])
            self.builds.append(out.name)
            if self.fails:
                raise CommandError("go build", stderr="no space left on device")
            program(out)
            return Completed(tuple(argv), 0, "", "", 0.0)
        assert words[1:] == ["--version"]
        return Completed(tuple(argv), 0, "", f"thing v{self.version}\n", 0.0)


@pytest.fixture(autouse=True)
def go(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(*_: object) -> Go:
        return Go(Path("/opt/go"), "direct", "amd64")

    monkeypatch.setattr(toolchain, "find", find)


def test_what_is_built_is_checked_gathered_and_built_once(tmp_path: Path) -> None:
    run, said = Machine(), list[str]()
    (tmp_path / "binaries" / "build-killed" / "out").mkdir(parents=True)
    found = ensure(tmp_path, None, run, said.append, (THING,))
    assert sorted(path.name for path in found.directory.iterdir()) == ["one", "two"]
    assert said == ["thing v1.2.3: building"]
    assert ensure(tmp_path, None, run, said.append, (THING,)) == found
    assert run.builds == ["one", "two"]
    assert sorted(path.name.partition("-")[0] for path in (tmp_path / "binaries").iterdir()) == [
        ".lock",
        "all",
        "thing",
    ]


def test_a_cache_with_something_deleted_is_made_whole_again(tmp_path: Path) -> None:
    run = Machine()
    found = ensure(tmp_path, None, run, lambda _: None, (THING,))
    (found.directory / "one").unlink()
    ensure(tmp_path, None, run, lambda _: None, (THING,))
    assert (found.directory / "one").exists()
    (tmp_path / "binaries" / f"thing-{digest(THING, BUILT)}" / "two").unlink()
    ensure(tmp_path, None, run, lambda _: None, (THING,))
    assert run.builds == ["one", "two"] * 2


def test_a_failed_build_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"thing v1\.2\.3 cannot be built: no space left on device") as caught:
        ensure(tmp_path, None, Machine(fails=True), lambda _: None, (THING,))
    assert "configure a directory" in caught.value.hint
    assert [path.name for path in (tmp_path / "binaries").iterdir()] == [".lock"]


def test_what_says_another_version_does_not_count(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"one is of another version: thing v1\.2\.30"):
        ensure(tmp_path, None, Machine(version="1.2.30"), lambda _: None, (THING,))
    assert [path.name for path in (tmp_path / "binaries").iterdir()] == [".lock"]


def test_a_released_component_in_the_cache_is_taken_before_a_built_one(tmp_path: Path) -> None:
    for source in (RELEASED, BUILT):
        place = tmp_path / "binaries" / f"thing-{digest(THING, source)}"
        place.mkdir(parents=True)
        for name in THING.programs:
            (place / name).write_text(source)
    found = ensure(tmp_path, None, Machine(), lambda _: None, (THING,))
    assert (found.directory / "one").read_text() == RELEASED


def test_a_configured_directory_is_taken_as_it_is(tmp_path: Path) -> None:
    one, two = (program(tmp_path / name) for name in THING.programs)
    said = list[str]()
    found = ensure(tmp_path / "cache", tmp_path, Machine(), said.append, (THING,))
    assert found.directory == tmp_path
    assert said == [f"Kubernetes' programs: those in {tmp_path}"]
    assert not (tmp_path / "cache").exists()
    two.write_bytes(two.read_bytes() + b"another build")
    assert ensure(tmp_path, tmp_path, Machine(), said.append, (THING,)).digest != found.digest
    one.unlink()
    with pytest.raises(LabError, match=f"{one}: is missing") as caught:
        ensure(tmp_path, tmp_path, Machine(), said.append, (THING,))
    assert caught.value.hint == f"it is to be thing v1.2.3 for {machine()}"


def test_what_is_no_program_for_this_machine_is_told(tmp_path: Path) -> None:
    assert unfit(program(tmp_path / "good"), machine()) == ""
    assert unfit(tmp_path / "none", machine()) == "is missing"
    assert unfit(tmp_path, machine()) == "Is a directory"
    assert unfit(program(tmp_path / "script", b"#!/bin/sh\n"), machine()) == "is no 64-bit ELF executable"
    assert unfit(program(tmp_path / "short", elf(machine())[:18]), machine()) == "is no 64-bit ELF executable"
    foreign = OTHER[machine()]
    assert unfit(program(tmp_path / "foreign", elf(foreign)), machine()) == f"is for {foreign}, not {machine()}"
    assert unfit(program(tmp_path / "data", mode=0o644), machine()) == "is not executable"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Kubernetes v1.34.4", True),
        ("Client Version: v1.34.4\nKustomize Version: v5.7.1", True),
        ("etcd Version: 1.34.4.", True),
        ("v1.34.40", False),
        ("v11.34.4", False),
        ("v1.34.4.1", False),
        ("v2.1.34.4", False),
        ("", False),
    ],
)
def test_a_version_is_recognised_whole(text: str, same: bool) -> None:
    assert says(text, "v1.34.4") is same


def test_a_digest_is_of_version_way_and_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len({digest(component, source) for component in COMPONENTS for source in (RELEASED, BUILT)}) == 2 * len(
        COMPONENTS
    )
    was = digest(THING, BUILT)
    assert digest(THING, BUILT) == was
    newer = dataclasses.replace(THING, version="v1.2.4")
    assert digest(newer, BUILT) != was
    (tmp_path / "pause").mkdir()
    (tmp_path / "pause" / "main.go").write_text("package main")
    monkeypatch.setattr(binaries, "RECIPES", tmp_path)
    assert digest(THING, BUILT) != was
