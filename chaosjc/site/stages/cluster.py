"""Stage cluster: `kubeadm init` on the control plane, `kubeadm join` on the workers, and what every cluster needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from chaosjc.drivers.ssh import Unreachable
from chaosjc.errors import StageError
from chaosjc.site import discover
from chaosjc.site.change import Change
from chaosjc.site.context import Context, in_parallel
from chaosjc.site.manifests import kubeadm_init, kubeadm_join, manifests
from chaosjc.site.model import SiteFile
from chaosjc.site.remote_node import ADMIN, MADE, OWNED
from chaosjc.site.roles.kubernetes import KUBELET, SYSCTLS
from chaosjc.site.stages import cluster_plan
from chaosjc.site.stages.base import KUBECTL, Stage, ask_program, ports, run_on, vms
from chaosjc.site.stages.cluster_backup import Backup
from chaosjc.site.stages.cluster_metrics import Metrics
from chaosjc.site.stages.cluster_plan import STAGE, ClusterFacts, MemberFact, NodeFact, node_names
from chaosjc.site.stages.cluster_settings import Settings
from chaosjc.site.state import write_atomically

ASK = 60.0  # seconds for one question: kubectl reads the API's whole surface first
ANSWERS = 90.0  # seconds in which a control plane that was just started must answer
BACK = 30.0  # seconds that nodes may then take to be Ready by themselves
INIT, JOIN, READY = 300.0, 180.0, 150.0  # seconds for one step
USABLE = "10m"  # how long a token admits new nodes
"""On the control plane, as the cluster's administrator."""
_ANYWAY = ("--ignore-preflight-errors=NumCPU,Mem,DirAvailable--var-lib-etcd",)


class Cluster(Stage[ClusterFacts]):
    """See cluster_plan for what is compared."""

    name = STAGE
    requires = ("nodes",)

    def facts(self, context: Context, *, patient: bool) -> ClusterFacts:
        """Ask every node what it is, and the control plane what it has."""
        names = node_names(context.site)
        running = {each.name for each in vms(context) if each.status == "ACTIVE"}
        if context.site.control_plane not in running or (context.only is not None and not context.only & set(names)):
            return ClusterFacts()
        there = [each for each in names if each in running]
        found = zip(there, in_parallel(lambda each: _look(context, each, patient=patient), there), strict=True)
        members = {name: fact for name, fact in found if fact is not None}
        if context.site.control_plane not in members:
            return ClusterFacts()
        mine = {name: fact for name, fact in members.items() if _concerns(context, name)}
        said = _ask_control_plane(context, Awaited.of(mine) if patient else None)
        return _facts(context, said, members, discover.addresses(context.site, ports(context)))

    def plan(self, site: SiteFile, facts: ClusterFacts) -> tuple[Change, ...]:
        """Pure; see cluster_plan."""
        return cluster_plan.plan(site, facts)

    def apply(self, context: Context, facts: ClusterFacts, changes: Sequence[Change]) -> None:
        """In the order of the plan; workers join side by side."""
        for change in changes:
            context.report(STAGE, change.name, f"{change.action} {change.kind}")
        _Apply(context, facts, changes).run()


