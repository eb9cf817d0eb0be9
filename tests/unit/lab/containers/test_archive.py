from __future__ import annotations

import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from chaosjc.lab.containers.archive import ContainerImage, Program, Tree, write


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool").write_text("#!/bin/sh\n")
    (root / "usr/bin/tool").chmod(0o700)
    (root / "usr/bin/other").symlink_to("tool")
    (root / "usr/read me").write_text("text")
    (root / "usr/read me").chmod(0o640)
    os.mkfifo(root / "usr/pipe")
    return root


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF" + bytes(3000))
    return path


def images(tree: Path, program: Path) -> list[ContainerImage]:
    base = Tree(tree)
    return [
        ContainerImage("lab.local/one:1", (base, Program("opt/bin/program", program)), ("/opt/bin/program",)),
        ContainerImage(
            "lab.local/two:1", (base,), command=("tool",), user="1000", directory="/srv", environment=("HOME=/srv",)
        ),
    ]


def read(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {entry.name: file.read() for entry in tar if (file := tar.extractfile(entry))}


def loaded(members: dict[str, bytes]) -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Name → configuration, layers."""
    return {
        each["RepoTags"][0]: (json.loads(members[each["Config"]]), each["Layers"])
        for each in json.loads(members["manifest.json"])
    }


def test_all_that_a_manifest_speaks_of_is_there_under_its_own_digest(tree: Path, program: Path, tmp_path: Path) -> None:
    write(images(tree, program), tmp_path / "out.tar")
    members = read(tmp_path / "out.tar")
    found = loaded(members)
    assert list(found) == ["lab.local/one:1", "lab.local/two:1"]
    for config, layers in found.values():
        digests = [hashlib.sha256(members[layer]).hexdigest() for layer in layers]
        assert config["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]}
        assert len(config["history"]) == len(layers)
    assert found["lab.local/one:1"][1][0] == found["lab.local/two:1"][1][0]
    assert len(members) == 2 + 2 + 1, "the layer that both have is there once"


def test_a_container_gets_the_settings_of_its_image(tree: Path, program: Path, tmp_path: Path) -> None:
    write(images(tree, program), tmp_path / "out.tar")
    found = loaded(read(tmp_path / "out.tar"))
    one, two = (found[f"lab.local/{name}:1"][0]["config"] for name in ("one", "two"))
    assert one["Entrypoint"] == ["/opt/bin/program"]
    assert "Cmd" not in one
    assert (two["Cmd"], two["User"], two["WorkingDir"]) == (["tool"], "1000", "/srv")
    assert two["Env"][0].startswith("PATH=/usr/local/sbin:")
    assert two["Env"][1] == "HOME=/srv"


def test_a_tree_is_packed_in_order_without_times_and_owners(tree: Path, program: Path, tmp_path: Path) -> None:
    write(images(tree, program), tmp_path / "out.tar")
    members = read(tmp_path / "out.tar")
    layer = tmp_path / "layer.tar"
    layer.write_bytes(members[loaded(members)["lab.local/two:1"][1][0]])
    with tarfile.open(layer) as tar:
        entries = {entry.name: entry for entry in tar}
        assert list(entries) == ["usr", "usr/bin", "usr/bin/other", "usr/bin/tool", "usr/read me"], "and no pipe"
    assert {(entry.mtime, entry.uid, entry.gid) for entry in entries.values()} == {(0, 0, 0)}
    assert [f"{entries[name].mode:o}" for name in ("usr/bin", "usr/bin/tool", "usr/read me")] == ["755", "755", "644"]
    assert entries["usr/bin/other"].linkname == "tool"


def test_a_tree_of_an_installer_keeps_modes_and_owners(tree: Path, tmp_path: Path) -> None:
    (tree / "usr/bin").chmod(0o1777)
    write([ContainerImage("lab.local/base:1", (Tree(tree, owned=True),))], tmp_path / "out.tar")
    members = read(tmp_path / "out.tar")
    (tmp_path / "layer.tar").write_bytes(members[loaded(members)["lab.local/base:1"][1][0]])
    with tarfile.open(tmp_path / "layer.tar") as tar:
        assert f"{tar.getmember('usr/bin').mode:o}" == "1777"
        assert f"{tar.getmember('usr/read me').mode:o}" == "640"
        assert tar.getmember("usr").uid == os.getuid()


def test_a_program_is_an_executable_below_directories_that_anybody_may_enter(program: Path, tmp_path: Path) -> None:
    program.chmod(0o600)
    write([ContainerImage("lab.local/x:1", (Program("opt/bin/x", program),))], tmp_path / "out.tar")
    members = read(tmp_path / "out.tar")
    (tmp_path / "layer.tar").write_bytes(members[loaded(members)["lab.local/x:1"][1][0]])
    with tarfile.open(tmp_path / "layer.tar") as tar:
        assert [(entry.name, f"{entry.mode:o}") for entry in tar] == [
            ("opt", "755"),
            ("opt/bin", "755"),
            ("opt/bin/x", "755"),
        ]


def test_the_same_content_makes_the_same_archive(tree: Path, program: Path, tmp_path: Path) -> None:
    write(images(tree, program), tmp_path / "first.tar")
    for path in (program, *tree.rglob("*")):
        if not path.is_symlink():
            os.utime(path, (1, 1))
    write(images(tree, program), tmp_path / "second.tar")
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()
