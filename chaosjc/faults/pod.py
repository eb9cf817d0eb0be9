"""Faults of pods: `pod.delete` is a crash that somebody has to make up for, `pod.freeze` a hang.

A pod is addressed by its UID: the one that takes its place has another. Deleting is not taken back, for the cluster
makes up for it: the undo has nothing to do, and `verify` looks whether it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Literal, cast
from urllib.parse import quote

from pydantic import Field, JsonValue

from chaosjc.drivers.kubernetes import APPS, Cluster
from chaosjc.drivers.kubernetes_api import Conflict, NotFound
from chaosjc.drivers.kubernetes_values import Pod as Found
from chaosjc.drivers.kubernetes_values import Right, Workload
from chaosjc.errors import ChaosJCError, FaultError
from chaosjc.faults import held
from chaosjc.faults.fault import Fault, FaultEntry, Way
from chaosjc.faults.held import TimedEntry
from chaosjc.faults.pods import PodChoice
from chaosjc.faults.target import Choice, Chosen, Wants
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import StepPlan, Target
from chaosjc.site.cluster import SERVER, USER, USER_PODS, Pod
from chaosjc.spec.scalars import Duration, format_duration

ACT = 15.0  # seconds in which the API takes up a request, or never, and tells of it
LOOK_EVERY = 0.2  # seconds
FRONT_DOOR, PORT, PROXY = "proxy-public", "http", "proxy"
"""The service that users come through, and the component behind it, as zero-to-jupyterhub calls them."""
HUB = "hub"
FOUND = 302
"""The hub answers so for a user without a server: it leads him to a page of its own."""
WITNESSES = 3
"""Users who are asked for at most when it is to be told whether a proxy knows its routes."""


class Delete(FaultEntry):
    """End pods. `duration` is the time that the cluster gets to make up for them before it is looked for."""

    fault: Literal["pod.delete"] = "pod.delete"
    target: PodChoice
    grace: Duration = 0.0
    """How long a pod may take to end by itself; 0 kills it, and takes it out of the API at once."""
    heal_within: Duration = 120.0
    """How long it may take from then on until others are Ready, or the hub has noticed."""

    @property
    def choice(self) -> Choice | None:
        """As the file says."""
        return self.target

    @property
    def wants(self) -> Wants:
        """See FaultEntry."""
        return Wants(recreated=True)


class Freeze(TimedEntry):
    """Stop all processes of pods: they answer nothing, and their connections stay open."""

    fault: Literal["pod.freeze"] = "pod.freeze"
    target: PodChoice
    heal_within: Duration = Field(120.0, ge=held.HEAL)
    """How long the undo may take until the pod is Ready, or another in its place."""

    @property
    def choice(self) -> Choice | None:
        """As the file says."""
        return self.target

    @property
    def wants(self) -> Wants:
        """See FaultEntry."""
        return Wants(reached=True)


def _each(chosen: Chosen, prefix: str) -> list[tuple[str, Target, Pod]]:
    """Every pod with the id of its step; where two namespaces have one of a name, with the namespace."""
    names = Counter(pod.name for pod in chosen.pods)
    return [
        (f"{prefix}.{pod.name}" if names[pod.name] == 1 else f"{prefix}.{pod.namespace}.{pod.name}", target, pod)
        for target, pod in zip(chosen.targets, chosen.pods, strict=True)
    ]


def _place(pod: Pod) -> dict[str, JsonValue]:
    owner = pod.owner
    return {
        "namespace": pod.namespace,
        "node": pod.node,
        "user": pod.user,
        "server": pod.server,
        "owner": {"kind": owner.kind, "name": owner.name, "uid": owner.uid} if owner else {},
    }


def _plan_delete(entry: FaultEntry, chosen: Chosen, prefix: str) -> tuple[StepPlan, ...]:
    fault = cast("Delete", entry)
    return tuple(
        StepPlan(
            id=id,
            fault="pod.delete",
            target=target,
            start=fault.start,
            duration=fault.duration,
            options={**_place(pod), "grace": fault.grace},
            inject=f"delete pod {pod.namespace}/{pod.name}, grace {format_duration(fault.grace)}",
            undo=f"see that {_healer(pod)}",
            inject_timeout=ACT * 2,
            strikes_within=ACT,
            undo_timeout=fault.heal_within,
            gone_is_clean=True,
        )
        for id, target, pod in _each(chosen, prefix)
    )


def _healer(pod: Pod) -> str:
    if pod.owner:
        return f"{pod.owner.kind} {pod.owner.name} has made another"
    return f"the hub has noticed that {pod.user} has no server"


def _plan_freeze(entry: FaultEntry, chosen: Chosen, prefix: str) -> tuple[StepPlan, ...]:
    fault = cast("Freeze", entry)
    steps: list[StepPlan] = []
    for id, target, pod in _each(chosen, prefix):
        words = (id, f"freeze the containers of pod {pod.namespace}/{pod.name} on {pod.vm}", "thaw them")
        options = {**_place(pod), "host": pod.vm, "uid": pod.uid_on_node or pod.uid}
        step = held.step(fault, "pod.freeze", target, words, options)
        steps.append(step.model_copy(update={"undo_timeout": fault.heal_within}))
    return tuple(steps)


# ------------------------------------------------------------------ pod.delete


def _delete(step: StepPlan, world: World) -> None:
    """Returns once it is on its way out."""
    cluster, namespace, name = world.kubernetes, str(step.options["namespace"]), step.target.name
    grace = float(cast("float", step.options["grace"]))
    try:
        cluster.delete_pod(namespace, name, uid=step.target.id, grace=grace)
    except (NotFound, Conflict) as error:
        raise FaultError(f"pod {namespace}/{name} ({step.target.id}) is gone: {error.message}") from error
    end = world.clock.monotonic() + ACT
    while (found := itself(cluster, step)) and not found.deleting:
        if world.clock.monotonic() > end:
            raise FaultError(f"pod {namespace}/{name} is still there {ACT:g} s after it was deleted")
        world.clock.sleep(LOOK_EVERY)


def _nothing_to_take_back(step: StepPlan, world: World) -> None:
    del step, world


def itself(cluster: Cluster, step: StepPlan) -> Found | None:
    """The very pod of the step, by its UID; None once it is gone, whatever bears its name."""
    try:
        found = cluster.pod(str(step.options["namespace"]), step.target.name)
    except NotFound:
        return None
    return found if found.uid == step.target.id else None


def verify(step: StepPlan, world: World) -> Answer:
    """Whole when the pod is Ready, or what comes in its place is."""
    try:
        cluster = world.kubernetes
        found = itself(cluster, step)
        if found is None or found.deleting:
            return _made_up_for(cluster, step, found)
    except ChaosJCError as error:
        return Answer("unknown", error.message)
    return Answer("whole") if found.ready else Answer("broken", f"pod {found.name} is not Ready")


def _made_up_for(cluster: Cluster, step: StepPlan, found: Found | None) -> Answer:
    """Whom a Deployment has put in its place serves, also while the old pod has not ended yet."""
    owner = cast("dict[str, str]", step.options["owner"])
    if not owner:
        return Answer("broken", f"pod {found.name} has not ended yet") if found else _noticed(cluster, step)
    if owner["kind"] not in APPS:
        return _another(cluster, step, owner["uid"])
    namespace = str(step.options["namespace"])
    try:
        workload = cluster.workload(owner["kind"], namespace, owner["name"])
    except NotFound:
        return Answer("gone", f"{owner['kind']} {owner['name']} is gone")
    others = ready(cluster.pods(namespace, labels=workload.selector))
    return _on_its_node(cluster, step, others) if workload.kind == "DaemonSet" else _enough(workload, others)


def _enough(workload: Workload, others: list[Found]) -> Answer:
    if workload.replicas == 0:
        return Answer("gone", f"{workload.kind} {workload.name} is to have no pods now")
    if len(others) >= workload.replicas:
        return Answer("whole", f"{others[0].name} is Ready" if workload.replicas == 1 else "")
    told = f"{len(others)} of {workload.replicas} pods of {workload.kind} {workload.name} are Ready"
    return Answer("broken", told)


def ready(pods: Collection[Found]) -> list[Found]:
    """Those that serve, and go on to."""
    return [pod for pod in pods if pod.ready and not pod.deleting]


def _on_its_node(cluster: Cluster, step: StepPlan, others: list[Found]) -> Answer:
    node = str(step.options["node"])
    here = [pod for pod in others if pod.node == node]
    if here:
        return Answer("whole", f"{here[0].name} is Ready")
    try:
        cluster.node(node)
    except NotFound:
        return Answer("gone", f"node {node} is gone")
    return Answer("broken", f"no other pod is Ready on {node}")


def _another(cluster: Cluster, step: StepPlan, owner: str) -> Answer:
    """Of an owner of whose kind nothing is known but that it makes pods, maybe such as end."""
    pods = [each for each in cluster.pods(str(step.options["namespace"])) if each.owner and each.owner.uid == owner]
    made = [each for each in pods if each.uid != step.target.id and (each.phase == "Succeeded" or each in ready(pods))]
    return Answer("whole", f"{made[0].name} is there") if made else Answer("broken", "no other pod is Ready")


def _noticed(cluster: Cluster, step: StepPlan) -> Answer:
    """A user's pod is the hub's. Without its token, two things tell that it knows: a new pod, or its front door.

    While the hub believes in the server, its proxy leads to a pod that is not there; then to the hub itself. A proxy
    that began anew leads everybody there until the hub has told it its routes.
    """
    namespace, user = str(step.options["namespace"]), str(step.options["user"])
    try:
        again = cluster.pod(namespace, step.target.name)
    except NotFound:
        pass
    else:
        return Answer("whole", "it was started again") if again.ready else Answer("broken", "it is being started again")
    try:
        door = _door(cluster, namespace, user, str(step.options["server"]))
        if door != HUB:
            return Answer("broken", f"the hub still leads {user} to it: {door}")
        if _forgot(cluster, namespace):
            return Answer("broken", "the proxy does not know its routes yet")
    except NotFound:
        return Answer("whole", f"the pod is gone; whether the hub knows cannot be told without a service {FRONT_DOOR}")
    return Answer("whole", f"the hub knows that {user} has no server")


def _door(cluster: Cluster, namespace: str, user: str, server: str) -> str:
    """What the front door has for a user: HUB where it leads him to the hub's own page, else its status.

    Below which path the hub is, it tells itself: beside that it sends everybody to it, whatever it knows of his server.
    """
    names, base, status = [each for each in (user, server) if each], "/", 0
    path = "/".join(quote(each, safe="@~") for each in names)
    for _ in range(2):
        status, leads = cluster.ask_service(namespace, FRONT_DOOR, PORT, f"{base}user/{path}/api")
        below, hub, rest = leads.rpartition(f"hub/user/{'/'.join(names)}/")
        if status != FOUND or not hub or rest != "api":
            break
        if below == base:
            return HUB
        base = below
    return f"HTTP {status}"


def _forgot(cluster: Cluster, namespace: str) -> bool:
    """Whether the proxy leads to the hub also those whose server is Ready, and was there before it."""
    pods = ready(cluster.pods(namespace))
    began = max((pod.created for pod in pods if pod.component == PROXY), default=0.0)
    older = [pod.annotations for pod in pods if pod.component == USER_PODS and pod.created < began]
    doors = [_door(cluster, namespace, each[USER], each.get(SERVER, "")) for each in older[:WITNESSES] if USER in each]
    return bool(doors) and all(door == HUB for door in doors)


def _prepare(step: StepPlan, world: World) -> None:
    """The cluster answers. That the pod is there is the inject's to see: a later watchdog may ask when it is gone."""
    itself(world.kubernetes, step)