class _Apply:
    """One round of changes."""

    def __init__(self, context: Context, facts: ClusterFacts, changes: Sequence[Change]) -> None:
        assert context.site.kubernetes is not None  # noqa: S101 - without it nothing is planned
        self._context, self._facts, self._changes = context, facts, changes
        self._site, self._cluster = context.site, context.site.kubernetes
        self._master = context.site.control_plane
        self._backup, self._metrics = Backup(context, STAGE), Metrics(context, STAGE)
        self._settings = Settings(context, STAGE)

    def run(self) -> None:
        """Raises StageError, which names the VM and what it said."""
        if self._named("control plane", "create"):
            self._init()
        elif self._named("control plane", "update"):
            self._fail("its API server does not answer", "sudo journalctl -u kubelet")
        if self._named("certificates"):
            self._settings.renew_certificates()
        self._configure()
        if names := self._named("manifest"):
            self._apply_manifests(names)
        for name in self._named("node", "delete"):
            self._kubectl("delete", "node", name, "--wait=false")
        if joining := self._named("node", "create"):
            self._join(joining)
        for name in self._named("node", "update"):
            self._run(name, "systemctl", "start", KUBELET)
            self._kubectl("uncordon", name)
        nodes = self._nodes()
        self._wait("--for=create", *nodes)  # a kubelet that has just joined makes its own, soon
        for name in self._named("labels"):
            self._label(name)
        self._settle(nodes)
        self._hand_out()

    def _hand_out(self) -> None:
        """What others need to know of the control plane."""
        anew = bool(self._named("control plane"))
        renewed = anew or bool(self._named("certificates"))
        if self._named("kubeconfig") or renewed:
            text = self._run(self._master, "cat", ADMIN)
            write_atomically(self._context.state.kubeconfig, text)
        if self._named("authorities") or anew:
            self._backup.keep()
        if self._named("backup key") or renewed:
            self._backup.give_key()
        if self._named("token") or anew:
            self._metrics.give_token()

    def _named(self, kind: str, action: str = "") -> list[str]:
        return [each.name for each in self._changes if each.kind == kind and action in ("", each.action)]

    def _init(self) -> None:
        self._backup.check(remembered=any(each.member for each in self._facts.members.values()))
        self._run(self._master, "rm", "-f", MADE)
        self._prepare(self._master)
        address = self._facts.addresses[self._master]
        config = kubeadm_init(self._site, self._cluster, address)
        self._context.report(STAGE, self._master, self._backup.restore(address))
        self._run(self._master, "kubeadm", "init", "--config", "/dev/stdin", *_ANYWAY, stdin=config, timeout=INIT)
        self._run(self._master, "touch", MADE)
        self._apply_manifests(list(manifests(self._site)))

    def _configure(self) -> None:
        """What a cluster lets be changed while it runs."""
        kubelets = self._named("kubelet settings")
        if not (kubelets or self._named("settings")):
            return
        config = kubeadm_init(self._site, self._cluster, self._facts.addresses[self._master])
        if self._named("settings"):
            self._settings.apply(self._cluster, config)
        if kubelets:
            self._settings.apply_to_kubelets(kubelets, config)

    def _label(self, name: str) -> None:
        """The node itself notes which labels are the file's: who takes one out of that wants it gone."""
        wanted, node = cluster_plan.labels(self._site, name), self._facts.nodes.get(name)
        words = [f"{key}={value}" for key, value in wanted.items()]
        words += [f"{key}-" for key in cluster_plan.unwanted(self._site, name, node)] if node else []
        if words:
            self._kubectl("label", "node", name, "--overwrite", *words)
        self._kubectl("annotate", "node", name, "--overwrite", f"{OWNED}={' '.join(wanted)}")

    def _prepare(self, name: str) -> None:
        """Without what an attempt that was killed left behind, or a membership that ended."""
        if self._facts.members[name].begun:
            self._run(name, "kubeadm", "reset", "--force", timeout=JOIN)
        self._run(name, "sysctl", "--quiet", "--load", SYSCTLS)

    def _apply_manifests(self, names: Sequence[str]) -> None:
        texts = manifests(self._site)
        for name in names:
            self._kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=texts[name])

    def _join(self, names: Sequence[str]) -> None:
        for name in names:
            if name in self._facts.nodes:  # kubeadm refuses a name whose node is still Ready
                self._kubectl("delete", "node", name, "--wait=false")
        command = self._run(self._master, "kubeadm", "token", "create", "--ttl", USABLE, "--print-join-command")
        endpoint, token, digest = join_words(command)
        in_parallel(lambda each: self._join_one(each, endpoint, token, digest), names)

    def _join_one(self, name: str, endpoint: str, token: str, digest: str) -> None:
        self._prepare(name)
        config = kubeadm_join(self._cluster, name, endpoint, token, digest)
        self._run(name, "kubeadm", "join", "--config", "/dev/stdin", *_ANYWAY, stdin=config, timeout=JOIN)
        self._context.report(STAGE, name, "joined")

    def _nodes(self) -> list[str]:
        """Those that there must be now, as kubectl names them."""
        known = {self._master, *self._facts.nodes, *self._named("node", "create")} & self._facts.members.keys()
        names = [each for each in node_names(self._site) if each in known and _concerns(self._context, each)]
        return [f"node/{each}" for each in names]

    def _settle(self, nodes: Sequence[str]) -> None:
        """Nodes, then CoreDNS on the workers, then everything of the system's own."""
        self._wait("--for=condition=Ready", *nodes)
        if self._named("add-on"):
            self._add_coredns()
        for kind in ("daemonset", "deployment"):
            rollout = ("-n", "kube-system", "rollout", "status", "--watch", f"--timeout={READY:.0f}s")
            for name in self._kubectl("-n", "kube-system", "get", kind, "-o", "name").split():
                self._kubectl(*rollout, name, timeout=READY + 10)

    def _add_coredns(self) -> None:
        config = kubeadm_init(self._site, self._cluster, self._facts.addresses[self._master])
        argv = ("kubeadm", "init", "phase", "addon", "coredns", "--config", "/dev/stdin")
        self._run(self._master, *argv, stdin=config)

    def _wait(self, *words: str) -> None:
        self._kubectl("wait", f"--timeout={READY:.0f}s", *words, timeout=READY + 10)

    def _kubectl(self, *words: str, stdin: str | None = None, timeout: float = ASK) -> str:
        return self._run(self._master, *KUBECTL, *words, stdin=stdin, timeout=timeout)

    def _run(self, vm: str, *argv: str, stdin: str | None = None, timeout: float = ASK) -> str:
        return run_on(self._context, STAGE, vm, argv, stdin=stdin, timeout=timeout)

    def _fail(self, what: str, where: str) -> None:
        hint = f"ssh -F {self._context.state.ssh_config} {self._master} {where}"
        raise StageError(f"{STAGE}: {self._master}: {what}", hint=hint)


