"""What a draft of an adopted site's file is made of: asked of Nova, over SSH, of GlusterFS and of Kubernetes."""

from __future__ import annotations

import collections
import contextlib
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chaosjc.drivers import command
from chaosjc.drivers.gluster import Gluster
from chaosjc.drivers.openstack import Cloud
from chaosjc.drivers.openstack_values import Server
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import ChaosJCError
from chaosjc.site import endpoints, sshconfig
from chaosjc.site.adopted import Adopted
from chaosjc.site.context import in_parallel
from chaosjc.site.draft import Facts
from chaosjc.site.state import SiteState
from chaosjc.site.topology import Vm, is_called

LOOK = 20.0  # seconds for each question after a login
_SCRIPT = """\
curl -sf -o /dev/null --max-time 2 http://127.0.0.1:9090/-/ready && echo prometheus
pgrep -x glusterd >/dev/null && echo glusterd
findmnt -rn -t fuse.glusterfs -o SOURCE,TARGET | sed 's/^/mount /'
true
"""


@dataclass(frozen=True)
class Host:
    """What one server says of itself; `mounts` by volume."""

    name: str
    prometheus: bool = False
    glusterd: bool = False
    mounts: Mapping[str, str] = field(default_factory=dict[str, str])


def survey(facts: Facts, cloud: Cloud, ssh_config: str) -> Facts:
    """The same facts with all that can be found out; what cannot is in `missing`. RemoteError without Nova.

    SSH is asked where `ssh_config` is given.
    """
    facts = replace(facts, servers=cloud.servers())
    with tempfile.TemporaryDirectory(prefix="chaosjc-") as directory:
        state = SiteState.of(facts.name, directory)
        if ssh_config:
            sshconfig.adopt(state, ssh_config)
            with _sessions(Ssh(state.ssh_config), facts) as ssh:
                facts = _over_ssh(facts, ssh)
                return _cluster(facts, state) if facts.kubeconfig else _without(facts, _NO_KUBECONFIG)
        return _without(_cluster(facts, state) if facts.kubeconfig else _without(facts, _NO_KUBECONFIG), _NO_SSH)


_NO_SSH = "bastion, Prometheus and volumes: name the way with --ssh-config"
_NO_KUBECONFIG = "nodes and hub: name the cluster with --kubeconfig"


def _without(facts: Facts, why: str) -> Facts:
    return replace(facts, missing=(*facts.missing, why))


@contextlib.contextmanager
def _sessions(ssh: Ssh, facts: Facts) -> Generator[Ssh]:
    """With no connection left open behind it, nor one to a jump host."""
    try:
        yield ssh
    finally:
        names = [each.name for each in facts.servers]
        jumps = {f"ssh://{each}" for each in _jumps(ssh, names)}
        in_parallel(ssh.close, [*names, *sorted(jumps)])


def _over_ssh(facts: Facts, ssh: Ssh) -> Facts:
    names = [each.name for each in facts.servers]
    found = [host for host in in_parallel(lambda name: _host(ssh, name), names) if host]
    silent = sorted(set(names) - {host.name for host in found})
    bastion, jump = _bastion(facts.servers, ssh)
    facts = replace(
        facts,
        bastion=bastion,
        jump=jump,
        prometheus=next((host.name for host in found if host.prometheus), ""),
        mounts={volume: at for host in found for volume, at in host.mounts.items()},
    )
    if silent:
        facts = _without(facts, f"SSH does not lead to {', '.join(silent)}")
    if not facts.prometheus:
        facts = _without(facts, "Prometheus: none answers on port 9090 of a server itself")
    return _volumes(facts, ssh, [host.name for host in found if host.glusterd])


def _host(ssh: Ssh, name: str) -> Host | None:
    """None where nobody can log in."""
    try:
        ssh.login(name)
        said = ssh.run(name, ["sh", "-c", _SCRIPT], timeout=LOOK).stdout
    except ChaosJCError:
        return None
    return told(name, said)


def told(name: str, said: str) -> Host:
    """Pure: of a mount, `server:/volume` and where it is."""
    words = [line.split() for line in said.splitlines()]
    mounts = {
        each[1].rpartition(":")[2].strip("/"): each[2] for each in words if each[:1] == ["mount"] and len(each) == 3
    }
    return Host(name, ["prometheus"] in words, ["glusterd"] in words, mounts)


def _bastion(servers: Sequence[Server], ssh: Ssh) -> tuple[str, str]:
    """The jump host of most servers, and which of them it is; by that one's name, where it lets people in by that."""
    jumps = collections.Counter(_jumps(ssh, [each.name for each in servers]))
    if not jumps:
        return "", ""
    alias = jumps.most_common(1)[0][0].rpartition("@")[2].partition(":")[0]
    at = _settings(ssh, alias).get("hostname", alias)
    server = next((each.name for each in servers if is_called(at, each.name, each.addresses)), "")
    own = _settings(ssh, server).get("hostname") if server else ""
    return server if server and own == at else alias, server


def _jumps(ssh: Ssh, names: Sequence[str]) -> list[str]:
    """Of each server that has one, the last jump host before it: `user@host:port`, less what nobody says."""
    settings = in_parallel(lambda name: _settings(ssh, name), names)
    return [each["proxyjump"].split(",")[-1] for each in settings if "proxyjump" in each]


def _settings(ssh: Ssh, host: str) -> dict[str, str]:
    """How OpenSSH itself reads its configuration."""
    done = command.run(["ssh", "-G", "-F", str(ssh.config), "--", host], timeout=LOOK, check=False)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def _volumes(facts: Facts, ssh: Ssh, hosts: Sequence[str]) -> Facts:
    if not hosts:
        return _without(facts, "volumes: glusterd runs on no server")
    pool = Gluster.over(ssh, hosts, timeout=LOOK)
    try:
        volumes = pool.volumes()
        clients = {each.name: {c for brick in pool.clients(each.name) for c in brick.clients} for each in volumes}
    except ChaosJCError as error:
        return _without(facts, f"volumes: {error.message}")
    return replace(facts, volumes=volumes, clients=clients)


def _cluster(facts: Facts, state: SiteState) -> Facts:
    adopted = Adopted(
        ssh_config="none", bastion=facts.bastion or None, kubeconfig=facts.kubeconfig, servers={"any": "*"}
    )
    try:
        with endpoints.kubernetes(state, way=endpoints.adopted_way(adopted, list(map(_vm, facts.servers)))) as cluster:
            hubs = [each for each in cluster.workloads("Deployment") if each.component == "hub"]
            nodes = cluster.nodes()
    except ChaosJCError as error:
        return _without(facts, f"nodes and hub: {error.message}")
    found = tuple((each.namespace, _release(each.labels, each.annotations)) for each in hubs)
    return replace(facts, nodes=nodes, hubs=found)


def _release(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """As Helm says it, or zero-to-jupyterhub's labels."""
    named = annotations.get("meta.helm.sh/release-name") or labels.get("release")
    return named or labels.get("app.kubernetes.io/instance") or "hub"


def _vm(server: Server) -> Vm:
    first = server.addresses[0] if server.addresses else ""
    return Vm(server.name, server.id, "", first, False, False, server.status, server.addresses[1:])
