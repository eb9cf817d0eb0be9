"""The hub as the chart's values describe it. Helm mounts them beside this file as values.json."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

VALUES: dict[str, Any] = json.loads(Path(__file__).with_name("values.json").read_text())

HUB_TRAITS = {
    "base_url": "baseUrl",
    "concurrent_spawn_limit": "concurrentSpawnLimit",
    "active_server_limit": "activeServerLimit",
    "allow_named_servers": "allowNamedServers",
    "named_server_limit_per_user": "namedServerLimitPerUser",
    "authenticate_prometheus": "authenticatePrometheus",
    "redirect_to_server": "redirectToServer",
    "shutdown_on_logout": "shutdownOnLogout",
}
SPAWNER_TRAITS = {
    "cmd": "cmd",
    "default_url": "defaultUrl",
    "uid": "uid",
    "gid": "gid",
    "cpu_limit": "cpu.limit",
    "cpu_guarantee": "cpu.guarantee",
    "mem_limit": "memory.limit",
    "mem_guarantee": "memory.guarantee",
    "image_pull_policy": "image.pullPolicy",
    "start_timeout": "startTimeout",
    "http_timeout": "httpTimeout",
    "delete_grace_period": "deleteGracePeriod",
    "events_enabled": "events",
    "extra_labels": "extraLabels",
    "extra_annotations": "extraAnnotations",
    "node_selector": "nodeSelector",
    "tolerations": "extraTolerations",
}
"""Trait: where its value is, below `hub` and `singleuser`; without a value the trait stays as it is."""

NO_PRIVILEGES = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def find(values: dict[str, Any], path: str) -> Any:
    """The value at a dotted path; None where there is none, since Helm drops what is null."""
    *parents, last = path.split(".")
    for parent in parents:
        values = values.get(parent, {})
    return values.get(last)


def set_traits(section: Any, values: dict[str, Any], traits: dict[str, str]) -> None:
    """Take over what the values name."""
    for trait, path in traits.items():
        value = find(values, path)
        if value is not None:
            section[trait] = value


def derived(purpose: str) -> bytes:
    """32 bytes for one purpose, the same at every start: nothing is kept on a node's disk."""
    return hashlib.sha256(f"{purpose} {VALUES['secrets']['secretToken']}".encode()).digest()


def configure_hub(c: Any) -> None:
    """The hub itself, its proxy, its database and its secrets."""
    set_traits(c.JupyterHub, VALUES["hub"], HUB_TRAITS)
    c.JupyterHub.hub_bind_url = "http://:8081"
    c.JupyterHub.hub_connect_url = "http://hub:8081"
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cookie_secret = bytes.fromhex(VALUES["secrets"]["cookieSecret"])
    c.CryptKeeper.keys = [derived("auth state")]
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.api_url = "http://proxy-api:8001"
    c.ConfigurableHTTPProxy.auth_token = VALUES["secrets"]["secretToken"]
    configure_database(c, VALUES["hub"]["db"])


def configure_database(c: Any, db: dict[str, str]) -> None:
    """Where the hub remembers users, servers and tokens."""
    c.JupyterHub.db_url = db["url"]
    if db["type"] == "postgres":
        os.environ["PGPASSWORD"] = db["password"]


def configure_spawner(c: Any) -> None:
    """One pod a user."""
    user = VALUES["singleuser"]
    c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
    c.Spawner.consecutive_failure_limit = VALUES["hub"]["consecutiveFailureLimit"]
    set_traits(c.KubeSpawner, user, SPAWNER_TRAITS)
    c.KubeSpawner.environment = {name: value for name, value in user["extraEnv"].items() if value is not None}
    c.KubeSpawner.namespace = os.environ["POD_NAMESPACE"]
    c.KubeSpawner.image = f"{user['image']['name']}:{user['image']['tag']}"
    c.KubeSpawner.image_pull_secrets = VALUES["imagePullSecrets"]
    c.KubeSpawner.common_labels = {"app": "jupyterhub", "heritage": "jupyterhub", "release": VALUES["release"]}
    c.KubeSpawner.container_security_context = NO_PRIVILEGES
    c.KubeSpawner.automount_service_account_token = False
    c.KubeSpawner.delete_pvc = False
    if user["storage"]["type"] == "static":
        configure_homes(c, user)


def configure_homes(c: Any, user: dict[str, Any]) -> None:
    """Each pod sees one folder of the shared volume, by the names that zero-to-jupyterhub has for it."""
    storage = user["storage"]
    home = {"name": "home", "mountPath": storage["homeMountPath"], "subPath": storage["static"]["subPath"]}
    c.KubeSpawner.volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": storage["static"]["pvcName"]}}]
    c.KubeSpawner.volume_mounts = [home]
    c.KubeSpawner.working_dir = storage["homeMountPath"]


def configure_services(c: Any) -> None:
    """Those that call the hub's API, and what each may do there."""
    hub = VALUES["hub"]
    c.JupyterHub.services = [service(name, values) for name, values in hub["services"].items()]
    c.JupyterHub.load_roles = [{"name": name, **role} for name, role in hub["loadRoles"].items()]
    if VALUES["cull"]["enabled"]:
        configure_culler(c, VALUES["cull"])


def service(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """As JupyterHub.services wants it."""
    rest = {key: value for key, value in values.items() if key != "apiToken"}
    return {"name": name, **rest, **({"api_token": values["apiToken"]} if "apiToken" in values else {})}


def configure_culler(c: Any, cull: dict[str, Any]) -> None:
    """End servers that nobody uses."""
    name = "jupyterhub-idle-culler"
    switches = {"--cull-users": cull["users"], "--remove-named-servers": cull["removeNamedServers"]}
    command = [
        "python3",
        "-m",
        "jupyterhub_idle_culler",
        f"--url=http://localhost:8081{VALUES['hub']['baseUrl']}hub/api",
        f"--timeout={cull['timeout']}",
        f"--cull-every={cull['every']}",
        f"--concurrency={cull['concurrency']}",
        f"--max-age={cull['maxAge']}",
        f"--cull-admin-users={str(cull['adminUsers']).lower()}",
        *(switch for switch, on in switches.items() if on),
    ]
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    if cull["users"]:
        scopes.append("admin:users")
    c.JupyterHub.services.append({"name": name, "command": command})
    c.JupyterHub.load_roles.append({"name": name, "services": [name], "scopes": scopes})


def configure_rest(c: Any) -> None:
    """Traits by class, which the deployer knows better."""
    for name, traits in VALUES["hub"]["config"].items():
        for trait, value in traits.items():
            c[name][trait] = value


c = get_config()  # noqa: F821 - JupyterHub hands it in
configure_hub(c)
configure_spawner(c)
configure_services(c)
configure_rest(c)
# At the top, as in zero-to-jupyterhub: each sees `c`, and what those before it made
for _, code in sorted(VALUES["hub"]["extraConfig"].items()):
    exec(code)  # noqa: S102 - the deployer's own
