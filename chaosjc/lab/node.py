"""The golden image of Kubernetes nodes: the common one, the node's packages and programs, and all container images.

The container images are imported once, while the image is built, by the image's own containerd. A machine finds them
unpacked in /opt/seed and links them (recipes/node/files/usr/local/sbin/node-prepare).

    node = build(default_cache(), None, command.run, print)
"""

from __future__ import annotations

import concurrent.futures
import os
import shutil
from dataclasses import replace
from pathlib import Path

from chaosjc.drivers.command import Runner
from chaosjc.lab import binaries, image
from chaosjc.lab.containers import archive, images
from chaosjc.lab.containers.images import Layers
from chaosjc.lab.containers.trees import Progress
from chaosjc.lab.machine.machine import SEED

NAME = "chaosjc-node"
_SEED_SCRIPT = image.RECIPES / "node" / "seed.sh"
_PROGRAMS = ("kubelet", "kubeadm", "kubectl", "etcdctl", "etcdutl")
_BLOBS = "io.containerd.content.v1.content/blobs"
_WORTH_A_HOLE = 1 << 20  # bytes


def recipe(programs: str = "") -> image.Recipe:
    """`programs` is the digest of Kubernetes' binaries."""
    golden = image.default_recipe()
    directories = (*golden.directories, image.RECIPES / "node")
    return replace(golden, name=NAME, directories=directories, content=images.digest(), binaries=programs)


def cached(cache: Path) -> image.Image | None:
    """The newest image of the current recipe, whoever's binaries it has."""
    own = recipe().own
    found = (each for each in image.images(cache / "images") if (each.name, each.own) == (NAME, own))
    return next(found, None)


def build(cache: Path, configured: Path | None, run: Runner, progress: Progress) -> image.Image:
    """The image, built if the cache lacks it: two minutes and 1 GB, besides the binaries, which may take long.

    `configured` is a directory with the binaries; without it, any image of the current recipe will do. Raises LabError.
    """
    if configured is None and (found := cached(cache)):
        return found
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        layers = pool.submit(images.layers, cache, run, progress)
        programs = binaries.ensure(cache, configured, run, progress)

        def furnish(root: Path, work: Path) -> None:
            found = layers.result()
            progress(f"{NAME}: unpacking the container images")
            _furnish(root, work, found, programs.directory, run)

        return image.build(recipe(programs.digest), cache / "images", run, progress, furnish)


def _furnish(root: Path, work: Path, layers: Layers, programs: Path, run: Runner) -> None:
    for name in _PROGRAMS:
        shutil.copyfile(programs / name, root / "usr/bin" / name)
        (root / "usr/bin" / name).chmod(0o755)
    imported = work / "containers.tar"
    archive.write(images.table(layers, programs), imported)
    run([*image.CONTAINED, "sh", str(_SEED_SCRIPT), str(root), str(imported)], timeout=600)
    imported.unlink()
    _make_holes(root / SEED / _BLOBS)


def _make_holes(blobs: Path) -> None:
    """A layer's blob is not read once it is unpacked; containerd only wants to see a file of its size."""
    for blob in blobs.rglob("*"):
        if blob.is_file() and (size := blob.stat().st_size) > _WORTH_A_HOLE:
            os.truncate(blob, 0)
            os.truncate(blob, size)