def _look(context: Context, name: str, *, patient: bool) -> MemberFact | None:
    try:
        said = ask_program(context, STAGE, name, "remote_node.py", {"look": {}}, timeout=ASK)
    except Unreachable:
        if patient:
            raise
        return None  # stage infra has said so
    return MemberFact(said["member"], said["begun"], said["kubelet"])


def _concerns(context: Context, name: str) -> bool:
    return context.only is None or name in context.only


@dataclass(frozen=True)
class Awaited:
    """What may come back by itself: these nodes, and with `pods` what the system runs on them."""

    nodes: frozenset[str]
    pods: bool

    @classmethod
    def of(cls, members: Mapping[str, MemberFact]) -> Self:
        """Pods of the system are not Ready either while a VM is yet to join as the node that they are for."""
        joined = frozenset(name for name, fact in members.items() if fact.member)
        return cls(joined, pods=len(joined) == len(members))

    def patience(self, said: dict[str, Any]) -> float:
        """Seconds since the first question that an answer is worth waiting for a better one."""
        if said["state"] == "silent":
            return ANSWERS
        nodes: dict[str, Any] = said.get("nodes", {})
        back = all(each["ready"] for name, each in nodes.items() if name in self.nodes)
        return 0.0 if back and not (self.pods and said.get("unavailable")) else BACK


def _ask_control_plane(context: Context, awaited: Awaited | None) -> dict[str, Any]:
    """Wait for an API server that was just started, and for what is awaited; for nothing where None."""
    request = {"cluster": {"manifests": manifests(context.site), "namespace": "kube-system"}}
    began = context.clock.monotonic()
    while True:
        said = ask_program(context, STAGE, context.site.control_plane, "remote_node.py", request, timeout=ASK)
        patience = 0.0 if awaited is None else awaited.patience(said)
        if context.clock.monotonic() >= began + patience:
            return said
        context.clock.sleep(1)


def _facts(
    context: Context, said: dict[str, Any], members: dict[str, MemberFact], addresses: dict[str, str]
) -> ClusterFacts:
    kept, backup = context.state.kubeconfig, Backup(context, STAGE)
    wanted = context.site.kubernetes and context.site.kubernetes.backup
    return ClusterFacts(
        control_plane=said["state"],
        members=members,
        nodes={name: NodeFact(**each) for name, each in said.get("nodes", {}).items()},
        unavailable=tuple(said.get("unavailable", ())),
        differ=said.get("differ", dict.fromkeys(manifests(context.site), "missing")),
        coredns=said.get("coredns", False),
        kubeconfig=said.get("kubeconfig", ""),
        kept=kept.read_text() if kept.exists() else "",
        authorities=backup.kept.exists(),
        backup_key=said["state"] != "ready" or not wanted or backup.key_is_given(),
        token=said["state"] != "ready" or Metrics(context, STAGE).token_is_given(),
        addresses=addresses,
        settings=said.get("settings", ""),
        ends=said.get("ends"),
        now=context.clock.time(),
    )


def join_words(command: str) -> tuple[str, str, str]:
    """Endpoint, token and digest from `kubeadm join HOST:PORT --token T --discovery-token-ca-cert-hash D`."""
    words = command.split()
    after = {word: words[at + 1] for at, word in enumerate(words[:-1])}
    return after["join"], after["--token"], after["--discovery-token-ca-cert-hash"]
