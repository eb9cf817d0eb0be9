"""`lab up`: from nothing, or from wherever an earlier one stopped, to a cloud that takes servers.

Each step looks at what is there and is whole or undone when killed, so that a second `up` goes on where the first
ended.
"""

from __future__ import annotations

import base64
import concurrent.futures
import fcntl
import json
import secrets as random
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from chaosjc.drivers.command import run
from chaosjc.errors import LabError
from chaosjc.lab import config, control, database, environment, host, image, node, registry, sysctl, users
from chaosjc.lab.environment import Environment
from chaosjc.lab.layout import REGISTRY, Lab
from chaosjc.lab.machine.disks import write_atomically

Progress = Callable[[str], None]
SYSCTLS = REGISTRY / "sysctls"
_PACKAGE = Path(__file__).resolve().parent.parent
_ENTRY_POINTS = """\
[neutron.ml2.mechanism_drivers]
chaosjc_lab = chaosjc.lab.openstack.mechanism:LabMechanismDriver
[octavia.api.drivers]
haproxy = chaosjc.lab.openstack.balancing:LabProvider
"""


def up(lab: Lab, progress: Progress, kubernetes: bool = False, binaries: Path | None = None) -> None:
    """Bring the lab up. Raises LabError or CommandError; what was done stays, and the next `up` goes on from there.

    `kubernetes`: the image of its nodes too, which is offered anyway if it is built; `binaries` is for building it.
    """
    if not lab.private.exists():
        _check_host()
    if kubernetes and binaries is None and node.cached(lab.cache) is None:
        _tell_of_room(progress)
    _directories(lab)
    with exclusive(lab):
        ports = registry.claim(lab)
        sysctl.apply(SYSCTLS)
        if kubernetes:
            sysctl.load_bridge_filter(run)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            golden = pool.submit(image.build, image.default_recipe(), lab.cache / "images", progress=progress)
            nodes = pool.submit(_node_image, lab, kubernetes, binaries, progress)
            runtime = environment.ensure(lab.cache, progress)
            secrets = _configure(lab, runtime, ports)
            _start(lab, runtime, ports, secrets, progress)
            images = [built for built in (golden.result(), nodes.result()) if built]
        progress("flavors and images")
        session = users.admin_session(ports, secrets)
        users.ensure_flavors(session)
        for built in images:
            users.ensure_image(session, built.name, built.path, built.digest)


def _node_image(lab: Lab, wanted: bool, binaries: Path | None, progress: Progress) -> image.Image | None:
    return node.build(lab.cache, binaries, run, progress) if wanted else node.cached(lab.cache)


def _check_host() -> None:
    """Before the first act. Raises LabError with all that is missing here."""
    if lacking := host.lacking(host.report()):
        lines = "".join(f"\n  {probe.name}: {probe.found}; {probe.todo}" for probe in lacking)
        raise LabError(f"the lab cannot run on this machine:{lines}")


def _tell_of_room(progress: Progress) -> None:
    """No refusal: the programs may be there already, or can be downloaded."""
    if not (room := host.disk(kubernetes=True)).ok:
        progress(f"{room.name}: {room.found}; {room.todo}")


@contextmanager
def exclusive(lab: Lab) -> Generator[None]:
    """One command at a time changes a lab. Raises LabError if another is at it."""
    with (lab.private / "command.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(f"another command is at work on lab {lab.name}", hint="wait for it to end") from None
        yield


def _directories(lab: Lab) -> None:
    """Others may pass to `public` and see nothing else."""
    for directory in reversed((lab.directory, lab.directory.parent, lab.directory.parent.parent)):
        directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    lab.private.mkdir(mode=0o700, exist_ok=True)
    lab.public.mkdir(mode=0o755, exist_ok=True)
    lab.public.chmod(0o755)
    glance = [lab.private / "glance" / part for part in ("images", "staging", "tasks")]
    machines = [lab.machines / part for part in ("images", "machines", "locks")]
    nova = [lab.private / "nova", lab.private / "neutron"]
    for directory in (lab.etc, lab.logs, lab.run, lab.balancers, *glance, *machines, *nova):
        directory.mkdir(parents=True, exist_ok=True)


def _configure(lab: Lab, runtime: Environment, ports: config.Ports) -> config.Secrets:
    secrets = _secrets(lab)
    for name, text in config.render(lab, ports, secrets).items():
        write_atomically(lab.etc / name, text)
    for name, source in config.PASTE.items():
        write_atomically(lab.etc / name, (runtime.etc / source).read_text())
    for directory in ("fernet", "credential-keys"):
        _keys(lab.private / directory)
    _plugins(lab)
    users.write_clouds(lab, ports, secrets)
    return secrets


def _secrets(lab: Lab) -> config.Secrets:
    file = lab.private / "secrets.json"
    if not file.exists():
        fresh = config.Secrets(*(random.token_urlsafe(18) for _ in range(3)))
        write_atomically(file, json.dumps(asdict(fresh)))
    return config.Secrets(**json.loads(file.read_text()))


def _keys(directory: Path) -> None:
    """Keystone's key repository: 0 is the next key, 1 the one in use."""
    directory.mkdir(mode=0o700, exist_ok=True)
    for name in ("0", "1"):
        if not (directory / name).exists():
            write_atomically(directory / name, base64.urlsafe_b64encode(random.token_bytes(32)).decode())


def _plugins(lab: Lab) -> None:
    """Let OpenStack's interpreter find this package, and nothing else of the environment in which it is installed."""
    shutil.rmtree(lab.plugins, ignore_errors=True)
    metadata = lab.plugins / "chaosjc_lab-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: chaosjc-lab\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(_ENTRY_POINTS)
    (lab.plugins / "chaosjc").symlink_to(_PACKAGE)


def _start(lab: Lab, runtime: Environment, ports: config.Ports, secrets: config.Secrets, progress: Progress) -> None:
    database.ensure(lab, runtime, progress)
    furnished = lab.databases / ".identity"  # gone with the databases
    wishes = f"{config.urls(ports)} {secrets}"
    if not furnished.exists() or furnished.read_text() != wishes:
        progress("users and catalogue")
        users.ensure_identity(lab, runtime, ports, secrets)
        write_atomically(furnished, wishes)
    _load_firewall(lab)
    progress("starting the control plane")
    control.start(lab, runtime, ports)
    control.wait(lab)


def _load_firewall(lab: Lab) -> None:
    """The last security groups, before the first machine boots: until neutron is loaded nothing must stand open."""
    from_last_time = lab.private / "firewall.nft"
    down = all(not control.look(lab, role).alive for role in control.ROLES)
    if from_last_time.exists() and down:
        run(["nft", "-f", str(from_last_time)])
