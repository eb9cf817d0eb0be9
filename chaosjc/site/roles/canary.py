"""The canaries: the exporter of GlusterFS on the VMs that carry bricks, one synthetic user a volume on its clients, and
those of JupyterHub on the monitor VM.

They are modules of chaosjc itself, put on the VM as they are, and run with Debian's Python and prometheus-client.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from importlib import resources
from typing import cast

from chaosjc.site import cluster
from chaosjc.site.model import MONITOR, Machine, SiteFile
from chaosjc.site.roles import Contents, File, Surroundings, Unit
from chaosjc.site.sections import FRONT, Hub, Storage

GLUSTER_PORT = 9810
STORAGE_PORT = 9811
"""The first volume's; the others count up from it."""
HUB_PORT = 9820

_COMMON = ("__init__", "canary/__init__", "canary/__main__", "canary/web", "errors", "names")
MODULES = {
    "gluster": (
        *_COMMON,
        *(f"canary/{each}" for each in ("brick", "files", "gluster", "glusterd", "replica", "watch")),
        *("clock", "drivers/__init__", "drivers/command", "drivers/gluster_values", "drivers/gluster_xml"),
    ),
    "storage": (
        *_COMMON,
        *(f"canary/{each}" for each in ("asking", "audit", "children", "files", "grid", "ledger", "series", "stalls")),
        *(f"canary/{each}" for each in ("storage", "storage_config", "storage_metrics")),
    ),
    "hub": (
        *_COMMON,
        *(f"canary/{each}" for each in ("grid", "outages", "series", "stalls", "hub", "hub_api", "hub_channels")),
        *(f"canary/hub_{each}" for each in ("config", "figures", "http", "kernel", "ladder", "life", "live", "pace")),
        *(f"canary/hub_{each}" for each in ("probe", "tally")),
    ),
}
"""What each canary imports, all of it and no more; a test holds it against the imports."""

TARGET = "chaosjc-canary.target"
GLUSTER = "chaosjc-canary-gluster.service"
HUB = "chaosjc-canary-hub.service"
_SEEN = 5.0  # seconds, beyond the time between two scrapes, that a long wait is told of: one scrape is sure to see it
LAST_ACTIVITY_INTERVAL = 60.0  # seconds: chaosjc's own chart sets it, and zero-to-jupyterhub; JupyterHub itself has 300
_CODE = "/usr/lib/chaosjc"
_CONFIG = "/etc/chaosjc"
HUB_TOKEN = f"{_CONFIG}/canary-hub.token"
HUB_PASSWORD = f"{_CONFIG}/canary-hub.password"
"""Given to the monitor VM by stage hub; they are in no user data."""


