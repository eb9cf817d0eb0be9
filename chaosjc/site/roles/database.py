"""The hub's database: PostgreSQL on the monitor VM, off the cluster that is to be broken.

A hub whose pod moves finds its users and servers again; SQLite on the homes' volume would not be safe. Its one
account is made by stage hub, which keeps the password; the VM only ever sees what verifies it.

The first worker dumps it onto the homes' volume, with the hub's own account: so that a lost monitor VM, or a lost
worker, or a lost brick, is none of the dump.
"""

from __future__ import annotations

from chaosjc.site.model import MONITOR, Machine, SiteFile
from chaosjc.site.roles import Contents, File, Surroundings, Unit, backup
from chaosjc.site.sections import Hub

DATABASE = "hub-database.service"
PORT = 5432
NAME = "hub"
"""Of the database and of its owner."""

PASSWORD = "/etc/hub-dump/password"  # noqa: S105 - where it lies
"""On the first worker: a line as libpq reads it. Stage database gives it."""
DUMP = "hub-dump.service"
_TIMER = "hub-dump.timer"

_ACCESS = "/etc/hub-database/pg_hba.conf"
_PROGRAMS = "/usr/lib/postgresql/15/bin"
_DATA = "/var/lib/hub-database/15"


def contents(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """The server on the monitor VM of a site with a hub, dumps on its first worker."""
    del around
    if site.hub is None:
        return Contents()
    if machine.name in site.workers[:1] and backup.DATABASE in backup.tolerated(site):
        return _dumps(site, site.hub)
    if machine.role != MONITOR:
        return Contents()
    files = (
        File(f"/etc/systemd/system/{DATABASE}", _unit(), restarts=DATABASE),
        File(_ACCESS, _access(site), reloads=DATABASE),
    )
    return Contents(files, (Unit(DATABASE),))


def latest(site: SiteFile, hub: Hub) -> str:
    """The newest dump, on any worker: SQL, compressed by gzip."""
    return f"{_place(site, hub)}/latest.sql.gz"


def password(secret: str) -> str:
    """What the first worker needs to take dumps."""
    return f"{MONITOR}:{PORT}:{NAME}:{NAME}:{secret}\n"


def _place(site: SiteFile, hub: Hub) -> str:
    """Beside the folder of all homes: nobody's pod sees it."""
    return f"{_mount(site, hub)}/hub-database"


def _mount(site: SiteFile, hub: Hub) -> str:
    assert site.storage is not None  # noqa: S101 - the file was checked: it has the volume
    return site.storage.volumes[hub.homes].mount


def _dumps(site: SiteFile, hub: Hub) -> Contents:
    assert site.kubernetes is not None  # noqa: S101 - the file was checked: the hub runs on it
    timer = backup.timer("Dumps of the hub's database", site.kubernetes.backup)
    files = (
        File(f"/etc/systemd/system/{DUMP}", _dump(site, hub), live=True),
        File(f"/etc/systemd/system/{_TIMER}", timer, live=True, restarts=_TIMER),
    )
    return Contents(files, (Unit(_TIMER),))


def _dump(site: SiteFile, hub: Hub) -> str:
    """Whole or not there; the one before stays, as of etcd. Without the mount it would fill the root disk."""
    place, mount = _place(site, hub), _mount(site, hub)
    connect = f"--host={MONITOR} --port={PORT} --username={NAME} --no-password"
    dump = f"{_PROGRAMS}/pg_dump {connect} --no-owner --no-acl --compress=6 --file={place}/new.sql.gz {NAME}"
    rotate = "test ! -e latest.sql.gz || mv latest.sql.gz previous.sql.gz; mv new.sql.gz latest.sql.gz"
    return f"""\
[Unit]
Description=A dump of the hub's database
ConditionPathExists={PASSWORD}
ConditionPathIsMountPoint={mount}
[Service]
Type=oneshot
Environment=PGPASSFILE={PASSWORD} PGCONNECT_TIMEOUT=5
ExecStart=/usr/bin/install -d -m 0700 {place}
ExecStart={dump}
ExecStart=/bin/sh -ec 'cd {place}; sync new.sql.gz; {rotate}'
ExecStart={backup.told(backup.DATABASE)}
TimeoutStartSec=30
"""


def _access(site: SiteFile) -> str:
    """Its administrator from the VM itself, the hub from the site's network."""
    return f"""\
local all  postgres peer
host  {NAME}  {NAME} {site.network.cidr} scram-sha-256
"""


def _unit() -> str:
    """`initdb` is whole or not there: it makes its directory under another name first."""
    new = f"{_DATA}.new"
    initdb = f"{_PROGRAMS}/initdb --auth=reject --encoding=UTF8 --locale=C.UTF-8 --no-sync {new}"
    once = f"test -d {_DATA} || {{ rm -rf {new}; {initdb}; sync; mv {new} {_DATA}; }}"
    return f"""\
[Unit]
Description=The hub's database
After=network.target
[Service]
Type=notify
User=postgres
StateDirectory=hub-database
RuntimeDirectory=postgresql
ExecStartPre=/bin/sh -ec '{once}'
ExecStart={_PROGRAMS}/postgres -D {_DATA} -c hba_file={_ACCESS} -c listen_addresses=* -c port={PORT} \\
  -c unix_socket_directories=/run/postgresql -c max_connections=50 -c shared_buffers=32MB
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
KillSignal=SIGINT
TimeoutStartSec=60
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
"""
