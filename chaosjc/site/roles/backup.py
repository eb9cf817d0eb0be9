"""etcd's snapshots on the monitor VM: what a lost control plane is made from again.

The monitor takes them itself, over TLS and with a key that stage cluster gives it, so that nothing of them is on the
VM that may be lost.
"""

from __future__ import annotations

from chaosjc.site.model import MONITOR, Machine, SiteFile
from chaosjc.site.roles import Contents, File, Surroundings, Unit
from chaosjc.spec.scalars import format_duration

KEYS = "/etc/etcd-backup"
"""ca.crt, client.crt and client.key, as the control plane's etcd knows them."""

LATEST = "/var/lib/etcd-backup/latest.db"
PORT = 2379
_SERVICE, _TIMER = "etcd-backup.service", "etcd-backup.timer"


def contents(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """On the monitor VM of a site with a cluster."""
    del around
    cluster = site.kubernetes
    if cluster is None or not cluster.backup or machine.role != MONITOR:
        return Contents()
    files = (
        File(f"/etc/systemd/system/{_SERVICE}", _service(site.control_plane), live=True),
        File(f"/etc/systemd/system/{_TIMER}", _timer(format_duration(cluster.backup)), live=True, restarts=_TIMER),
    )
    return Contents(files, (Unit(_TIMER),))


def _service(master: str) -> str:
    """The one before stays: a snapshot of a cluster that somebody has just emptied is a good snapshot too."""
    keys = f"--cacert={KEYS}/ca.crt --cert={KEYS}/client.crt --key={KEYS}/client.key"
    save = f"etcdctl --endpoints=https://{master}:{PORT} {keys} --command-timeout=10s snapshot save new.db"
    return f"""\
[Unit]
Description=A snapshot of the cluster's etcd
ConditionPathExists={KEYS}/client.key
[Service]
Type=oneshot
StateDirectory=etcd-backup
StateDirectoryMode=0700
WorkingDirectory=/var/lib/etcd-backup
ExecStart=/usr/bin/{save}
ExecStart=/bin/sh -c 'test ! -e latest.db || mv latest.db previous.db; mv new.db latest.db'
TimeoutStartSec=30
"""


def _timer(every: str) -> str:
    return f"""\
[Unit]
Description=Snapshots of the cluster's etcd
[Timer]
OnActiveSec=5s
OnUnitInactiveSec={every}
AccuracySec=1s
[Install]
WantedBy=multi-user.target
"""