def contents(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """All of it may change while the VM lives, and restarts what it concerns."""
    del around
    if site.storage is None:
        return Contents()
    kinds: dict[str, Contents] = {}
    bricks = bricks_of(site, machine.name)
    if bricks:
        kinds["gluster"] = _service(GLUSTER, _gluster_unit(), "canary-gluster", _gluster_config(machine, bricks))
    if machine.role in site.storage.clients:
        kinds["storage"] = _users(site, site.storage, machine)
    return _code(kinds) + sum(kinds.values(), Contents()) if kinds else Contents()


def hub_contents(site: SiteFile, machine: Machine, around: Surroundings) -> Contents:
    """The hub's synthetic users, outside the cluster that is to be broken; for a hub that is there."""
    del around
    if site.hub is None or machine.role != MONITOR:
        return Contents()
    return _code({"hub"}) + _service(HUB, _hub_unit(), "canary-hub", _hub_config(site, site.hub))


def storage_unit(volume: str) -> str:
    """The unit of a volume's synthetic user."""
    return f"chaosjc-canary-storage-{volume}.service"


def storage_ports(storage: Storage) -> dict[str, int]:
    """The port of each volume's synthetic user, on every client."""
    return {name: STORAGE_PORT + index for index, name in enumerate(storage.volumes)}


def bricks_of(site: SiteFile, vm: str) -> dict[str, str]:
    """The path of a VM's brick by volume; empty where it carries none."""
    assert site.storage is not None  # noqa: S101 - asked of sites with storage alone
    return {
        name: site.brick_path(name)
        for name in site.storage.volumes
        if any(vm in each for each in site.replica_sets(name))
    }


def _users(site: SiteFile, storage: Storage, machine: Machine) -> Contents:
    found = Contents()
    for name in storage.volumes:
        config = _storage_config(site, storage, machine.name, name)
        found += _service(storage_unit(name), _storage_unit(name), f"canary-storage-{name}", config)
    return found


def _code(kinds: Collection[str]) -> Contents:
    package = resources.files("chaosjc")
    files = tuple(
        File(f"{_CODE}/chaosjc/{each}.py", (package / f"{each}.py").read_text("utf-8"), live=True, restarts=TARGET)
        for each in sorted({module for kind in kinds for module in MODULES[kind]})
    )
    return Contents((*files, _unit_file(TARGET, _target())), (Unit(TARGET),))


def _service(name: str, unit: str, config: str, values: dict[str, object]) -> Contents:
    text = json.dumps(values, indent=1) + "\n"
    file = File(f"{_CONFIG}/{config}.json", text, live=True, restarts=name)
    return Contents((_unit_file(name, unit), file), (Unit(name, patient=True),))


def _unit_file(name: str, text: str) -> File:
    return File(f"/etc/systemd/system/{name}", text, live=True, restarts=name)


def _gluster_config(machine: Machine, bricks: dict[str, str]) -> dict[str, object]:
    return {"vm": machine.name, "listen": GLUSTER_PORT, "every": 1.0, "bricks": bricks}


def _storage_config(site: SiteFile, storage: Storage, vm: str, volume: str) -> dict[str, object]:
    port, pace = storage_ports(storage)[volume], storage.canary_of(volume)
    clients = [each.name for each in site.machines if each.role in storage.clients]
    return {
        "volume": volume,
        "mount": storage.volumes[volume].mount,
        "vm": vm,
        "listen": port,
        "every": pace.every,
        "keep": pace.keep,
        "audit": pace.audit,
        "recent": site.monitoring.scrape_interval + _SEEN,
        "peers": {each: f"http://{each}:{port}" for each in clients if each != vm},
        "sets": [
            {brick: f"http://{brick}:{GLUSTER_PORT}" for brick in replicas} for replicas in site.replica_sets(volume)
        ],
    }


def _hub_config(site: SiteFile, hub: Hub) -> dict[str, object]:
    """Every worker is a way in by its NodePort, and has a live server; the balancer is where people come in."""
    workers, path = site.workers, hub.base_path.rstrip("/")
    entries = {each: f"http://{each}:{hub.port}{path}" for each in workers}
    if site.lbaas:
        entries[FRONT] = f"http://{FRONT}:{site.lbaas.listen}{path}"
    login: object = {"user": f"{cluster.CANARY}login", "password_file": HUB_PASSWORD}
    return {
        "entries": entries,
        "front": hub.canary.front or (FRONT if site.lbaas else workers[0]),
        "token_file": HUB_TOKEN,
        "listen": HUB_PORT,
        "workers": list(workers),
        "login": login if hub.canary.password else "page",
        "every": {"ladder": hub.canary.ladder},
        "last_activity_interval": _last_activity_interval(hub),
    }


def _last_activity_interval(hub: Hub) -> float:
    """What the file says, else what the chart does: the hub tells it nobody."""
    said: object = hub.values
    for key in ("hub", "config", "JupyterHub", "last_activity_interval"):
        said = cast("dict[str, object]", said).get(key) if isinstance(said, dict) else None
    return float(said) if isinstance(said, int | float) else LAST_ACTIVITY_INTERVAL


def _target() -> str:
    return """\
[Unit]
Description=The canaries of chaosjc on this machine
[Install]
WantedBy=multi-user.target
"""


def _gluster_unit() -> str:
    """Root without most of its powers: it reads files of all users on the brick and their trusted attributes, and the
    heal tool opens a privileged port.
    """
    powers = "CAP_DAC_READ_SEARCH CAP_SYS_ADMIN CAP_NET_BIND_SERVICE"
    more = f"CapabilityBoundingSet={powers}\nRuntimeDirectory=chaosjc-canary-gluster\nMemoryMax=256M"
    return _unit("What the bricks of this machine say", f"gluster --config {_CONFIG}/canary-gluster.json", more)


def _storage_unit(volume: str) -> str:
    """Root without any of its powers: it owns its directory on the volume, and writes nowhere else."""
    arguments = f"storage --config {_CONFIG}/canary-storage-{volume}.json"
    more = "CapabilityBoundingSet=\nStateDirectory=chaosjc\nMemoryMax=1G"
    return _unit(f"A synthetic user of volume {volume}", arguments, more)


def _hub_unit() -> str:
    """Root without any of its powers: it reads its token, and asks over the network.

    A deploy puts the token there once it has a hub. A program that ends without it, and is started again each second,
    takes a quarter of a processor from the rest of that deploy.
    """
    more = "CapabilityBoundingSet=\nMemoryMax=512M"
    return _unit("Synthetic users of the hub", f"hub --config {_CONFIG}/canary-hub.json", more, awaited=HUB_TOKEN)


def _unit(description: str, arguments: str, more: str, *, awaited: str = "") -> str:
    """Ahead of others for the processor: a canary that starves tells of its own hunger, not of the storage's.

    It waits for neither glusterd nor mount: that they are not there is what it has to tell. `awaited` is a file that
    it has to have.
    """
    program = f"/usr/bin/python3 -m chaosjc.canary {arguments}"
    start = f"/bin/sh -c 'until test -s {awaited}; do sleep 0.5; done; exec {program}'" if awaited else program
    return f"""\
[Unit]
Description={description}
After=network.target
PartOf={TARGET}
StartLimitIntervalSec=0
[Service]
ExecStart={start}
Environment=PYTHONPATH={_CODE} PYTHONDONTWRITEBYTECODE=1
NoNewPrivileges=true
{more}
CPUWeight=1000
LimitNOFILE=4096
TimeoutStopSec=8
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
"""
