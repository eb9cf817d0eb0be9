"""What the site itself tells JupyterHub's chart: database, homes, front door, tokens, and what its canary may do.

Values named as zero-to-jupyterhub names them, so that its chart takes them too; those that only chaosjc's own chart
has are given to that one alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from chaosjc.site import cluster
from chaosjc.site.model import MONITOR, SiteFile
from chaosjc.site.roles import database
from chaosjc.site.secrets import Secrets
from chaosjc.site.sections import Hub

OWN_CHART = Path(__file__).resolve().parents[2] / "helm" / "jupytercloud"
USERS = "users"
"""The folder of all homes on the volume; it is there while the volume is mounted, and only then."""

CANARY, PROMETHEUS = "chaosjc-canary", "prometheus"
_SCOPES = ("list:users", "read:users", "servers", "access:servers")

Values = dict[str, Any]


def chart(hub: Hub) -> Path:
    """The chart's directory or archive."""
    return Path(hub.chart) if hub.chart else OWN_CHART


def values(site: SiteFile, hub: Hub, secrets: Secrets, addresses: Mapping[str, str]) -> Values:
    """The site's own, with the file's over them."""
    return merged(_site_values(site, hub, secrets, addresses), hub.values)


def canary_users(site: SiteFile) -> tuple[str, ...]:
    """The synthetic users: one for the ladder, one who logs in, one a worker."""
    return tuple(f"{cluster.CANARY}{each}" for each in ("ladder", "login", *(f"live-{vm}" for vm in site.workers)))


def homes(site: SiteFile, hub: Hub) -> str:
    """The folder of all homes, on a worker."""
    assert site.storage is not None  # noqa: S101 - the file was checked: it has the volume
    return f"{site.storage.volumes[hub.homes].mount}/{USERS}"


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Values:
    """Objects key by key; of anything else the one above."""
    return dict(_merged(below, above))


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in {**below, **above}:
        if key not in above:
            yield key, below[key]
        elif isinstance(above[key], Mapping) and isinstance(below.get(key), Mapping):
            yield key, merged(cast("Values", below[key]), cast("Values", above[key]))
        else:
            yield key, above[key]


def _site_values(site: SiteFile, hub: Hub, secrets: Secrets, addresses: Mapping[str, str]) -> Values:
    host = addresses.get(MONITOR, MONITOR)  # pods do not know the VMs' names
    url = f"postgresql+psycopg2://{database.NAME}@{host}:{database.PORT}/{database.NAME}"
    users = list(canary_users(site))
    found: Values = {
        "hub": {
            "db": {"type": "postgres", "url": url, "password": secrets.database},
            "config": {"JupyterHub": {"load_groups": {"canaries": {"users": users}}}},
            "services": {CANARY: {"apiToken": secrets.canary}, PROMETHEUS: {"apiToken": secrets.hub}},
            "loadRoles": {
                CANARY: {
                    "services": [CANARY],
                    "scopes": [f"{scope}!user={each}" for scope in _SCOPES for each in users],
                },
                PROMETHEUS: {"services": [PROMETHEUS], "scopes": ["read:metrics"]},
            },
        },
        "proxy": {
            "secretToken": secrets.proxy,
            "service": {"type": "NodePort", "nodePorts": {"http": hub.port}},
        },
        "singleuser": {"storage": {"type": "static", "static": {"pvcName": "homes", "subPath": "{username}"}}},
    }
    if not hub.chart:
        found |= {"homes": {"hostPath": homes(site, hub)}, "canary": {"userPrefix": cluster.CANARY}}
    return found
