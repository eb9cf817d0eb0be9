"""Images, disks and mounts of machines: squashfs below, sparse ext4 files on loop devices above."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Generator
from pathlib import Path

from chaosjc.drivers.command import run
from chaosjc.errors import CommandError, LabError

# An inode for each block: a brick keeps a directory for each first 16 bits of its files' ids, up to 65,792 of them.
_EXT4 = ("-q", "-F", "-m", "0", "-i", "4096", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard")
_UNPACKED = ".unpacked"


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """A lock between processes that is gone with its holder, however that one ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def locked_directory(path: Path) -> Generator[None]:
    """The same with a directory as the lock, which is made and, if it is empty afterwards, removed."""
    path.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        with contextlib.suppress(OSError):
            path.rmdir()
    finally:
        os.close(handle)


def mounts(below: Path, mountinfo: str | None = None) -> list[Path]:
    """Mount points at or below a directory, in the order in which they were mounted."""
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    points = (Path(_unescape(line.split()[4])) for line in text.splitlines())
    return [p for p in points if p == below or below in p.parents]


def _unescape(word: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        word = word.replace(code, character)
    return word


def is_mounted(path: Path) -> bool:
    """Whether something is mounted exactly there."""
    return path in mounts(path)


def unmount(path: Path, patience: float = 3.0) -> None:
    """Take a mount away; one that stays busy is detached lazily."""
    end = time.monotonic() + patience
    while is_mounted(path):
        if run(["umount", str(path)], check=False).returncode == 0:
            continue
        if time.monotonic() > end:
            run(["umount", "-l", str(path)])
            return
        time.sleep(0.05)


def loop_devices(below: Path) -> dict[Path, Path]:
    """Loop devices whose backing file lies below a directory (also a deleted one): device -> file."""
    found: dict[Path, Path] = {}
    for line in run(["losetup", "-nlO", "NAME,BACK-FILE"]).stdout.splitlines():
        name, _, rest = line.strip().partition(" ")
        file = Path(rest.strip().removesuffix(" (deleted)"))
        if below in file.parents:
            found[Path(name)] = file
    return found


def attach_loop(file: Path) -> Path:
    """The loop device of a file, made when there is none.

    It has no cache that a flush would empty, as under a hypervisor's `cache=unsafe`: else each fsync of each machine
    waits for the host's disk, for 0.2 to 4 ms. What a machine has written outlives it all the same, in the host's
    memory; a power cut of the host may lose it.
    """
    there = (device for device, backing in loop_devices(file.parent).items() if backing == file)
    device = next(there, None) or Path(run(["losetup", "--find", "--show", str(file)]).stdout.strip())
    with contextlib.suppress(OSError):
        Path("/sys/block", device.name, "queue/write_cache").write_text("write through")
    return device


def detach_loops(below: Path, patience: float = 2.0) -> None:
    """Free the loop devices of all files below a directory; the kernel lets go some time after an unmount."""
    end = time.monotonic() + patience
    while devices := loop_devices(below):
        for device in devices:
            run(["losetup", "-d", str(device)], check=False)
        if time.monotonic() > end:
            return
        time.sleep(0.02)


def make_disk(file: Path, gib: int, label: str) -> None:
    """A sparse ext4 file system of `gib` GiB (at least one), complete or not there. Lazy tables: 30 ms at any size."""
    if file.exists():
        return
    new = file.with_suffix(".new")
    with new.open("wb") as disk:
        disk.truncate(max(gib, 1) << 30)
    run(["mkfs.ext4", *_EXT4, "-L", label, str(new)])
    new.rename(file)


class ImageCache:
    """Images as read-only lower layers: `directory/ID.img` and, mounted or unpacked, `directory/ID/`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def _lock(self, image: str) -> contextlib.AbstractContextManager[None]:
        return locked(self.directory / f".{image}.lock")

    def layer(self, image: str, fetch: Callable[[Path], object] | None = None) -> Path:
        """The image's tree; `fetch(path)` brings the file if it is not cached. Raises LabError for an unusable one."""
        file, tree = self.directory / f"{image}.img", self.directory / image
        with self._lock(image):
            if not file.exists():
                if fetch is None:
                    raise LabError(f"image {image} is not cached in {self.directory}")
                part = file.with_suffix(".part")
                fetch(part)
                part.rename(file)
            tree.mkdir(exist_ok=True)
            if not is_mounted(tree) and not (tree / _UNPACKED).exists():
                self._open(file, tree)
        return tree

    @staticmethod
    def _open(file: Path, tree: Path) -> None:
        with file.open("rb") as image:
            head = image.read(4096)
        try:
            if head.startswith(b"hsqs") or head[0x438:0x43A] == b"\x53\xef":  # squashfs, ext4
                run(["mount", "-o", "loop,ro", str(file), str(tree)])
                return
            run(["tar", "-C", str(tree), "--numeric-owner", "--xattrs", "-xf", str(file)], timeout=600)
        except CommandError as error:
            raise LabError(f"image {file.stem} is no squashfs, ext4 or tar: {error.message}") from error
        (tree / _UNPACKED).touch()

    def images(self) -> set[str]:
        """The ids of what is cached."""
        return {file.stem for file in self.directory.glob("*.img")}

    def drop(self, image: str, still_used: Callable[[], bool]) -> None:
        """Forget one image unless, with its lock held, it turns out to be in use."""
        with self._lock(image):
            if still_used():
                return
            tree = self.directory / image
            unmount(tree)
            shutil.rmtree(tree, ignore_errors=True)
            for file in (f"{image}.img", f"{image}.part"):
                (self.directory / file).unlink(missing_ok=True)


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file in one step: a reader sees the old text or the new one, also after a crash."""
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.chmod(mode)
    new.rename(path)
