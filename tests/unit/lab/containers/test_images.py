from __future__ import annotations

from pathlib import Path

import pytest

from chaosjc.lab import node
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
