"""What the lab needs of the machine it runs on: Debian packages, and abilities that are tried rather than guessed.

Pure standard library, like all that it imports: `make setup` runs it by /usr/bin/python3 before there is a .venv.
"""

from __future__ import annotations

import os
import shutil
import stat
import sysconfig
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chaosjc.drivers import command
from chaosjc.errors import CommandError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # a user's own often lacks sbin
GIB = 1 << 30
MEMORY = 3 * GIB  # control plane 0.7, a small site 0.5, OpenStack's installation, page cache
DISK = 6 * GIB  # OpenStack 1, images 0.5, databases, logs, and what machines write
KUBERNETES_DISK = 15 * GIB  # besides: Go's modules 3 and build cache 3 to 5, programs and container images 2


@dataclass(frozen=True)
class Package:
    """A Debian package; `proof` is the command, or the absolute path of the file, that shows that it is there.

    `unit` is of a service that it would start, and at every boot again; nobody wants that here.
    """

    name: str
    why: str
    proof: str
    unit: str = ""


PACKAGES = (
    Package("python3-venv", "makes .venv and .tools", f"{sysconfig.get_path('stdlib')}/ensurepip/__init__.py"),
    Package("openssh-client", "reaches machines and signs their certificates", "ssh-keygen"),
    Package("mmdebstrap", "makes the lab's golden image of Debian packages", "mmdebstrap"),
    Package("squashfs-tools", "packs the golden image", "mksquashfs"),
    Package("systemd-container", "runs the lab's machines", "systemd-nspawn"),
    Package("e2fsprogs", "makes the machines' disks", "mkfs.ext4"),
    Package("mount", "mounts image and disks", "losetup"),
    Package("iproute2", "makes the lab's bridges and network namespaces", "ip"),
    Package("procps", "lists processes, in tests", "pgrep"),
    Package("nftables", "enforces security groups", "nft"),
    Package("haproxy", "is the data path of load balancers", "haproxy", "haproxy.service"),
)


@dataclass(frozen=True)
class Probe:
    """One ability: what was tried, what was found, why the lab needs it, and what a person can do."""

    name: str
    ok: bool
    found: str
    why: str
    todo: str


def installed(package: Package) -> bool:
    """Whether the package's proof is there."""
    if package.proof.startswith("/"):
        return Path(package.proof).exists()
    return shutil.which(package.proof, path=PATH) is not None


def missing(present: Callable[[Package], bool] = installed) -> list[Package]:
    """The packages that are not present, in the order of PACKAGES."""
    return [package for package in PACKAGES if not present(package)]


def report(run: command.Runner = command.run, root: Path = Path("/")) -> list[Probe]:
    """All probes; the lab can run if each is ok. Takes under a second and leaves nothing behind.

    What only root can try is tried by root only. `root` is where the files are read that tell about the system.
    """
    anybody = [
        _debian(root / "etc/os-release"),
        _packages(),
        _memory(root / "proc/meminfo"),
        disk(),
        _fuse(root / "dev/fuse"),
        _root(),
    ]
    if os.geteuid():
        return anybody
    return [*anybody, *(_tried(ability, run) for ability in ABILITIES), _cgroup(root / "sys/fs/cgroup")]


def lacking(probes: list[Probe]) -> list[Probe]:
    """Those that are not ok: why the lab cannot run here."""
    return [probe for probe in probes if not probe.ok]


@dataclass(frozen=True)
class Ability:
    """What only a privileged process can do, tried by a script in throw-away namespaces; $1 is a scratch directory."""

    name: str
    why: str
    namespaces: tuple[str, ...]
    script: str


ABILITIES = (
    Ability(
        "overlay file systems",
        "a machine's root is an overlay on the golden image",
        ("--mount",),
        'mount -t tmpfs probe "$1" && cd "$1" && mkdir lower upper work root'
        " && mount -t overlay probe -o lowerdir=lower,upperdir=upper,workdir=work root",
    ),
    Ability(
        "loop devices",
        "the golden image and the machines' disks are files",
        ("--mount",),
        'cd "$1" && mkdir empty root && mksquashfs empty image -quiet -no-progress && mount -o loop,ro image root',
    ),
    Ability("network namespaces", "each machine has its own network", ("--net",), "ip link set lo up"),
    Ability(
        "bridges",
        "a network of the cloud is a bridge",
        ("--net",),
        "ip link add probe type bridge && ip link add probe0 type veth peer name probe1"
        " && ip link set probe0 master probe",
    ),
    Ability("nftables", "security groups are rules on the bridge", ("--net",), "nft add table bridge probe"),
)


