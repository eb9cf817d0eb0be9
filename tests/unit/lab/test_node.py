"""The image of Kubernetes nodes, as far as no root is needed."""

from __future__ import annotations

import json
import subprocess  # noqa: TID251 - runs our scripts
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from chaosjc.drivers.command import Completed
from chaosjc.errors import CommandError
from chaosjc.lab import image, node
from chaosjc.lab.containers.archive import ContainerImage, Program
from chaosjc.lab.containers.images import Layers
from chaosjc.lab.containers.trees import Trees

(GOLDEN, NODE) = node.recipe().directories
PLUGIN = NODE / "files/usr/lib/cni/flannel"
NO_LAYERS = Layers(Path(), Trees(Path(), Path(), Path()))
SCRIPTS = (PLUGIN, NODE / "files/usr/local/sbin/node-prepare", NODE / "seed.sh", NODE / "customize.sh")


def store(cache: Path, recipe: image.Recipe) -> None:
    path = cache / "images" / f"{recipe.digest}.squashfs"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"hsqs")
    path.with_suffix(".json").write_text(json.dumps({"name": recipe.name, "packages": {}, "own": recipe.own}))


def test_a_node_is_a_golden_machine_with_more() -> None:
    assert node.recipe().directories[:-1] == image.default_recipe().directories
    assert set(image.default_recipe().packages) < set(node.recipe().packages)
    assert {"containerd", "runc", "containernetworking-plugins"} <= set(node.recipe().packages)


def test_binaries_decide_the_image_and_not_the_recipe() -> None:
    assert node.recipe("one").digest != node.recipe("another").digest
    assert node.recipe("one").own == node.recipe("another").own


def test_an_image_with_anybodys_binaries_is_taken_without_asking_for_more(tmp_path: Path) -> None:
    assert node.cached(tmp_path) is None
    store(tmp_path, image.default_recipe())
    assert node.cached(tmp_path) is None, "another image"
    store(tmp_path, node.recipe("theirs"))

    def nothing(*_: object, **__: object) -> None:
        raise CommandError("nothing is to be run")

    built = node.build(tmp_path, None, nothing, lambda _: None)  # pyright: ignore[reportArgumentType]
    assert built == node.cached(tmp_path)
    assert built.name == "chaosjc-node"


def test_the_content_of_containers_decides_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = node.recipe().own
    monkeypatch.setattr(node.images, "digest", lambda: "other")
    assert node.recipe().own != before


def test_large_blobs_become_holes_of_their_size(tmp_path: Path) -> None:
    large, small = tmp_path / "sha256/large", tmp_path / "sha256/small"
    large.parent.mkdir()
    large.write_bytes(b"x" * (2 << 20))
    small.write_bytes(b"x" * 4096)
    node._make_holes(tmp_path)
    assert (large.stat().st_size, large.stat().st_blocks) == (2 << 20, 0)
    assert small.read_bytes() == b"x" * 4096


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_valid_shell(script: Path) -> None:
    subprocess.run(["sh", "-n", str(script)], check=True)


@pytest.mark.parametrize("script", SCRIPTS[:2], ids=lambda path: path.name)
def test_programs_of_the_image_are_executable(script: Path) -> None:
    assert script.stat().st_mode & 0o111 == 0o111


def plugin(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    environment = {"CNI_COMMAND": command, "CNI_PATH": str(directory), "PATH": "/usr/bin:/bin"}
    return subprocess.run([PLUGIN], env=environment, input="{}", capture_output=True, text=True, check=False)


def test_the_network_plugin_says_what_it_speaks(tmp_path: Path) -> None:
    assert "0.3.1" in json.loads(plugin("VERSION", tmp_path).stdout)["supportedVersions"]


@pytest.mark.skipif(Path("/run/flannel/subnet.env").exists(), reason="this machine is a node itself")
def test_a_node_without_lease_lets_go_of_pods_and_checks_none(tmp_path: Path) -> None:
    assert plugin("DEL", tmp_path).returncode == 0
    checked = plugin("CHECK", tmp_path)
    assert checked.returncode == 1
    assert json.loads(checked.stdout)["msg"] == "flanneld has no lease yet"


def test_a_node_is_furnished_with_programs_and_with_what_its_own_containerd_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, work, programs = tmp_path / "root", tmp_path / "work", tmp_path / "programs"
    for directory in (root / "usr/bin", work, programs):
        directory.mkdir(parents=True)
    for name in (*node._PROGRAMS, "pause"):
        (programs / name).write_text(name)
    only = ContainerImage("lab.local/pause:1", (Program("pause", programs / "pause"),))
    monkeypatch.setattr(node.images, "table", lambda *_: (only,))  # pyright: ignore
    seen = list[str]()

    def run(argv: Sequence[str], **_: object) -> Completed:
        *contained, shell, script, where, archive = argv
        assert (tuple(contained), shell, script) == (image.CONTAINED, "sh", str(NODE / "seed.sh"))
        assert where == str(root)
        with tarfile.open(archive) as tar:
            seen.extend(tar.getnames())
        blob = root / "opt/seed/io.containerd.content.v1.content/blobs/sha256/1"
        blob.parent.mkdir(parents=True)
        blob.write_bytes(b"x" * (2 << 20))
        return Completed(tuple(argv), 0, "", "", 0.0)

    node._furnish(root, work, NO_LAYERS, programs, run)
    assert {path.name for path in (root / "usr/bin").iterdir()} == set(node._PROGRAMS)
    assert all(path.stat().st_mode & 0o777 == 0o755 for path in (root / "usr/bin").iterdir())
    assert "manifest.json" in seen
    assert not list(work.iterdir()), "the archive is not part of the image"
    assert (root / "opt/seed/io.containerd.content.v1.content/blobs/sha256/1").stat().st_blocks == 0
