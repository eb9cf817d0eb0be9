"""One machine: a systemd-nspawn container with a virtual machine's manners.

    DIR/machine.json          what it is, written before anything is made
       /disk.img  disk/       its root disk: a sparse ext4 of the flavor's size, so that it can fill up
           upper work         the overlay's upper layer (the image is the lower one)
           native/            bound over paths that must not lie on an overlay: container run times stack their own
       /ephemeral0.img        data disks, which it sees as /dev/vdb, vdc, ...
       /root                  the overlay
       /seed                  the image's /opt/seed, which must not lie on an overlay either
       /boot.sh  net.sh       its supervisor and its ports, as shell scripts
       /console.log

The truth about a machine is its control group: populated = running, frozen = paused. Nothing depends on the process
that started it; the supervisor is a detached shell in that group.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from chaosjc.drivers.command import run
from chaosjc.errors import LabError
from chaosjc.lab.machine import disks, network
from chaosjc.lab.machine.cgroup import Cgroup
from chaosjc.lab.machine.network import Names, Nic

State = Literal["missing", "off", "running", "paused"]
NATIVE = ("/var/lib/containerd", "/var/lib/docker", "/var/lib/etcd", "/var/lib/kubelet")
SEED = "opt/seed"  # what containerd made of container images, in an image of Kubernetes nodes
DEVICES = ("/dev/fuse", "/dev/kmsg", "/dev/net/tun")  # of the host's, besides those that every container has
_DEVICES = "bcdefghijklmnop"
_POWEROFF, _REBOOT = signal.SIGRTMIN + 4, signal.SIGRTMIN + 5  # what systemd as pid 1 takes them for
_REBOOT_ASKED = 133  # systemd-nspawn's exit code
_POLL = 0.02
# systemd-nspawn moves the machine's root over the host's and leaves all of the host's mounts below it: a machine would
# pin other machines' disks and images for as long as it runs. So it starts in a mount namespace that has lost them.
_FORGET = """\
own=$1; shift; mounts=$(cat /proc/self/mountinfo)
while read -r _ _ _ _ point about; do
    case $about in *" - overlay "* | *" - "*" /dev/loop"*) ;; *) continue ;; esac
    case $point in "$own"/*) ;; *) umount -l "$point" ;; esac
done <<END
$mounts
END
exec "$@"
"""
_APART = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _FORGET, "sh")


@dataclass(frozen=True)
class Spec:
    """What a machine is. `suspended`: not just paused; `resume`: it ran when the lab went down."""

    name: str
    hostname: str
    image: str
    memory_mb: int
    vcpus: int
    disk_gb: int
    ephemeral_gb: tuple[int, ...] = ()
    nics: tuple[Nic, ...] = ()
    suspended: bool = False
    resume: bool = False

    @classmethod
    def loads(cls, text: str) -> Spec:
        """From machine.json."""
        raw: dict[str, Any] = json.loads(text)
        raw["ephemeral_gb"] = tuple(raw["ephemeral_gb"])
        raw["nics"] = tuple(Nic.of(nic) for nic in raw["nics"])
        return cls(**raw)

    def dumps(self) -> str:
        """To machine.json."""
        return json.dumps(asdict(self), indent=1)


@dataclass(frozen=True)
class Host:
    """Where the machines of one lab live, and what their things are called."""

    base: Path
    names: Names
    images: disks.ImageCache = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", disks.ImageCache(self.base / "images"))

    def machines(self) -> list[Machine]:
        """All that are defined, running or not, by id."""
        return [Machine(self, file.parent.name) for file in sorted(self.base.glob("machines/*/machine.json"))]

    def machine(self, uuid: str) -> Machine:
        """One of them, which need not exist."""
        return Machine(self, uuid)

    def drop_unused_images(self) -> None:
        """Forget cached images that no machine is made of."""
        for image in self.images.images():
            self.images.drop(image, lambda image=image: image in {m.spec.image for m in self.machines()})


