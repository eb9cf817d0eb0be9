"""The containers' file trees from the real package registries, run by this machine's Python and their own Node.js."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from chaosjc.drivers import command
from chaosjc.lab.containers import archive, trees
from chaosjc.lab.containers.archive import ContainerImage, Tree
from chaosjc.lab.containers.trees import PACKAGES, Trees
from chaosjc.lab.layout import default_cache

pytestmark = [
    pytest.mark.timeout(300),  # the cache may be empty
    pytest.mark.xdist_group("containers"),
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the packages are compiled for Debian 12's Python"),
]


@pytest.fixture(scope="module")
def made() -> Trees:
    return trees.trees(default_cache(), command.run, lambda _: None)


def says(tree: Path, *words: str) -> str:
    """What a program of a Python tree answers, with nothing but that tree's packages."""
    environment = {
        "PYTHONPATH": str(tree / PACKAGES),
        "JUPYTER_PATH": str(tree / "usr/local/share/jupyter"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    program = [sys.executable, str(tree / "usr/local/bin" / words[0]), *words[1:]]
    return command.run(program, env=environment, timeout=60).stdout


def test_the_hub_has_spawner_authenticator_and_database(made: Trees) -> None:
    assert says(made.hub, "jupyterhub", "--version").startswith("5.")
    code = "import kubespawner, oauthenticator.generic, psycopg2; print(kubespawner.__version__)"
    found = command.run([sys.executable, "-c", code], env={"PYTHONPATH": str(made.hub / PACKAGES)}).stdout
    assert found.startswith("7.")
    assert (made.hub / "usr/local/share/jupyterhub/static").is_dir()


def test_a_users_server_finds_its_kernel(made: Trees) -> None:
    assert says(made.singleuser, "jupyterhub-singleuser", "--version")
    kernels = json.loads(says(made.singleuser, "jupyter-kernelspec", "list", "--json"))["kernelspecs"]
    assert kernels["python3"]["resource_dir"].startswith(str(made.singleuser))
    assert (made.singleuser / "usr/local/share/jupyter/lab/static").is_dir()


def test_the_proxy_runs_on_its_own_node(made: Trees) -> None:
    programs = made.proxy / "usr/local/bin"
    done = command.run([str(programs / "configurable-http-proxy"), "--version"], env={"PATH": f"{programs}:/usr/bin"})
    assert done.stdout.startswith("5.")
    assert os.access(programs / "node", os.X_OK)


def test_a_real_tar_unpacks_a_layer_to_the_same_tree(made: Trees, tmp_path: Path) -> None:
    archive.write([ContainerImage("lab.local/proxy:1", (Tree(made.proxy),))], tmp_path / "out.tar")
    command.run(["tar", "-C", str(tmp_path), "-xf", str(tmp_path / "out.tar")])
    (manifest,) = json.loads((tmp_path / "manifest.json").read_text())
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    command.run(["tar", "-C", str(unpacked), "-xf", str(tmp_path / manifest["Layers"][0])])
    command.run(["diff", "--recursive", "--no-dereference", str(made.proxy), str(unpacked)])
    shutil.rmtree(unpacked)
