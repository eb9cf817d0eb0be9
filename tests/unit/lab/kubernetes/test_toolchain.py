from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaosjc.drivers.command import Completed
from chaosjc.errors import CommandError
from chaosjc.lab.kubernetes.toolchain import find, first, new_enough


@dataclass
class Machine:
    """A runner that knows `go env` and an installer, which makes what the wheel holds."""

    version: str
    ran: list[str] = field(default_factory=list[str])

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
        self.ran.append(" ".join(words[:3]))
        if "--target" in words:
            assert "--require-hashes" in words
            program = Path(words[words.index("--target") + 1]) / "go" / "bin" / "go"
            program.parent.mkdir(parents=True)
            program.touch()
            return Completed(tuple(argv), 0, "", "", 0.0)
        if words[1:] == ["env", "GOVERSION"]:
            if not self.version:
                raise CommandError("go: broken")
            return Completed(tuple(argv), 0, f"{self.version}\n", "", 0.0)
        assert words[1:] == ["env", "GOPROXY"]
        return Completed(tuple(argv), 0, "https://proxy.example,direct\n", "", 0.0)


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("go1.26.8", True),
        ("go1.24.1", True),
        ("go1.25", True),
        ("go1.24", False),
        ("go1.19.8", False),
        ("devel", False),
    ],
)
def test_a_go_is_new_enough_or_not(version: str, enough: bool) -> None:
    assert new_enough(version) is enough


def test_only_the_first_module_proxy_is_asked() -> None:
    assert first("https://proxy.example,direct") == "https://proxy.example"
    assert first("https://one.example|https://two.example") == "https://one.example"
    assert first("direct") == "direct"


def test_the_machines_go_is_taken_if_it_is_new_enough(tmp_path: Path) -> None:
    go = find(tmp_path, "amd64", Machine("go1.26.8"), lambda _: None, lambda _: "/opt/go")
    assert (go.program, go.proxy, go.architecture) == (Path("/opt/go"), "https://proxy.example", "amd64")


@pytest.mark.parametrize(("own", "version"), [("/opt/go", "go1.19.8"), ("/opt/go", ""), (None, "unasked")])
def test_else_it_is_installed_once_and_nothing_else_is_left(tmp_path: Path, own: str | None, version: str) -> None:
    machine, said = Machine(version), list[str]()
    go = find(tmp_path, "amd64", machine, said.append, lambda _: own)
    assert go.program.exists()
    assert go.program.is_relative_to(tmp_path)
    assert [path.name.partition("-")[0] for path in tmp_path.iterdir()] == ["go"]
    assert find(tmp_path, "amd64", machine, said.append, lambda _: own).program == go.program
    assert said == ["installing Go"]
