"""GlusterFS: data disks and glusterd on the VMs that carry bricks, mounts on their clients."""

from __future__ import annotations

import uuid

from chaosjc.site.model import Machine, SiteFile
from chaosjc.site.roles import Contents, File, Surroundings, Unit
from chaosjc.site.sections import Storage

GLUSTERD = "glusterd.service"
OPERATING_VERSION = 100000  # GlusterFS 10: what its whole pool can do
_JOIN, _POOL = "/usr/local/sbin/chaosjc-join", "/etc/glusterfs/chaosjc-pool"
_DEVICES = "bcdefghijklmnopqrstuvwxyz"
_NAMESPACE = uuid.UUID("6f5f9d3c-5f0f-4d0a-9d55-0c1f5b0d2b53")


def contents(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """Both parts."""
    return bricks(site, machine, around) + mounts(site, machine, around)


def bricks(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """Data disks, wherever there are any, and glusterd on the VMs that carry bricks."""
    del around
    found = _disks(machine)
    if site.storage and machine.role == site.storage.role:
        files = (
            _unit_file(GLUSTERD, _glusterd(machine)),
            File(_JOIN, _JOIN_SCRIPT, mode="0755", live=True),
            File(_POOL, _pool(site, machine), live=True, restarts=GLUSTERD),
        )
        found += Contents(files, (Unit(GLUSTERD),))
    return found


def mounts(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """Every volume on every client."""
    del around
    if site.storage and machine.role in site.storage.clients:
        return _client(site, site.storage)
    return Contents()


def peer_id(site: SiteFile, vm: str) -> str:
    """The UUID by which GlusterFS knows a VM: of its name, so that its successor is the same peer."""
    return str(uuid.uuid5(_NAMESPACE, f"{site.name}/{vm}"))


def mount_unit(volume: str) -> str:
    """The unit that mounts a volume on its clients."""
    return f"gluster-{volume}.service"


def _disks(machine: Machine) -> Contents:
    """Nova hands them out as vdb, vdc, … in the order in which they were asked for."""
    found = Contents()
    for letter, where in zip(_DEVICES, machine.spec.disks, strict=False):
        name = _disk_unit(where)
        file = File(f"/etc/systemd/system/{name}", _disk(f"/dev/vd{letter}", where))
        found += Contents((file,), (Unit(name),))
    return found


def _disk_unit(where: str) -> str:
    """As systemd-escape --path says it."""
    return where.strip("/").replace("-", r"\x2d").replace("/", "-") + ".mount"


def _unit_file(name: str, text: str) -> File:
    return File(f"/etc/systemd/system/{name}", text, live=True, restarts=name)


def _disk(device: str, where: str) -> str:
    return f"""\
[Unit]
Description=Data disk {where}
[Mount]
What={device}
Where={where}
Type=ext4
Options=noatime
[Install]
WantedBy=multi-user.target
"""


def _pool(site: SiteFile, machine: Machine) -> str:
    """Who this machine is, who the others are, and where its bricks lie; see _JOIN_SCRIPT."""
    assert site.storage is not None  # noqa: S101 - else there are no bricks
    peers = [each.name for each in site.machines if each.role == site.storage.role and each.name != machine.name]
    volumes = [each for each in site.storage.volumes if machine.name in sum(site.replica_sets(each), ())]
    lines = [
        f"self {peer_id(site, machine.name)}",
        *(f"peer {peer_id(site, each)} {each}" for each in peers),
        *(f"brick {site.brick_path(each)}" for each in volumes),
    ]
    return "\n".join(lines) + "\n"


_JOIN_SCRIPT = f"""\
#!/bin/sh
# Before glusterd starts: what it does not know yet of its pool. A machine that takes a lost one's place has its
# identity, so that the others take it in, give it the volumes, and their bricks can be reset. A brick's directory must
# be there by then. An empty one is not served, since it does not carry the volume's id, and the mark beside it says
# that it is empty even after somebody's `volume start force` has given it one.
set -eu
cd /var/lib/glusterd
mkdir -p peers
while read -r what where name; do
    case $what in
    self)
        test -s glusterd.info || printf 'UUID=%s\\noperating-version={OPERATING_VERSION}\\n' "$where" > glusterd.info ;;
    peer)
        test -s "peers/$where" || printf 'uuid=%s\\nstate=3\\nhostname1=%s\\n' "$where" "$name" > "peers/$where" ;;
    brick)
        test -d "$where" || : > "${{where%/*}}/.${{where##*/}}.rebuilding"
        mkdir -p "$where" ;;
    esac
done < {_POOL}
"""


def _glusterd(machine: Machine) -> str:
    """Bricks are its children, and must outlive its restart. Without its data disks it does not start: no brick may
    ever write to the root disk.
    """
    return f"""\
[Unit]
Description=GlusterFS: pool, volumes and bricks of this machine
RequiresMountsFor={" ".join(machine.spec.disks)}
After=network.target
StartLimitIntervalSec=0
[Service]
Type=forking
PIDFile=/run/glusterd.pid
LimitNOFILE=65536
ExecStartPre={_JOIN}
ExecStart=/usr/sbin/glusterd -p /run/glusterd.pid
KillMode=process
SuccessExitStatus=15
TimeoutSec=60
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
"""


def _client(site: SiteFile, storage: Storage) -> Contents:
    bricks = [each.name for each in site.machines if each.role == storage.role]
    found = Contents()
    for name, volume in storage.volumes.items():
        unit = mount_unit(name)
        found += Contents((_unit_file(unit, _mount(name, volume.mount, bricks)),), (Unit(unit, patient=True),))
    return found


def _mount(volume: str, where: str, bricks: list[str]) -> str:
    """glusterfs returns once the volume is mounted, or fails. A mount whose process died answers "Transport endpoint is
    not connected" for ever, and so is taken away before the next try, also lazily where somebody still stands in it.
    """
    servers = " ".join(f"--volfile-server={each}" for each in bricks)
    pid = f"/run/gluster-{volume}.pid"
    return f"""\
[Unit]
Description=GlusterFS volume {volume} on {where}
After=network.target
StartLimitIntervalSec=0
[Service]
Type=forking
PIDFile={pid}
ExecStartPre=-/bin/umount --quiet --lazy {where}
ExecStartPre=/bin/mkdir -p {where}
ExecStart=/usr/sbin/glusterfs --process-name=fuse {servers} --volfile-id=/{volume} --pid-file={pid} \\
  --log-file=/var/log/glusterfs/{volume}.log {where}
ExecStartPost=/bin/mountpoint --quiet {where}
ExecStopPost=-/bin/umount --quiet --lazy {where}
TimeoutStartSec=60
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
"""
