"""Faults of OpenStack servers: `vm.pause` is a hang, `vm.stop` a shutdown, `vm.delete` a loss.

A server is addressed by its UUID. Pausing freezes it as it stands (Nova's `pause`: no FIN, no RST); stopping asks its
system to power off first, as Nova does for up to its `shutdown_timeout`, so it is no crash.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, cast

from chaosjc.checks.vm import Ways, vm_state
from chaosjc.drivers.openstack import Cloud, NotFound
from chaosjc.errors import ChaosJCError, FaultError
from chaosjc.faults import brick
from chaosjc.faults.fault import Fault, FaultEntry, Way
from chaosjc.faults.target import Chosen, TargetChoice
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import Outcome, StepPlan
from chaosjc.site import deploy
from chaosjc.site.context import open_site
from chaosjc.spec.scalars import Duration

ACT = 90.0  # seconds that Nova may take for one act: a graceful stop alone may take 60
STRIKE = 15.0  # seconds in which Nova's API takes up a request, or never; from then on `task_state` tells of it


class _VmFault(FaultEntry):
    """An entry that breaks VMs."""

    target: TargetChoice
    heal_within: Duration = 120.0
    """How long the undo may take until the VM is whole."""

    @property
    def choice(self) -> TargetChoice | None:
        """As the file says."""
        return self.target


class Pause(_VmFault):
    """Freeze a VM: it answers nothing, and closes nothing."""

    fault: Literal["vm.pause"] = "vm.pause"


class Stop(_VmFault):
    """Shut a VM down."""

    fault: Literal["vm.stop"] = "vm.stop"


class Delete(_VmFault):
    """Lose a VM with its disk. The site gets `duration` to heal itself; then it is deployed anew under its name."""

    fault: Literal["vm.delete"] = "vm.delete"


_UNDO = {
    "vm.pause": "unpause",
    "vm.stop": "start",
    "vm.delete": "deploy it again under its name, from the site as the journal has it",
}


def _plan(name: str, entry: FaultEntry, chosen: Chosen, prefix: str) -> tuple[StepPlan, ...]:
    fault = cast("_VmFault", entry)
    return tuple(
        StepPlan(
            id=f"{prefix}.{target.name}",
            fault=name,
            target=target,
            start=fault.start,
            duration=fault.duration,
            options={"bricks": [[each.volume, each.path] for each in chosen.bricks_of(target)]},
            inject=f"{name.partition('.')[2]} {target.name}",
            undo=_UNDO[name],
            inject_timeout=ACT,
            strikes_within=STRIKE,
            undo_timeout=fault.heal_within,
        )
        for target in chosen.targets
    )


# ------------------------------------------------------------------ the three verbs


def _act(cloud: Cloud, step: StepPlan, act: Callable[[str], None], status: str) -> None:
    """Ask Nova, and wait until it says that it is so."""
    act(step.target.id)
    cloud.wait_server(step.target.id, lambda server: server.status == status, timeout=ACT)


def _require_active(cloud: Cloud, step: StepPlan) -> None:
    try:
        server = cloud.server(step.target.id)
    except NotFound:
        raise FaultError(f"{step.target.name} ({step.target.id}) is gone") from None
    if server.status != "ACTIVE" or server.task_state:
        raise FaultError(f"{step.target.name} is {server.status} {server.task_state}, not ACTIVE".replace("  ", " "))


def _pause(step: StepPlan, world: World) -> None:
    _require_active(world.cloud, step)
    _act(world.cloud, step, world.cloud.pause_server, "PAUSED")


def _stop(step: StepPlan, world: World) -> None:
    _require_active(world.cloud, step)
    _act(world.cloud, step, world.cloud.stop_server, "SHUTOFF")


def _delete(step: StepPlan, world: World) -> None:
    _require_active(world.cloud, step)
    world.cloud.delete_server(step.target.id)
    world.cloud.wait_gone(step.target.id, timeout=ACT)


def _bring_back(step: StepPlan, world: World, act: Callable[[str], None], broken: str) -> None:
    """Take back our own act only: a server that someone else has changed meanwhile is theirs, and `verify` tells it."""
    try:
        server = world.cloud.wait_server(step.target.id, lambda _: True, timeout=ACT)
    except NotFound:
        return
    if server.status == broken:
        _act(world.cloud, step, act, "ACTIVE")


def _unpause(step: StepPlan, world: World) -> None:
    _bring_back(step, world, world.cloud.unpause_server, "PAUSED")


def _start(step: StepPlan, world: World) -> None:
    _bring_back(step, world, world.cloud.start_server, "SHUTOFF")


def _redeploy(step: StepPlan, world: World) -> None:
    """Wait out a delete that is under way, then deploy; a VM that never went away is left as it is."""
    cloud = world.cloud
    try:
        server = cloud.server(step.target.id)
        if not server.task_state and server.status == "ACTIVE":
            return
        cloud.wait_gone(step.target.id, timeout=ACT)
    except NotFound:
        pass
    if world.site.adopted:
        raise FaultError(f"{step.target.name} is lost", hint="deploy it again: chaosjc does not know how others did")
    with world.deploying:
        deploy.deploy(open_site(world.site, state=world.context.state, only=[step.target.name], cloud=cloud))


def _verify(step: StepPlan, world: World) -> Answer:
    try:
        outcome, why = _state(step.target.id, step, world)
    except ChaosJCError as error:
        return Answer("unknown", str(error))
    return _with_bricks(step, world) if outcome == "whole" else Answer(outcome, why)


def _state(uuid: str, step: StepPlan, world: World) -> tuple[Outcome, str]:
    ways = Ways(world.cloud, world.ssh, world.site.bastion, exporter=world.site.managed)
    return vm_state(uuid, step.target.name, ways)


def _with_bricks(step: StepPlan, world: World) -> Answer:
    """A VM that carries bricks is of no use before they are."""
    bricks = cast("list[tuple[str, str]]", step.options.get("bricks") or [])
    answers = (brick.verify_place(step, world, volume, path) for volume, path in bricks)
    return next((each for each in answers if each.outcome != "whole"), Answer("whole"))


def _verify_successor(step: StepPlan, world: World) -> Answer:
    """Whole when a VM of this name is, the old one or a new one."""
    try:
        servers = [server for server in world.cloud.servers() if server.name == step.target.name]
        if not servers:
            return Answer("broken", f"no server is named {step.target.name}")
        outcome, why = _state(servers[0].id, step, world)
    except ChaosJCError as error:
        return Answer("unknown", str(error))
    if outcome == "whole":
        return _with_bricks(step, world)
    return Answer("broken" if outcome == "gone" else outcome, why)


def _prepare(step: StepPlan, world: World) -> None:
    """The cloud accepts the credentials and knows the server; the way to it is open."""
    world.cloud.server(step.target.id)
    world.ssh.login(step.target.name)


BY_NOVA, BY_DEPLOY = Way("cloud", cuts=True), Way("deploy", cuts=True)
PAUSE = Fault(Pause, partial(_plan, "vm.pause"), _pause, _unpause, _verify, _prepare, BY_NOVA)
STOP = Fault(Stop, partial(_plan, "vm.stop"), _stop, _start, _verify, _prepare, BY_NOVA)
DELETE = Fault(Delete, partial(_plan, "vm.delete"), _delete, _redeploy, _verify_successor, _prepare, BY_DEPLOY)
