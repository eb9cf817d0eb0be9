"""Which container images a node carries. None is pulled: their names begin with a registry that does not exist.

    CACHE/containers/base-DIGEST/          the root file system that others lie on, made of Debian packages
                    /compiled-NAME-DIGEST/  a tree of trees.py as hard links, with byte code of the base's Python

Deleting the whole cache is always safe.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from chaosjc.drivers.command import Runner
from chaosjc.lab import image
from chaosjc.lab.containers import trees
from chaosjc.lab.containers.archive import ContainerImage, Program, Tree
from chaosjc.lab.containers.trees import Progress, Trees
from chaosjc.lab.kubernetes.components import COREDNS, ETCD, FLANNEL, KUBERNETES, PAUSE

BUILDER = 1  # to be raised when the same inputs become other images
REGISTRY = "lab.local"
# What fits a machine that carries a whole site. Go collects twice as often as it would; a thread of Python or Node.js
# allocates from one of two heaps rather than from one of its own.
GO = ("GOGC=50",)
HEAPS = ("MALLOC_ARENA_MAX=2",)
# Python of the base itself compiles a layer's packages, which lie in the base for that time
_COMPILE = """\
mount --bind "$1/usr/local" "$2/usr/local"
exec chroot "$2" python3 -m compileall -q --invalidation-mode unchecked-hash "/usr/local/lib"
"""


@dataclass(frozen=True)
class Layers:
    """The file trees of all images."""

    base: Path
    own: Trees


def base_recipe() -> image.Recipe:
    """What the layers with Python and Node.js, kube-proxy and flannel stand on."""
    directory = image.RECIPES / "containers" / "base"
    return image.Recipe("container-base", "bookworm", os.uname().machine, (directory,))


def digest() -> str:
    """16 hexadecimal digits of all that decides the images, but for Kubernetes' binaries."""
    text = f"{BUILDER} {base_recipe().digest} {trees.digest()} {table(Layers(Path(), Trees(*[Path()] * 3)), Path())}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def layers(cache: Path, run: Runner, progress: Progress) -> Layers:
    """The trees, made where the cache lacks them (about a minute and 1 GB); needs root. Raises LabError."""
    top, recipe = cache / "containers", base_recipe()

    def bootstrap(tree: Path) -> None:
        progress("container layer base: installing Debian packages")
        image.bootstrap(recipe, tree, tree.parent, run)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        own = pool.submit(trees.trees, cache, run, progress)
        base = trees.made(top, "base", recipe.digest, bootstrap)
        jobs = [
            pool.submit(_compiled, tree, base, run, progress) for tree in (own.result().hub, own.result().singleuser)
        ]
        hub, singleuser = (job.result() for job in jobs)
        return Layers(base, Trees(hub, singleuser, own.result().proxy))


def _compiled(tree: Path, base: Path, run: Runner, progress: Progress) -> Path:
    """The tree with byte code: in a container nobody can keep any, and a server without starts 2 s later."""
    name = tree.name.partition("-")[0]
    of = hashlib.sha256(f"{tree.name} {base.name}".encode()).hexdigest()[:16]

    def compile_(copy: Path) -> None:
        progress(f"container layer {name}: compiling")
        run(["cp", "--archive", "--link", str(tree), str(copy)])
        run([*image.CONTAINED, "sh", "-ec", _COMPILE, "sh", str(copy), str(base)], timeout=600)

    return trees.made(tree.parent, f"compiled-{name}", of, compile_)


def table(layers: Layers, binaries: Path) -> tuple[ContainerImage, ...]:
    """All images, under the names that kubeadm and the site ask for."""
    base, own = Tree(layers.base, owned=True), layers.own
    control = [_program(name, KUBERNETES, binaries) for name in ("apiserver", "controller-manager", "scheduler")]
    return (
        ContainerImage(_name("pause", PAUSE.removeprefix("v")), (Program("pause", binaries / "pause"),), ("/pause",)),
        *control,
        ContainerImage(
            _name("etcd", f"{ETCD.removeprefix('v')}-0"),
            (Program("usr/local/bin/etcd", binaries / "etcd"), Program("usr/local/bin/etcdctl", binaries / "etcdctl")),
            command=("etcd",),
            environment=GO,
        ),
        ContainerImage(
            _name("kube-proxy", KUBERNETES),
            (base, Program("usr/local/bin/kube-proxy", binaries / "kube-proxy")),
            command=("kube-proxy",),
            environment=GO,
        ),
        ContainerImage(
            _name("coredns", COREDNS), (Program("coredns", binaries / "coredns"),), ("/coredns",), environment=GO
        ),
        ContainerImage(
            _name("flannel", FLANNEL),
            (base, Program("opt/bin/flanneld", binaries / "flanneld")),
            ("/opt/bin/flanneld",),
            environment=GO,
        ),
        ContainerImage(
            _name("hub", "1"),
            (base, Tree(own.hub)),
            (),
            ("jupyterhub",),
            user="1000",
            directory="/srv/jupyterhub",
            environment=HEAPS,
        ),
        ContainerImage(
            _name("proxy", "1"), (base, Tree(own.proxy)), ("configurable-http-proxy",), user="65534", environment=HEAPS
        ),
        ContainerImage(
            _name("singleuser", "1"),
            (base, Tree(own.singleuser)),
            (),
            ("jupyterhub-singleuser",),
            user="1000",
            directory="/home/jovyan",
            environment=("HOME=/home/jovyan", *HEAPS),
        ),
    )


def _program(name: str, version: str, binaries: Path) -> ContainerImage:
    name = f"kube-{name}"
    program = Program(f"usr/local/bin/{name}", binaries / name)
    return ContainerImage(_name(name, version), (program,), command=(name,), environment=GO)


def _name(name: str, tag: str) -> str:
    return f"{REGISTRY}/{name}:{tag}"
