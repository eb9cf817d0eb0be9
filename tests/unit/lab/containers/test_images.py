from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chaosjc.drivers import command
from chaosjc.drivers.command import Completed
from chaosjc.errors import CommandError, LabError
from chaosjc.lab import image, node
from chaosjc.lab.containers import images
from chaosjc.lab.containers.archive import ContainerImage, Program, Tree
from chaosjc.lab.containers.images import Layers
from chaosjc.lab.containers.trees import Trees
from chaosjc.lab.kubernetes.components import PROGRAMS

LAYERS = Layers(Path("/c/base"), Trees(Path("/c/hub"), Path("/c/singleuser"), Path("/c/proxy")))
TABLE = {each.name: each for each in images.table(LAYERS, Path("/bin"))}


def test_kubeadm_and_the_site_find_what_they_ask_for() -> None:
    assert set(TABLE) == {
        "lab.local/pause:3.10.1",
        "lab.local/kube-apiserver:v1.34.4",
        "lab.local/kube-controller-manager:v1.34.4",
        "lab.local/kube-scheduler:v1.34.4",
        "lab.local/kube-proxy:v1.34.4",
        "lab.local/etcd:3.6.5-0",
        "lab.local/coredns:v1.12.1",
        "lab.local/flannel:v0.27.4",
        "lab.local/hub:1",
        "lab.local/proxy:1",
        "lab.local/singleuser:1",
    }


def test_containerds_sandbox_is_an_image_that_is_there() -> None:
    (_, nodes) = node.recipe().directories
    config = (nodes / "files/etc/containerd/config.toml").read_text()
    assert any(f'sandbox_image = "{name}"' in config for name in TABLE)


def test_all_programs_are_ones_that_the_binaries_have() -> None:
    sources = {layer.source.name for each in TABLE.values() for layer in each.layers if isinstance(layer, Program)}
    assert sources | set(node._PROGRAMS) == set(PROGRAMS), "and none is built for nothing"


@pytest.mark.parametrize("name", ["hub:1", "singleuser:1", "proxy:1", "kube-proxy:v1.34.4", "flannel:v0.27.4"])
def test_nodes_share_the_base(name: str) -> None:
    assert TABLE[f"lab.local/{name}"].layers[0] == Tree(Path("/c/base"), owned=True)


def test_users_code_and_the_front_door_do_not_run_as_root() -> None:
    users = {name.partition(":")[0].removeprefix("lab.local/"): each.user for name, each in TABLE.items()}
    assert {name: users[name] for name in ("hub", "singleuser", "proxy")} == {
        "hub": "1000",
        "singleuser": "1000",
        "proxy": "65534",
    }


def test_another_table_is_another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    before = images.digest()
    assert images.digest() == before
    monkeypatch.setattr(images, "table", lambda *_: (ContainerImage("lab.local/other:1", ()),))  # pyright: ignore
    assert images.digest() != before


class Machine:
    """A runner that copies really, and "compiles" by leaving a file; another command is an error."""

    def __init__(self, fails: bool = False) -> None:
        self.fails, self.compiled = fails, list[str]()

    def __call__(self, argv: Sequence[str], **options: Any) -> Completed:
        if argv[0] == "cp":
            return command.run(argv, **options)
        assert tuple(argv[: len(image.CONTAINED)]) == image.CONTAINED
        assert argv[-4:-2] == [images._COMPILE, "sh"]
        if self.fails:
            raise CommandError("sh: exit code 1", stderr="SyntaxError: invalid syntax\n", returncode=1)
        copy = Path(argv[-2])
        (copy / "usr/local/module.pyc").write_text(Path(argv[-1]).name)
        self.compiled.append(copy.name)
        return Completed(tuple(argv), 0, "", "", 0.0)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trees:
    """Trees and a base without any installer."""
    found = Trees(*(tmp_path / "containers" / f"{name}-1" for name in ("hub", "singleuser", "proxy")))
    for tree in (found.hub, found.singleuser, found.proxy):
        (tree / "usr/local").mkdir(parents=True)
        (tree / "usr/local/module.py").write_text("pass")

    def bootstrap(_recipe: image.Recipe, root: Path, *_: object) -> None:
        root.mkdir()

    monkeypatch.setattr(image, "bootstrap", bootstrap)
    monkeypatch.setattr(images.trees, "trees", lambda *_: found)  # pyright: ignore
    return found


def said(_: str) -> None: ...


def test_byte_code_is_in_the_layers_and_not_in_the_trees_they_are_made_of(own: Trees, tmp_path: Path) -> None:
    layers = images.layers(tmp_path, Machine(), said)
    assert layers.base.is_dir()
    assert layers.own.proxy == own.proxy
    for tree, layer in ((own.hub, layers.own.hub), (own.singleuser, layers.own.singleuser)):
        assert sorted(path.name for path in (layer / "usr/local").iterdir()) == ["module.py", "module.pyc"]
        assert (layer / "usr/local/module.py").samefile(tree / "usr/local/module.py"), "no second copy"
        assert not (tree / "usr/local/module.pyc").exists()
        assert (layer / "usr/local/module.pyc").read_text() == layers.base.name, "the base's own Python compiles"


def test_layers_that_are_there_are_not_made_again(own: Trees, tmp_path: Path) -> None:
    machine = Machine()
    assert images.layers(tmp_path, machine, said) == images.layers(tmp_path, machine, said)
    assert len(machine.compiled) == 2


def test_packages_that_do_not_compile_are_no_layer(own: Trees, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="SyntaxError"):
        images.layers(tmp_path, Machine(fails=True), said)
    assert not list((tmp_path / "containers").glob("compiled-*"))
