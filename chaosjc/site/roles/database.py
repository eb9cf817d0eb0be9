"""The hub's database: PostgreSQL on the monitor VM, off the cluster that is to be broken.

A hub whose pod moves finds its users and servers again; SQLite on the homes' volume would not be safe. Its one
account is made by stage hub, which keeps the password; the VM only ever sees what verifies it.
"""

from __future__ import annotations

from chaosjc.site.model import MONITOR, Machine, SiteFile
from chaosjc.site.roles import Contents, File, Surroundings, Unit

DATABASE = "hub-database.service"
PORT = 5432
NAME = "hub"
"""Of the database and of its owner."""

_ACCESS = "/etc/hub-database/pg_hba.conf"
_PROGRAMS = "/usr/lib/postgresql/15/bin"
_DATA = "/var/lib/hub-database/15"


def contents(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """On the monitor VM of a site with a hub."""
    del around
    if site.hub is None or machine.role != MONITOR:
        return Contents()
    files = (
        File(f"/etc/systemd/system/{DATABASE}", _unit(), restarts=DATABASE),
        File(_ACCESS, _access(site), reloads=DATABASE),
    )
    return Contents(files, (Unit(DATABASE),))


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
