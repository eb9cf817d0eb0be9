"""etcd's snapshots on the monitor VM: what a lost control plane is made from again.

The monitor takes them itself, over TLS and with a key that stage cluster gives it, so that nothing of them is on the
VM that may be lost.
"""

from __future__ import annotations

from chaosjc import names
from chaosjc.site.model import MONITOR, Machine, SiteFile
from chaosjc.site.roles import Contents, File, Surroundings, Unit
from chaosjc.spec.scalars import format_duration

KEYS = "/etc/etcd-backup"
"""ca.crt, client.crt and client.key, as the control plane's etcd knows them."""

LATEST = "/var/lib/etcd-backup/latest.db"
PORT = 2379
SERVICE = "etcd-backup.service"
_TIMER = "etcd-backup.timer"

ETCD, DATABASE = "etcd", "hub database"
"""What there are backups of, as metrics and alerts call it."""

TEXTFILES = "/var/lib/node-metrics"
"""What the node exporter of a VM that takes backups hands on."""

_SNAPSHOTS = "Snapshots of the cluster's etcd"
_TRIES, _TAKES = 3, 60.0  # so many in a row may fail; seconds that one may take, with the scrape that sees it


def tolerated(site: SiteFile) -> dict[str, float]:
    """Seconds that the newest backup of each thing may be old, by thing."""
    cluster = site.kubernetes
    if cluster is None or not cluster.backup:
        return {}
    limit = _TRIES * cluster.backup + _TAKES
    return dict.fromkeys((ETCD, DATABASE) if site.hub and site.storage else (ETCD,), limit)


def told(what: str) -> str:
    """The command, a line of a unit, that tells Prometheus of a backup that was just taken."""
    file = f"{TEXTFILES}/backup-{what.replace(' ', '-')}.prom"
    line = f'{names.BACKUP_TIME.name}{{of=\\"{what}\\"}} %%s'
    return f"/bin/sh -ec \"mkdir -p {TEXTFILES}; date '+{line}' > {file}.new; mv {file}.new {file}\""


def timer(what: str, every: float) -> str:
    """The timer of a service that takes backups."""
    return f"""\
[Unit]
Description={what}
[Timer]
OnActiveSec=5s
OnUnitInactiveSec={format_duration(every)}
AccuracySec=1s
[Install]
WantedBy=multi-user.target
"""


def contents(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """On the monitor VM of a site with a cluster."""
    del around
    cluster = site.kubernetes
    if cluster is None or not cluster.backup or machine.role != MONITOR:
        return Contents()
    files = (
        File(f"/etc/systemd/system/{SERVICE}", _service(site.control_plane), live=True),
        File(f"/etc/systemd/system/{_TIMER}", timer(_SNAPSHOTS, cluster.backup), live=True, restarts=_TIMER),
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
ExecStart={told(ETCD)}
TimeoutStartSec=30
"""