def _tried(ability: Ability, run: command.Runner) -> Probe:
    todo = "give this machine, or this container, the privileges of a virtual machine of its own"
    with tempfile.TemporaryDirectory(prefix="chaosjc-probe-") as scratch:
        argv = ["unshare", *ability.namespaces, "--", "sh", "-c", ability.script, "sh", scratch]
        try:
            done = run(argv, timeout=20, check=False, env={"PATH": PATH})
        except CommandError as error:
            return Probe(ability.name, False, error.message, ability.why, todo)
    said = done.stderr.strip().splitlines()
    found = "works" if done.returncode == 0 else said[-1] if said else f"exit code {done.returncode}"
    return Probe(ability.name, done.returncode == 0, found, ability.why, todo)


def _debian(release: Path) -> Probe:
    found = _os_release(release)
    ok = (found.get("ID"), found.get("VERSION_ID")) == ("debian", "12")
    name = found.get("PRETTY_NAME") or f"no {release}"
    return Probe(
        "Debian 12", ok, name, "the lab is made of Debian 12's packages", "use a Debian 12 machine, real or virtual"
    )


def _os_release(path: Path) -> Mapping[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in lines) if value}


def _packages() -> Probe:
    names = " ".join(package.name for package in missing())
    found = f"missing: {names}" if names else "installed"
    return Probe("Debian packages", not names, found, "the lab runs their programs", f"apt-get install {names}")


def _memory(meminfo: Path) -> Probe:
    text = meminfo.read_text(encoding="utf-8") if meminfo.exists() else ""
    kib = [int(line.split()[1]) for line in text.splitlines() if line.startswith("MemAvailable:")]
    free = kib[0] * 1024 if kib else 0
    why = "OpenStack and a small site need it"
    return Probe("memory", free >= MEMORY, f"{free / GIB:.1f} GiB available", why, f"free {MEMORY / GIB:.0f} GiB")


def disk(*, kubernetes: bool = False) -> Probe:
    """Room for a lab, or for one with Kubernetes whose programs are built, since they cannot be downloaded."""
    home = Path.home()
    free = shutil.disk_usage(home if home.exists() else "/").free
    found = f"{free / GIB:.1f} GiB free at {home}"
    if kubernetes:
        why = "where Kubernetes' programs cannot be downloaded they are built, with caches of their own"
        todo = f"{KUBERNETES_DISK / GIB:.0f} GiB are needed if Kubernetes' programs must be built"
        return Probe("disk", free >= KUBERNETES_DISK, found, why, todo)
    why = "OpenStack, images and the machines' disks need it"
    todo = (
        f"free {DISK / GIB:.0f} GiB; {KUBERNETES_DISK / GIB:.0f} for a lab with Kubernetes whose programs must be built"
    )
    return Probe("disk", free >= DISK, found, why, todo)


def _root() -> Probe:
    ok = os.geteuid() == 0
    found = "root" if ok else f"user id {os.geteuid()}; the rest was not tried"
    why = "machines, networks and mounts are the kernel's business"
    return Probe("root", ok, found, why, "run as root: sudo make demo, sudo make test")


def _cgroup(top: Path) -> Probe:
    """Freezing and killing need the unified hierarchy, which v1 (hybrid) systems mount beside the others."""
    unified = top / "unified" if (top / "unified").is_dir() else top
    group = unified / f"chaosjc-probe-{os.getpid()}"
    why = "machines are paused, killed and limited by it"
    todo = "a kernel of 5.14 or newer; /sys/fs/cgroup, or its unified part, mounted writable"
    try:
        group.mkdir()
        lacks = [name for name in ("cgroup.freeze", "cgroup.kill") if not (group / name).exists()]
        group.rmdir()
    except OSError as error:
        return Probe("control groups", False, f"{unified}: {error.strerror}", why, todo)
    found = f"{unified}: lacks {' and '.join(lacks)}" if lacks else str(unified)
    return Probe("control groups", not lacks, found, why, todo)


def _fuse(device: Path) -> Probe:
    ok = device.exists() and stat.S_ISCHR(device.stat().st_mode)
    todo = "modprobe fuse, or give this container the device"
    return Probe("FUSE", ok, str(device) if ok else f"no {device}", "machines mount network file systems by it", todo)