# ------------------------------------------------------------------ pod.freeze


def _thaw(step: StepPlan) -> list[list[str]]:
    """All containers that the pod has then, by either version of cgroups and either driver of the kubelet."""
    pod = f"*pod{str(step.options['uid']).replace('-', '[-_]')}*"
    words = {"freezer.state": "THAWED", "cgroup.freeze": "0"}
    loops = [
        f"for each in $(find /sys/fs/cgroup -path '{pod}' -name {name}); do echo {word} > $each; done"
        for name, word in words.items()
    ]
    return [["sh", "-c", "; ".join(loops)]]


def _freeze(step: StepPlan, world: World) -> None:
    held.hold(step, world, "pod", {"what": "freeze", "uid": step.options["uid"]}, _thaw(step))


def _unfreeze(step: StepPlan, world: World) -> None:
    held.end(step, world, _thaw(step))


def _verify_thawed(step: StepPlan, world: World) -> Answer:
    """Nothing of the pod is frozen on its node, and it is Ready, or what comes in its place is."""
    there = held.look(step, world, "pod", {"uid": step.options["uid"]})
    return verify(step, world) if there.outcome in ("whole", "gone") else there


def _prepare_freeze(step: StepPlan, world: World) -> None:
    held.prepare(step, world)
    _prepare(step, world)


def _looks(step: StepPlan) -> tuple[Right, ...]:
    """What `verify` asks for: the pod, who makes another, and of a user's whether the hub knows."""
    namespace, owner = str(step.options["namespace"]), cast("dict[str, str]", step.options.get("owner") or {})
    found = [Right("get", "pods", namespace), Right("list", "pods", namespace)]
    if owner.get("kind") in APPS:
        found.append(Right("get", f"{APPS[owner['kind']]}.apps", namespace))
    if step.options.get("user") and not owner:
        found.append(Right("get", "services/proxy", namespace))
    return tuple(found)


def _rights(step: StepPlan) -> tuple[Right, ...]:
    return Right("delete", "pods", str(step.options["namespace"])), *_looks(step)


DELETE = Fault(Delete, _plan_delete, _delete, _nothing_to_take_back, verify, _prepare, Way("cluster", rights=_rights))
FREEZE = Fault(Freeze, _plan_freeze, _freeze, _unfreeze, _verify_thawed, _prepare_freeze, Way("ssh", rights=_looks))
