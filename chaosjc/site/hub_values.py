"""What the site itself tells JupyterHub's chart: database, homes, front door, tokens, and what its canary may do.

Values named as zero-to-jupyterhub names them, and given to every chart alike: what chaosjc needs of a hub is here, and
not in its own chart.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from importlib import resources
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

CLAIM = "homes"
"""Of the users' homes, in the hub's namespace. The site makes it, and the volume behind it: no chart does."""
SNIPPET = "zz-chaosjc"
"""Among the names of `hub.extraConfig`, which are executed in their order: the last, to see what others have set."""

CANARY, PROMETHEUS = "chaosjc-canary", "prometheus"
_SCOPES = ("list:users", "read:users", "servers", "access:servers")

# The hub waits for its database and does nothing else meanwhile: a host that has vanished must not cost the kernel's
# quarter of an hour.
_DATABASE = {"connect_args": {"connect_timeout": 5, "tcp_user_timeout": 10_000}}
# SQLite on a network file system hangs the kernel with a brick: what has a database, or dies with the pod, is in /tmp.
_TMP = "/tmp"  # noqa: S108 - the pod's, which is one user's
_ENVIRONMENT = {
    "IPYTHONDIR": f"{_TMP}/ipython",
    "JUPYTER_DATA_DIR": f"{_TMP}/jupyter/data",
    "JUPYTER_RUNTIME_DIR": f"{_TMP}/jupyter/runtime",
    "JUPYTERLAB_WORKSPACES_DIR": f"{_TMP}/jupyter/workspaces",
}
_CAPACITY = "1Ti"  # what volume and claim say, and nobody enforces

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


def homes_manifest(site: SiteFile, hub: Hub) -> str:
    """Text for `kubectl apply`: the claim of the homes, the volume behind it, the namespace that it is in.

    They are no part of the release: homes outlive hubs, and a claim in use could not be made again beside its own end.
    The folder must exist on the shared volume alone, not below its mount point on the node's own disk: no pod starts
    then while the volume is not mounted.
    """
    volume = f"{CLAIM}-{hub.namespace}"
    size = {"storage": _CAPACITY}
    common: Values = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": CLAIM, "namespace": hub.namespace}
    items: list[Values] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": hub.namespace}},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume},
            "spec": {
                **common,
                "capacity": size,
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": claim,
                "hostPath": {"path": homes(site, hub), "type": "Directory"},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM, "namespace": hub.namespace},
            "spec": {**common, "volumeName": volume, "resources": {"requests": size}},
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Values:
    """Objects key by key; of anything else the one above. Nothing above takes away what is below."""
    return dict(_merged(below, above))


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in {**below, **above}:
        if key not in above:
            yield key, below[key]
        elif above[key] is None and key in below:
            continue
        elif isinstance(above[key], Mapping) and isinstance(below.get(key), Mapping):
            yield key, merged(cast("Values", below[key]), cast("Values", above[key]))
        else:
            yield key, above[key]


def _site_values(site: SiteFile, hub: Hub, secrets: Secrets, addresses: Mapping[str, str]) -> Values:
    host = addresses.get(MONITOR, MONITOR)  # pods do not know the VMs' names
    url = f"postgresql+psycopg2://{database.NAME}@{host}:{database.PORT}/{database.NAME}"
    users = list(canary_users(site))
    return {
        "hub": {
            "db": {"type": "postgres", "url": url, "password": secrets.database},
            "config": {
                "JupyterHub": {
                    "load_groups": {"canaries": {"users": users}},
                    **({"db_kwargs": _DATABASE} if _in_our_database(hub) else {}),
                }
            },
            "extraConfig": {SNIPPET: _snippet()},
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
        "singleuser": {
            "extraEnv": _ENVIRONMENT,
            "storage": {"type": "static", "static": {"pvcName": CLAIM, "subPath": "{username}"}},
        },
    }


def _in_our_database(hub: Hub) -> bool:
    """Whether neither values nor secrets name another, whose driver may not take what ours takes."""
    said: object = hub.values.get("hub")
    return not (isinstance(said, Mapping) and "db" in said) and not any(
        each.startswith("hub.db") for each in hub.secrets
    )


@functools.cache
def _snippet() -> str:
    program = resources.files("chaosjc.site").joinpath("hub_extra.py").read_text(encoding="utf-8")
    return f"{program}\n\nown_homes(c, {CLAIM!r})\nplace_canaries(c, {cluster.CANARY!r})\n"
