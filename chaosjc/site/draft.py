"""A first site file for a site that others deployed, from what was found of it: pure.

Servers get their roles by what they do: control plane, node, brick, bastion, Prometheus; and the rest by their names.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from chaosjc.drivers.gluster_values import VolumeInfo
from chaosjc.drivers.kubernetes_values import Node
from chaosjc.drivers.openstack_values import Server
from chaosjc.site.adopted import HOST
from chaosjc.site.model import BASTION, MONITOR
from chaosjc.site.topology import is_called
from chaosjc.spec import reader

MASTER, WORKER, BRICK = "master", "worker", "brick"
CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
"""Labels of its nodes."""
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_DIRECTORY = re.compile(r"(/[a-z0-9][a-z0-9_-]*)+")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_NUMBER = re.compile(r"(?<=.)([-_]?\d+|[-_][a-z])$")


@dataclass(frozen=True)
class Facts:
    """What was found, and in `missing` what was not, with the reason.

    `bastion` is an SSH host, and `jump` the server that it is; `prometheus` the server on which one answers at port
    9090. `hubs` are namespaces and releases. `clients` are the addresses connected to a volume, `mounts` where it is
    mounted.
    """

    name: str
    cloud: str
    state: str
    servers: tuple[Server, ...]
    ssh_config: str = "~/.ssh/config"
    kubeconfig: str = ""
    bastion: str = ""
    jump: str = ""
    prometheus: str = ""
    nodes: tuple[Node, ...] = ()
    hubs: tuple[tuple[str, str], ...] = ()
    volumes: tuple[VolumeInfo, ...] = ()
    clients: Mapping[str, Collection[str]] = field(default_factory=dict[str, Collection[str]])
    mounts: Mapping[str, str] = field(default_factory=dict[str, str])
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draft:
    """The text of a site file, what could not be found out, and what no guard looks at for that; both are in it too."""

    text: str
    notes: tuple[str, ...]
    unguarded: tuple[str, ...] = ()


def draft(facts: Facts) -> Draft:
    """A file that loads, lets nothing be broken, and says what to do next."""
    roles, left_out = grouped(facts)
    storage, of_storage = _storage(facts, roles)
    kubernetes, of_kubernetes = _kubernetes(facts, roles)
    notes = (*facts.missing, *left_out, *of_storage, *of_kubernetes)
    unguarded = tuple(why for why, there in ((_NO_QUORUM, storage), (_NO_USERS, kubernetes)) if not there)
    adopted = _adopted(facts, roles, kubeconfig=bool(kubernetes))
    policy = _policy(roles, users=bool(kubernetes))
    return Draft("".join([_head(facts, notes, unguarded), adopted, storage, kubernetes, policy]), notes, unguarded)


_NO_QUORUM = "the quorum of volumes, as the file has no `storage`: no run looks at who carries bricks"
_NO_USERS = "people, as the file has no `kubernetes`: a run may take the servers from any number of them"


# ------------------------------------------------------------------ roles


def grouped(facts: Facts) -> tuple[dict[str, list[Server]], list[str]]:
    """Servers by role, and which are left out, since no SSH host can be called as they are, or two have one name."""
    roles: dict[str, list[Server]] = {}
    left_out: list[str] = []
    names = [each.name for each in facts.servers]
    for server in sorted(facts.servers, key=lambda each: each.name):
        if names.count(server.name) > 1:
            left_out.append(f"{server.name} is the name of several servers: left out")
        elif not re.fullmatch(HOST, server.name):
            left_out.append(f"{server.name!r} cannot be the name of an SSH host: left out")
        else:
            roles.setdefault(_role(server, facts), []).append(server)
    first = (BASTION, MASTER, WORKER, BRICK)
    return dict(sorted(roles.items(), key=lambda each: (each[0] not in first, each[0]))), list(dict.fromkeys(left_out))


def _role(server: Server, facts: Facts) -> str:
    node = _node(server, facts)
    found = {
        BASTION: _is(server, filter(None, (facts.bastion, facts.jump))),
        MONITOR: server.name == facts.prometheus,  # before what else it does: these two are never drawn
        MASTER: node is not None and any(label in node.labels for label in CONTROL_PLANE),
        WORKER: node is not None,
        BRICK: _is(server, _brick_hosts(facts)),
    }
    return next((role for role, fits in found.items() if fits), _by_name(server.name))


def _node(server: Server, facts: Facts) -> Node | None:
    return next((each for each in facts.nodes if _is(server, (each.name, *each.addresses))), None)


def _brick_hosts(facts: Facts) -> set[str]:
    return {brick.host for volume in facts.volumes for brick in volume.bricks}


def _is(server: Server, names: Iterable[str]) -> bool:
    return any(is_called(each, server.name, server.addresses) for each in names)


def _by_name(name: str) -> str:
    """`k8s-node-a`, `k8s-node-b` → k8s-node; `worker-001` → worker."""
    words = re.sub(r"[^a-z0-9]+", "-", _stem(name).lower()).strip("-")
    role = re.sub(r"^[^a-z]+", "", words)[:40].rstrip("-")
    return role or "other"


def _stem(name: str) -> str:
    return _NUMBER.sub("", name.partition(".")[0])


def patterns(members: Collection[Server], everybody: Collection[Server]) -> list[str]:
    """Name patterns that mean these and no other server."""
    stems: dict[str, list[str]] = {}
    for each in members:
        stems.setdefault(_stem(each.name), []).append(each.name)
    others = {each.name for each in everybody} - {each.name for each in members}
    found: list[str] = []
    for names in stems.values():
        pattern = re.sub(r"\d+$", "", _prefix(names)) + "*"
        alone = len(names) > 1 and len(pattern) > 2 and not any(fnmatchcase(other, pattern) for other in others)
        found += [pattern] if alone else names
    return found


def _prefix(names: Sequence[str]) -> str:
    """What all of them begin with."""
    together = zip(min(names), max(names), strict=False)
    return "".join(one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], together))


# ------------------------------------------------------------------ sections


def _head(facts: Facts, notes: Collection[str], unguarded: Collection[str]) -> str:
    told = "".join(f"# - {line}\n" for line in notes) or "# - nothing: all that was looked for was found\n"
    told += "".join(f"#\n# not guarded: {line}\n" for line in unguarded)
    return f"""\
