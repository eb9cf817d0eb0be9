from __future__ import annotations

import json
import re
import subprocess  # noqa: TID251 - runs a script of ours
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaosjc.drivers.command import Completed
from chaosjc.errors import CommandError, LabError
from chaosjc.lab.containers import trees
from chaosjc.lab.environment import BOUND

NAMES = {"hub", "singleuser", "nodejs"}


@dataclass
class Registry:
    """A runner that knows `uv pip install --target` and `npm ci`, and leaves what they would; another is an error."""

    fails: bool = False
    installed: list[str] = field(default_factory=list[str])

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
        assert tuple(argv[: len(BOUND)]) == BOUND
        words = list(argv[len(BOUND) :])
        if self.fails:
            raise CommandError("uv: exit code 2", stderr="error: no such package\n", returncode=2)
        if words[1:3] == ["pip", "install"]:
            assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(words)
            lock = Path(words[words.index("--requirement") + 1])
            self.installed.append(lock.stem)
            self._install(lock.stem, Path(words[words.index("--target") + 1]))
        else:
            assert words[1].endswith("npm-cli.js")
            assert words[2] == "ci"
            assert cwd is not None
            assert (cwd / "package-lock.json").exists()
            (cwd / "node_modules/configurable-http-proxy/bin").mkdir(parents=True)
            (cwd / "node_modules/configurable-http-proxy/bin/configurable-http-proxy").write_text("proxy")
        return Completed(tuple(argv), 0, "", "", 0.0)

    @staticmethod
    def _install(name: str, target: Path) -> None:
        if name == "nodejs":
            (target / "wheel/bin").mkdir(parents=True)
            (target / "wheel/bin/node").write_text("node")
            (target / "wheel/lib/node_modules/npm/bin").mkdir(parents=True)
            (target / "wheel/lib/node_modules/npm/bin/npm-cli.js").write_text("npm")
            return
        info = target / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[console_scripts]\n{name} = {name}.app:Main.go\n[other]\nx = y:z\n")
        (target / name).mkdir()
        (target / name / "__init__.py").write_text("")
        (target / name / "app.py").write_text(
            "class Main:\n    @staticmethod\n    def go():\n        print('it runs')\n"
        )
        (target / "share/jupyter").mkdir(parents=True)
        (target / "bin").mkdir()
        (target / "bin" / name).write_text("#!/of/this/machine\n")


def said(_: str) -> None: ...


def test_packages_data_and_programs_lie_where_debians_python_and_jupyter_look(tmp_path: Path) -> None:
    made = trees.trees(tmp_path, Registry(), said)
    local = made.hub / "usr/local"
    assert sorted(path.name for path in local.iterdir()) == ["bin", "lib", "share"]
    assert (local / "share/jupyter").is_dir()
    assert not (local / "lib/python3.11/dist-packages/bin").exists()
    assert [path.name for path in (local / "bin").iterdir()] == ["hub"], "entry points of other groups are no programs"
    assert (local / "bin/hub").stat().st_mode & 0o777 == 0o755
    done = subprocess.run(
        [sys.executable, local / "bin/hub"],
        env={"PYTHONPATH": str(made.hub / trees.PACKAGES)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "it runs\n"


def test_the_proxy_has_a_node_of_its_own(tmp_path: Path) -> None:
    local = trees.trees(tmp_path, Registry(), said).proxy / "usr/local"
    assert (local / "bin/node").read_text() == "node"
    assert (local / "bin/configurable-http-proxy").read_text() == "proxy"


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    registry = Registry()
    assert trees.trees(tmp_path, registry, said) == trees.trees(tmp_path, registry, said)
    assert sorted(registry.installed) == sorted(NAMES)
    assert not list((tmp_path / "containers").glob("build-*"))


def test_a_failure_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"container layer \w+ cannot be made: error: no such package"):
        trees.trees(tmp_path, Registry(fails=True), said)
    assert not [path for path in (tmp_path / "containers").iterdir() if path.is_dir()]


def test_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "build-x-killed/tree").mkdir(parents=True)
    (tmp_path / "build-y-alive").mkdir()
    assert trees.made(tmp_path, "x", "1", lambda tree: tree.mkdir()) == tmp_path / "x-1"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["build-y-alive", "x-1"]


def test_a_lock_decides_its_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = trees.digest()
    for name in NAMES:
        (tmp_path / f"{name}.txt").write_bytes((trees.LOCKS / f"{name}.txt").read_bytes())
    monkeypatch.setattr(trees, "LOCKS", tmp_path)
    assert trees.digest() == before
    (tmp_path / "hub.txt").write_text("jupyterhub==6\n")
    assert trees.digest() != before
    (tmp_path / "hub.txt").unlink()
    with pytest.raises(LabError, match=r"hub\.txt is missing"):
        trees.digest()


@pytest.mark.parametrize("name", sorted(NAMES))
def test_python_packages_are_locked_with_hashes(name: str) -> None:
    requirements = re.split(r"\n(?=\S)", (trees.LOCKS / f"{name}.txt").read_text().strip())
    assert requirements
    assert all(re.match(r"[\w.-]+==[\w.]+ \\\n    --hash=sha256:", each) for each in requirements)


def test_the_proxys_packages_are_locked_with_digests_and_name_no_host() -> None:
    lock = json.loads((trees.RECIPES / "proxy/package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert "node_modules/configurable-http-proxy" in packages
    assert all(each["integrity"].startswith("sha512-") for each in packages.values())
    assert not [each for each in packages.values() if "resolved" in each]
