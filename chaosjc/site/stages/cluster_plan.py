"""What stage cluster compares: the control plane, its nodes, their labels, and what is applied to the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from chaosjc.clock import rfc3339
from chaosjc.site.change import Change
from chaosjc.site.model import MONITOR, SiteFile
from chaosjc.site.stages import cluster_settings

STAGE = "cluster"
RENEWED = 60 * 86400.0  # seconds before kubeadm's certificates end; they hold a year
ControlPlane = Literal["unknown", "absent", "partial", "silent", "ready"]


@dataclass(frozen=True)
class NodeFact:
    """A Node as the API server has it; `owned` are keys of its labels that the file asks for, or once did."""

    ready: bool
    schedulable: bool
    labels: Mapping[str, str]
    owned: Sequence[str] = ()


@dataclass(frozen=True)
class MemberFact:
    """What a VM itself says: whether it was made a member, and whether an attempt left something behind.

    `kubelet` are its kubelet's settings, YAML; empty where it has none yet.
    """

    member: bool
    begun: bool
    kubelet: str = ""


@dataclass(frozen=True)
class ClusterFacts:
    """`members` by VM, of those that answered; `nodes` by name; `differ` says how each manifest differs, in words.

    `kubeconfig` is the administrator's on the control plane, `kept` the one in the site's state; `authorities`: so are
    its certificate authorities. `backup_key`: the monitor has the one with which it takes etcd's snapshots, if it does;
    `token`: and the one with which it reads kubelets' metrics. `settings` is the YAML that kubeadm keeps; the first of
    its certificates ends at `ends`.
    """

    control_plane: ControlPlane = "unknown"
    members: Mapping[str, MemberFact] = field(default_factory=dict[str, MemberFact])
    nodes: Mapping[str, NodeFact] = field(default_factory=dict[str, NodeFact])
    unavailable: tuple[str, ...] = ()
    differ: Mapping[str, str] = field(default_factory=dict[str, str])
    coredns: bool = False
    kubeconfig: str = ""
    kept: str = ""
    authorities: bool = True
    backup_key: bool = True
    token: bool = True
    addresses: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: str = ""
    ends: float | None = None
    now: float = 0.0


def node_names(site: SiteFile) -> tuple[str, ...]:
    """Every VM that is to be a node, the control plane first."""
    if site.kubernetes is None:
        return ()
    return (site.control_plane, *(each for each in site.workers if each != site.control_plane))


def plan(site: SiteFile, facts: ClusterFacts) -> tuple[Change, ...]:
    """In the order in which it is done. Nothing where the control plane's VM is not there to be asked.

    Raises StageError for settings that a cluster has for ever.
    """
    if facts.control_plane == "unknown":
        return ()
    renewal = tuple(_certificates(site, facts))
    if facts.control_plane == "silent":  # a control plane whose certificates have ended is
        return renewal or tuple(_control_plane(site, facts))
    settings = _settings(site, facts) if facts.control_plane == "ready" else ()
    return (*_control_plane(site, facts), *renewal, *settings, *_nodes(site, facts), *_rest(site, facts))


def _control_plane(site: SiteFile, facts: ClusterFacts) -> Iterator[Change]:
    name = site.control_plane
    if facts.control_plane in ("absent", "partial"):
        before = "an earlier attempt did not end" if facts.control_plane == "partial" else ""
        yield Change(STAGE, "control plane", name, "create", before, vm=name)
    elif facts.control_plane == "silent":
        yield Change(STAGE, "control plane", name, "update", "does not answer", "answers", vm=name)


def _certificates(site: SiteFile, facts: ClusterFacts) -> Iterator[Change]:
    if facts.ends is not None and facts.ends - facts.now < RENEWED:
        name = site.control_plane
        yield Change(STAGE, "certificates", f"of {name}", "renew", f"the first ends {rfc3339(facts.ends)}", vm=name)


def _settings(site: SiteFile, facts: ClusterFacts) -> Iterator[Change]:
    """Of the control plane, then of each kubelet."""
    cluster, master = site.kubernetes, site.control_plane
    if cluster is None:
        return
    kubelets = {name: fact.kubelet for name, fact in facts.members.items() if fact.member and name in facts.nodes}
    cluster_settings.refuse(STAGE, cluster, facts.settings, kubelets.get(master, ""))
    if found := cluster_settings.control_plane(cluster, master, facts.settings):
        yield Change(STAGE, "settings", f"of {master}", "update", *found, vm=master)
    for name, text in kubelets.items():
        if name in node_names(site) and (found := cluster_settings.kubelet(cluster, text)):
            yield Change(STAGE, "kubelet settings", name, "update", *found, vm=name)


def _nodes(site: SiteFile, facts: ClusterFacts) -> Iterator[Change]:
    for name in node_names(site):
        if name not in facts.members:
            continue
        node = facts.nodes.get(name)
        if (
            node is None
            and facts.control_plane != "ready"
            and (name == site.control_plane or facts.members[name].member)
        ):
            continue  # one is made with its control plane; others may be known again to a restored one
        if node is None or not facts.members[name].member:
            before = "a node of this name is no longer this VM" if node else ""
            yield Change(STAGE, "node", name, "create", before, vm=name)
        elif not (node.ready and node.schedulable):
            yield Change(STAGE, "node", name, "update", _words(node), "Ready", vm=name)
    wanted = set(node_names(site))
    for name in facts.nodes:
        if name not in wanted:
            yield Change(STAGE, "node", name, "delete")


def _words(node: NodeFact) -> str:
    return ", ".join(
        ["Ready" if node.ready else "not Ready", *([] if node.schedulable else ["takes no pods (cordoned)"])]
    )


def _rest(site: SiteFile, facts: ClusterFacts) -> Iterator[Change]:
    for name, differs in facts.differ.items():
        if differs:
            yield Change(STAGE, "manifest", name, "update", differs)
    yield from _labels(site, facts)
    if not facts.coredns:
        yield Change(STAGE, "add-on", "coredns", "create")
    if facts.unavailable and facts.coredns:
        yield Change(STAGE, "add-ons", ", ".join(facts.unavailable), "update", "pods are not Ready", "Ready")
    if facts.kubeconfig != facts.kept:
        yield Change(STAGE, "kubeconfig", site.name, "update" if facts.kept else "create")
    if not facts.authorities:
        yield Change(STAGE, "authorities", site.name, "create")
    if not facts.backup_key:
        yield Change(STAGE, "backup key", MONITOR, "create", vm=MONITOR)
    if not facts.token:
        yield Change(STAGE, "token", "of Prometheus at the kubelets", "create", vm=MONITOR)


def _labels(site: SiteFile, facts: ClusterFacts) -> Iterator[Change]:
    created = {each.name for each in _nodes(site, facts) if each.action == "create"}
    for name in node_names(site):
        node, wanted = facts.nodes.get(name), labels(site, name)
        if name in created and wanted:
            yield Change(STAGE, "labels", name, "create", after=_words_of(wanted, wanted), vm=name)
        elif node is not None and name not in created:
            yield from _altered_labels(site, name, node, wanted)


def _altered_labels(site: SiteFile, name: str, node: NodeFact, wanted: Mapping[str, str]) -> Iterator[Change]:
    differ = [key for key in (*wanted, *unwanted(site, name, node)) if node.labels.get(key) != wanted.get(key)]
    before = _words_of(differ, node.labels)
    if not differ and set(node.owned) != set(wanted):
        before = f"not noted as the file's: {', '.join(wanted) or 'none'}"
    if before:
        yield Change(STAGE, "labels", name, "update", before, _words_of(differ, wanted), vm=name)


def _words_of(keys: Iterable[str], labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={labels.get(key, '(none)')}" for key in keys)


def labels(site: SiteFile, node: str) -> dict[str, str]:
    """Those that the file asks of a node: of its role, and of the VM itself over them."""
    role = next(each.role for each in site.machines if each.name == node)
    asked = site.kubernetes.labels if site.kubernetes else {}
    return {**asked.get(role, {}), **asked.get(node, {})}


def unwanted(site: SiteFile, name: str, node: NodeFact) -> list[str]:
    """Keys of labels that a node has, and the file asks of other nodes alone, or once asked of this one."""
    asked = site.kubernetes.labels.values() if site.kubernetes else ()
    known = {*node.owned, *(key for each in asked for key in each)}
    return sorted((known & node.labels.keys()) - labels(site, name).keys())
