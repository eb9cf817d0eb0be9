"""What the site itself adds to the hub's configuration, as `hub.extraConfig`: the same for every chart.

The hub has this file's text, and Python's standard library. It is executed among the names of the chart's own file and
of the deployer's snippets, which must go on meaning what they did: none of them is likely to be one of these.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, cast

# The kubelet makes a home that is missing, as root's and with the mode of its parent. Owner last: a try that was cut
# short is made again. Parentheses, since KubeSpawner would expand braces, as in {username}.
OWN_HOME = 'test "$(stat -c %u "$1")" = "$2" || (chmod 0700 "$1" && chown "$2:$3" "$1")'
WHERE = {"name": "CHAOSJC_NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
JOVYAN = 1000  # whom Jupyter's images run as, where the configuration does not say


def own_homes(c: Any, claim: str) -> None:
    """Give each home on the site's own claim to its user, before anything of his runs."""
    spawner = c.KubeSpawner
    home = home_mount(spawner, claim)
    if home is None:
        return
    uid = spawner.get("uid") or JOVYAN
    gid = spawner.get("gid") or spawner.get("fs_gid") or uid
    policy = spawner.get("image_pull_policy")
    container = {
        "name": "own-home",
        "image": spawner.get("image"),
        **({"imagePullPolicy": policy} if policy else {}),
        "command": ["sh", "-c", OWN_HOME, "sh", home["mountPath"], str(uid), str(gid)],
        "securityContext": {
            "runAsUser": 0,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]},
        },
        "volumeMounts": [home],
    }
    if isinstance(spawner.get("init_containers"), Mapping):
        spawner.init_containers = all_of(spawner.init_containers)
    spawner.init_containers.insert(0, container)


def home_mount(spawner: Any, claim: str) -> dict[str, Any] | None:
    """The mount of a folder that is each user's own; None where homes are elsewhere."""
    volumes = [each for each in all_of(spawner.get("volumes")) if claim_of(each) == claim]
    names = {each["name"] for each in volumes}
    mounts = [each for each in all_of(spawner.get("volume_mounts")) if each["name"] in names]
    return next((each for each in mounts if "{" in (each.get("subPath") or "")), None)


def claim_of(volume: dict[str, Any]) -> str:
    """Its name; empty where the volume is of another kind."""
    claim: dict[str, str] = volume.get("persistentVolumeClaim") or {}
    return claim.get("claimName", "")


def all_of(listed: Any) -> list[Any]:
    """KubeSpawner takes lists, and mappings in the order of their keys."""
    if isinstance(listed, Mapping):
        named = cast("Mapping[str, Any]", listed)
        return [named[key] for key in sorted(named)]
    return list(listed or ())


def place_canaries(c: Any, prefix: str) -> None:
    """Put a canary's server on the node that it asks for, and tell it where it is; people's go where they will.

    One that asks for no node is somebody's who starts and stops it: after a reboot of its node it stays stopped.
    """
    before = c.KubeSpawner.get("modify_pod_hook")

    async def place(spawner: Any, pod: Any) -> Any:
        if before:
            pod = before(spawner, pod)
            pod = await pod if inspect.isawaitable(pod) else pod
        if not spawner.user.name.startswith(prefix):
            return pod
        notebook = pod.spec.containers[0]
        notebook.env = [*(notebook.env or []), WHERE]
        asked: dict[str, Any] = spawner.user_options or {}
        if node := asked.get("node"):
            selector: dict[str, str] = pod.spec.node_selector or {}
            pod.spec.node_selector = {**selector, "kubernetes.io/hostname": str(node)}
        else:
            pod.spec.restart_policy = "Never"
        return pod

    c.KubeSpawner.modify_pod_hook = place