# A site that others deployed. Drafted by `chaosjc site discover --draft`, from what Nova, Kubernetes and GlusterFS say.
# chaosjc never plans, deploys or destroys it, and touches only servers that fit `adopted.servers`.
#
# What could not be found out:
{told}
apiVersion: chaosjc/v1
kind: Site
name: {_word(facts.name)}
environment: production         # the strictest; else pre-production, test or lab
cloud: {_quoted(facts.cloud)}
managed: false
state: {_quoted(facts.state)}   # one writer: a directory that all share who run experiments here

"""


def _adopted(facts: Facts, roles: Mapping[str, Collection[Server]], *, kubeconfig: bool) -> str:
    lines = [
        "adopted:",
        f"  ssh_config: {_quoted(facts.ssh_config)}   # for `ssh -F`: each server is a Host by its name",
        f"  bastion: {_word(facts.bastion)}   # the Host through which the others are reached" if facts.bastion else "",
        f"  kubeconfig: {_quoted(facts.kubeconfig)}" if kubeconfig else "",
        f"  prometheus: {_word(facts.prometheus + ':9090')}   # on that SSH host; or a URL that answers here"
        if facts.prometheus
        else "  # prometheus: http://HOST:9090   # a URL that answers here, or HOST:PORT on an SSH host",
        "  servers:                      # role: name pattern, or several; what is not of the site goes",
        *(f"    {_word(role)}: {_several(patterns(members, facts.servers))}" for role, members in roles.items()),
    ]
    return "\n".join(filter(None, lines)) + "\n\n"


def _storage(facts: Facts, roles: Mapping[str, Collection[Server]]) -> tuple[str, list[str]]:
    if not facts.volumes:
        return "", []
    hosts = _brick_hosts(facts)
    carrying = [role for role, members in roles.items() if any(_is(each, hosts) for each in members)]
    if len(carrying) != 1:
        return "", [f"the bricks' hosts are servers of {', '.join(carrying) or 'no role'}: one is needed for `storage`"]
    reasons = {each.name: _unnamed(each, facts) for each in facts.volumes}
    mounted = {name: _mounting(name, facts, roles, carrying[0]) for name, why in reasons.items() if not why}
    clients = [role for role in roles if mounted and all(role in each for each in mounted.values())]
    lines = [
        "storage:",
        f"  role: {_word(carrying[0])}",
        f"  clients: {_list(clients)}   # roles of which every server mounts every volume named here",
        "  volumes:                      # `sacrificial: true` of one that may lose its quorum" if mounted else "",
        *(f"    {_word(name)}: {{mount: {facts.mounts[name]}}}" for name in mounted),
    ]
    notes = [f"volume {name} is not named in the file: {why}" for name, why in reasons.items() if why]
    return "\n".join(filter(None, lines)) + "\n\n", notes


def _unnamed(volume: VolumeInfo, facts: Facts) -> str:
    """Why the file cannot say of it who mounts it. It is found, and guarded, all the same."""
    if not _NAME.fullmatch(volume.name):
        return "its name is no host name"
    mount = facts.mounts.get(volume.name, "")
    return "" if _DIRECTORY.fullmatch(mount) else f"mounted at {mount}" if mount else "no server was seen to mount it"


def _mounting(volume: str, facts: Facts, roles: Mapping[str, Collection[Server]], carrying: str) -> list[str]:
    connected = set(facts.clients.get(volume, ()))
    return [
        role
        for role, members in roles.items()
        if role != carrying and all(connected & set(each.addresses) for each in members)
    ]


def _kubernetes(facts: Facts, roles: Mapping[str, Collection[Server]]) -> tuple[str, list[str]]:
    nodes = [role for role, members in roles.items() if any(_node(each, facts) for each in members)]
    nodes.sort(key=lambda role: (role != MASTER, role != WORKER))
    if not facts.nodes:
        return "", []
    if not nodes:
        return "", ["no server is a node of the cluster"]
    notes = [] if MASTER in roles else ["no server is a node of the control plane: the workers stand in for it"]
    workers = [role for role in nodes if role != MASTER] or nodes
    text = f"kubernetes:\n  control_plane: {_word(nodes[0])}\n  workers: {_list(workers)}\n"
    namespace, release = facts.hubs[0] if facts.hubs else ("", "")
    if _NAME.fullmatch(namespace) and _NAME.fullmatch(release):
        text += f"\nhub:\n  namespace: {_word(namespace)}\n  release: {_word(release)}\n"
        notes += [f"another hub is in namespace {other}" for other, _ in facts.hubs[1:]]
    else:
        notes.append("no hub: no Deployment bears the label component=hub")
    return text + "\n", notes


def _policy(roles: Mapping[str, Collection[Server]], *, users: bool) -> str:
    most = "  users: 0                      # how many people a run may take the servers from\n" if users else ""
    return f"""\
# Nothing may be broken yet. Look first: `chaosjc site discover FILE`, `chaosjc site verify FILE`. Then take one role or
# VM out of `protected`, put it, or a kind of pods on it (pods/hub), into `targets`, and begin with `run --dry-run`.
policy:
  targets: []
  protected: {_list(roles)}
{most}"""


def _list(words: Iterable[str]) -> str:
    return f"[{', '.join(map(_word, words))}]"


def _several(names: Collection[str]) -> str:
    quoted = [_quoted(each) for each in names]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"


def _word(text: str) -> str:
    """Plain where any reader of YAML, also one of its 1.1 (`no`), takes it for this text."""
    plain = reader.scalar(text) == text and text.lower() not in _WORDS and re.match("[A-Za-z]", text)
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