class Machine:
    """Every method reads the host afresh and takes the machine's lock before it changes anything."""

    def __init__(self, host: Host, uuid: str) -> None:
        self.host, self.uuid = host, uuid
        self.directory = host.base / "machines" / uuid
        self.root = self.directory / "root"
        self.seed = self.directory / "seed"
        self.console = self.directory / "console.log"
        self.cgroup = Cgroup(f"{host.names.cgroup}/{uuid}")
        self.namespace = host.names.namespace(uuid)

    # ---- looking
    @property
    def exists(self) -> bool:
        """Whether it is defined."""
        return (self.directory / "machine.json").exists()

    @property
    def spec(self) -> Spec:
        """What it is. Raises LabError if it is not defined."""
        try:
            return Spec.loads((self.directory / "machine.json").read_text())
        except FileNotFoundError:
            raise LabError(f"no machine {self.uuid}") from None

    @property
    def state(self) -> State:
        """From the host's kernel, each time."""
        if not self.exists:
            return "missing"
        if not self.cgroup.populated:
            return "off"
        return "paused" if self.cgroup.frozen else "running"

    def leader(self) -> int | None:
        """The host's number of the machine's own process 1, or None."""
        for pid in self.cgroup.pids():
            if self._is_leader(pid):
                return pid
        return None

    @staticmethod
    def _is_leader(pid: int) -> bool:
        """Process 1 of the machine itself: those of containers in it are one namespace deeper."""
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return False
        numbers = [line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")]
        return bool(numbers) and len(numbers[0]) == 2 and numbers[0][1] == "1"

    def _lock(self) -> contextlib.AbstractContextManager[None]:
        return disks.locked(self.host.base / "locks" / self.uuid)

    # ---- defining
    def define(self, spec: Spec) -> None:
        """Write down what it is; the first act, so that whatever follows is found again after a crash."""
        self.directory.mkdir(parents=True, exist_ok=True)
        disks.write_atomically(self.directory / "machine.json", spec.dumps())

    def prepare(self, fetch: Callable[[Path], object] | None = None) -> None:
        """Bring the image and mount the root, so that files can be put in before the first boot."""
        self.host.images.layer(self.spec.image, fetch)
        with self._lock():
            self._mount()

    def destroy(self) -> None:
        """Cut its power and remove all of it; safe to repeat after any interruption."""
        with self._lock():
            self._cut()
            self.cgroup.remove()
            if self.exists:
                for nic in self.spec.nics:
                    network.unplug(self.host.names, nic)
            self._unmount()
            shutil.rmtree(self.directory, ignore_errors=True)
        (self.host.base / "locks" / self.uuid).unlink(missing_ok=True)

    # ---- disks
    def _disk(self, index: int) -> Path:
        return self.directory / f"ephemeral{index}.img"

    def _mount(self) -> None:
        spec, disk = self.spec, self.directory / "disk"
        layer = self.host.images.layer(spec.image)
        disks.make_disk(self.directory / "disk.img", spec.disk_gb, "root")
        for directory in (disk, self.root):
            directory.mkdir(exist_ok=True)
        if not disks.is_mounted(disk):
            run(["mount", "-o", "noatime", str(disks.attach_loop(self.directory / "disk.img")), str(disk)])
        for part in ("upper", "work", "native"):
            (disk / part).mkdir(exist_ok=True)
        (disk / "upper").chmod(0o755)
        if not disks.is_mounted(self.root):
            options = f"lowerdir={layer},upperdir={disk}/upper,workdir={disk}/work"
            run(["mount", "-t", "overlay", self.namespace, "-o", options, str(self.root)])
        if (layer / SEED).is_dir() and not disks.is_mounted(self.seed):
            self.seed.mkdir(exist_ok=True)
            run(["mount", "--bind", str(layer / SEED), str(self.seed)])
        for index, gib in enumerate(spec.ephemeral_gb):
            disks.make_disk(self._disk(index), gib, f"ephemeral{index}")

    def _unmount(self) -> None:
        for path in (self.seed, self.root, self.directory / "disk"):
            disks.unmount(path)
        disks.detach_loops(self.directory)

    # ---- ports
    def _write_net_script(self, spec: Spec) -> None:
        """Each boot gets a new namespace, as a real one forgets routes; `net.sh down` only takes it away."""
        names = self.host.names
        lines = [f"ip link del {names.port(nic.port)} 2>/dev/null" for nic in spec.nics]
        lines += [f"ip netns del {self.namespace} 2>/dev/null", '[ "$1" = down ] && exit 0', "set -e"]
        lines += [f"ip netns add {self.namespace}", f"ip -n {self.namespace} link set lo up"]
        for index, nic in enumerate(spec.nics):
            lines += network.plug_commands(names, self.namespace, nic, index)
        disks.write_atomically(self.directory / "net.sh", "\n".join(lines) + "\n")

    def _net_down(self) -> None:
        if (self.directory / "net.sh").exists():
            run(["sh", str(self.directory / "net.sh"), "down"], check=False)

    def attach(self, nic: Nic) -> None:
        """Plug a port in, also while it runs."""
        with self._lock():
            spec = self.spec
            network.ensure_bridge(self.host.names, nic)
            if self.cgroup.populated:
                script = network.plug_commands(self.host.names, self.namespace, nic, len(spec.nics))
                run(["sh", "-ec", "\n".join(script)])
            self.define(replace(spec, nics=(*spec.nics, nic)))
            self._write_net_script(self.spec)

    def detach(self, port: str) -> None:
        """Take a port away."""
        with self._lock():
            spec = self.spec
            for nic in spec.nics:
                if nic.port == port:
                    network.unplug(self.host.names, nic)
            self.define(replace(spec, nics=tuple(nic for nic in spec.nics if nic.port != port)))
            self._write_net_script(self.spec)

    # ---- power
    def start(self) -> None:
        """Boot, and return when its process 1 is there; nothing to do if it runs. Raises LabError if it fails."""
        with self._lock():
            if self.cgroup.populated:
                return
            spec = self.spec
            self._mount()
            for nic in spec.nics:
                network.ensure_bridge(self.host.names, nic)
            self._write_net_script(spec)
            self._net_down()
            run(["sh", str(self.directory / "net.sh")])
            self.cgroup.remove()
            self.cgroup.create(spec.memory_mb, spec.vcpus)
            disks.write_atomically(self.directory / "boot.sh", self._boot_script(spec))
            path = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            run(["setsid", "--fork", "env", "-i", f"PATH={path}", "sh", str(self.directory / "boot.sh")], cwd=Path("/"))
            self._wait_for_leader()
            if spec.resume or spec.suspended:
                self.define(replace(spec, resume=False, suspended=False))

    def _wait_for_leader(self, timeout: float = 20.0) -> None:
        end = time.monotonic() + timeout
        while not self.leader():
            if time.monotonic() > end:
                said = self.console.read_text(errors="replace")[-500:] if self.console.exists() else "nothing"
                raise LabError(f"machine {self.uuid} did not start; its console says: {said}")
            time.sleep(_POLL)

    def _boot_script(self, spec: Spec) -> str:
        """The supervisor: joins the control group, and boots again with new ports whenever the machine asks to."""
        join = {
            leaf: "".join(f"echo 0 > {shlex.quote(str(d))}/cgroup.procs\n" for d in self.cgroup.leaf_directories(leaf))
            for leaf in ("wrap", "guest")
        }
        net = shlex.join(["sh", str(self.directory / "net.sh")])
        guest = shlex.join([*_APART, str(self.directory), *self._nspawn(spec)])
        return (
            f"exec >> {shlex.quote(str(self.console))} 2>&1\n{join['wrap']}"
            "export SYSTEMD_NSPAWN_TMPFS_TMP=0 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network SYSTEMD_LOG_LEVEL=notice\n"
            f"while :; do\n(\n{join['guest']}exec {guest}\n)\nr=$?\n"
            f"[ $r = {_REBOOT_ASKED} ] || break\n{net} || break\ndone\n{net} down\n"
        )

    def _nspawn(self, spec: Spec) -> list[str]:
        argv = ["nsenter", f"--net=/run/netns/{self.namespace}"]  # nspawn's own option would show it the host's /sys
        argv += ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--settings=no"]
        argv += [
            "-D",
            str(self.root),
            f"--machine={self.namespace}",
            f"--hostname={spec.hostname}",
            f"--uuid={self.uuid}",
        ]
        argv += ["--console=read-only", "--capability=all", "--link-journal=no", "--resolv-conf=off", "--timezone=off"]
        argv += ["--system-call-filter=@keyring bpf perf_event_open @mount @pkey @clock @module"]
        argv += [f"--bind={device}" for device in DEVICES if Path(device).exists()]
        for path in NATIVE:
            native = self.directory / "disk" / "native" / path.strip("/").replace("/", "-")
            native.mkdir(exist_ok=True)
            argv.append(f"--bind={native}:{path}")
        if disks.is_mounted(self.seed):
            argv.append(f"--bind-ro={self.seed}:/{SEED}")
        for index, _ in enumerate(spec.ephemeral_gb):
            argv.append(f"--bind={disks.attach_loop(self._disk(index))}:/dev/vd{_DEVICES[index]}")
        return argv

    def stop(self, timeout: float = 0.0, resume: bool = False) -> bool:
        """Ask it to power off and wait up to `timeout` seconds, then cut the power. True if it went by itself.

        `resume` notes that it is to be started with the lab again, if it runs now.
        """
        with self._lock():
            spec, state = self.spec, self.state
            self.define(replace(spec, suspended=False, resume=resume and (state == "running" or spec.resume)))
            gone = (
                state == "running"
                and timeout > 0
                and self._ask(_POWEROFF, timeout, lambda _: not self.cgroup.populated)
            )
            self._cut()
            return gone

    def _ask(self, number: int, timeout: float, done: Callable[[int], bool]) -> bool:
        """Signal its process 1 and wait for the effect."""
        leader = self.leader()
        if leader is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader, number)
        end = time.monotonic() + timeout
        while not done(leader):
            if time.monotonic() > end:
                return False
            time.sleep(_POLL)
        return True

    def _cut(self) -> None:
        """A power cut sends no FIN: the ports fall silent before the kernel closes the dead processes' sockets."""
        if self.cgroup.populated and self.exists:
            network.silence(self.host.names, self.spec.nics, True)
        self.cgroup.kill()
        self._net_down()

    def reboot(self, hard: bool, timeout: float = 60.0) -> None:
        """Soft: let systemd reboot; hard, or when that takes too long: cut the power and boot."""
        if not hard and self._reboot_softly(timeout):
            return
        self.stop()
        self.start()

    def _reboot_softly(self, timeout: float) -> bool:
        with self._lock():
            return self.state == "running" and self._ask(
                _REBOOT, timeout, lambda old: (new := self.leader()) is not None and new != old
            )

    def pause(self, suspended: bool = False) -> None:
        """Silence, then stand still: what a hang looks like from outside."""
        with self._lock():
            if suspended:
                self.define(replace(self.spec, suspended=True))
            network.silence(self.host.names, self.spec.nics, True)
            try:
                self.cgroup.freeze(True)
            except LabError:  # half frozen it would be neither paused nor alive
                self._go_on()
                raise

    def unpause(self) -> None:
        """Go on."""
        with self._lock():
            self._go_on()
            if self.spec.suspended:
                self.define(replace(self.spec, suspended=False))

    def _go_on(self) -> None:
        self.cgroup.freeze(False)
        network.silence(self.host.names, self.spec.nics, False)
