"""A brick of this machine in a temporary directory, with what GlusterFS and the kernel would have written about it."""

from __future__ import annotations

from pathlib import Path

from chaosjc.canary.brick import LocalBrick, Places
from tests.unit.site.fakes import ROOT

CASES = ROOT / "tests" / "cases" / "canary"
BASE = "xattrop-8012c039-ea8d-4a4b-8677-642551ff210a"
TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"


def make(root: Path) -> LocalBrick:
    """Known to glusterd, its disk mounted, nothing pending, no process."""
    brick = LocalBrick("homes", "brick-001", f"{root}/data/homes", Places(root / "run", root / "lib", root / "proc"))
    for directory in ("run/vols/homes", "lib/vols/homes", "lib/stats", "proc/net", "data/homes/.glusterfs/indices"):
        (root / directory).mkdir(parents=True)
    volfile(brick).write_text("volume homes-posix\n    type storage/posix\nend-volume\n")
    index(brick).mkdir()
    (index(brick) / BASE).touch()
    (root / "proc/net/tcp").write_text(TCP + "\n")
    return brick


def volfile(brick: LocalBrick) -> Path:
    name = f"homes.brick-001.{brick.path.strip('/').replace('/', '-')}.vol"
    return brick.places.state / "vols" / "homes" / name


def index(brick: LocalBrick) -> Path:
    return Path(brick.path) / ".glusterfs" / "indices" / "xattrop"


def run_process(brick: LocalBrick, port: int, *, path: str = "", program: str = "/usr/sbin/glusterfsd") -> None:
    """As the brick's process 254, or as what has its pid now."""
    pid_file = brick.places.run / "vols" / "homes" / f"brick-001{brick.path.replace('/', '-')}.pid"
    pid_file.write_text("254\n")
    process = brick.places.proc / "254"
    process.mkdir()
    arguments = (program, "-s", "brick-001", "--brick-name", path or brick.path, "--brick-port", str(port), "")
    (process / "cmdline").write_bytes("\0".join(arguments).encode())


def pend(brick: LocalBrick, *gfids: str) -> None:
    """As index.c does: a hard link to the base file for each."""
    for gfid in gfids:
        (index(brick) / gfid).hardlink_to(index(brick) / BASE)
