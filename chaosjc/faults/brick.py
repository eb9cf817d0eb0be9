"""Faults of a GlusterFS brick's process: `brick.kill` is a crash, `brick.freeze` a hang that keeps its connections.

A killed brick stays dead until glusterd is told to start it; a frozen one answers nothing, while its kernel still
accepts what is sent, so that clients wait for their ping-timeout.
"""

from __future__ import annotations

import shlex
from typing import Annotated, Any, Literal, cast

from pydantic import JsonValue, StringConstraints

from chaosjc.drivers.gluster import Gluster
from chaosjc.drivers.ssh import Unreachable
from chaosjc.errors import FaultError
from chaosjc.faults import held
from chaosjc.faults.fault import Fault, FaultEntry, Way
from chaosjc.faults.held import HeldEntry, HostEntry
from chaosjc.faults.target import Chosen, Wants
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import StepPlan, Target
from chaosjc.site import discover
from chaosjc.site.topology import Brick
from chaosjc.spec.scalars import Duration

VolumeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
REBUILD = "`chaosjc site deploy` rebuilds it"


class Kill(HostEntry):
    """End the brick's process with SIGKILL. `duration` is how long it stays dead before it is started again."""

    fault: Literal["brick.kill"] = "brick.kill"
    volume: VolumeName
    heal_within: Duration = 60.0
    """How long the undo may take until the brick answers."""

    @property
    def wants(self) -> Wants:
        """See FaultEntry."""
        return Wants(volume=self.volume)


class Freeze(HeldEntry):
    """Stop the brick's process with SIGSTOP: it hangs, and its connections stay open."""

    fault: Literal["brick.freeze"] = "brick.freeze"
    volume: VolumeName

    @property
    def wants(self) -> Wants:
        """See FaultEntry."""
        return Wants(volume=self.volume)


def each_brick(chosen: Chosen, volume: str, prefix: str) -> list[tuple[str, Target, Brick]]:
    """Every brick of the volume that a target carries, with the id of its step; as a rule there is one on a VM."""
    found = [(target, chosen.bricks_of(target, volume)) for target in chosen.targets]
    return [
        (f"{prefix}.{target.name}" + (f".{number}" if number > 1 else ""), target, brick)
        for target, bricks in found
        for number, brick in enumerate(bricks, 1)
    ]


def place(brick: Brick) -> dict[str, JsonValue]:
    """Options of a step that breaks this brick."""
    return {"volume": brick.volume, "path": brick.path}


def request(step: StepPlan, **more: Any) -> dict[str, Any]:
    """What the program on the target must know of the brick."""
    return {"volume": step.options["volume"], "path": step.options["path"], "file": "", "leave": 0.0, **more}


def verify(step: StepPlan, world: World) -> Answer:
    """The brick's process runs, untouched, glusterd has it online, and its port answers."""
    return held.look(step, world, "brick", request(step))


def verify_place(step: StepPlan, world: World, volume: str, path: str) -> Answer:
    """The same of any brick on the step's target."""
    return held.look(step, world, "brick", {"volume": volume, "path": path, "file": "", "leave": 0.0})


# ------------------------------------------------------------------ brick.kill


def _plan_kill(entry: FaultEntry, chosen: Chosen, prefix: str) -> tuple[StepPlan, ...]:
    fault = cast("Kill", entry)
    return tuple(
        StepPlan(
            id=id,
            fault="brick.kill",
            target=target,
            start=fault.start,
            duration=fault.duration,
            options=place(brick),
            inject=f"kill the process of {brick.id}",
            undo=f"gluster volume start {brick.volume} force, unless a brick of it is empty",
            inject_timeout=held.ACT,
            strikes_within=held.ACT,
            undo_timeout=fault.heal_within,
            gone_is_clean=True,
        )
        for id, target, brick in each_brick(chosen, fault.volume, prefix)
    )


def _kill(step: StepPlan, world: World) -> None:
    held.ask(world, step.target.name, "brick", request(step, verb="kill"))


def _start(step: StepPlan, world: World) -> None:
    """Start what is dead; `force` would also start a brick that has lost its data, and pass it off as a whole one."""
    if verify(step, world).outcome == "whole":
        return
    name, volume = step.target.name, str(step.options["volume"])
    gluster = Gluster.over(world.ssh, [name], timeout=held.ACT, clock=world.clock)
    layout = gluster.volume(volume)
    for brick in layout.bricks if layout else ():
        if not _marked(world, brick.host, brick.path):
            raise FaultError(f"{brick.id} has lost its data: starting {volume} would hide it", hint=REBUILD)
    gluster.start(volume, force=True)


def _marked(world: World, host: str, path: str) -> bool:
    """Whether the brick has its data; one whose VM does not run will not be started either."""
    vm = _vm(world, host)
    try:
        return bool(held.ask(world, vm, "brick", {"verb": "marked", "path": path})["marked"])
    except Unreachable as error:
        if any(each.name == vm and each.status == "ACTIVE" for each in discover.present(world.site, world.cloud)):
            raise FaultError(f"nobody can say whether {host}:{path} has its data: {error.message}") from error
        return True


def _vm(world: World, host: str) -> str:
    """The VM that a layout names, by its name or its address. FaultError where it is none of the site's."""
    for machine in world.site.machines:
        if host in (machine.name, machine.address):
            return machine.name
    for vm in discover.present(world.site, world.cloud):
        if vm.called(host):
            return vm.name
    raise FaultError(
        f"nobody can say whether the brick on {host} has its data: no VM of the site has that name or address",
        hint="look at it there; `gluster volume start VOLUME force` would also start a brick that lost its files",
    )


# ------------------------------------------------------------------ brick.freeze


def _plan_freeze(entry: FaultEntry, chosen: Chosen, prefix: str) -> tuple[StepPlan, ...]:
    fault = cast("Freeze", entry)
    return tuple(
        held.step(fault, "brick.freeze", target, (id, f"stop the process of {brick.id}", "let it go on"), place(brick))
        for id, target, brick in each_brick(chosen, fault.volume, prefix)
    )


def _thaw(step: StepPlan) -> list[list[str]]:
    """By the pid file, for the process may be another by now: that one is not harmed by it."""
    dashed = shlex.quote(str(step.options["path"]).replace("/", "-"))
    return [["sh", "-c", f"kill -CONT $(cat /var/run/gluster/vols/{step.options['volume']}/*{dashed}.pid)"]]


def _freeze(step: StepPlan, world: World) -> None:
    held.hold(step, world, "brick", request(step, what="freeze"), _thaw(step))


def _unfreeze(step: StepPlan, world: World) -> None:
    held.end(step, world, _thaw(step))


KILL = Fault(Kill, _plan_kill, _kill, _start, verify, held.prepare, Way("ssh"))
FREEZE = Fault(Freeze, _plan_freeze, _freeze, _unfreeze, verify, held.prepare, Way("ssh"))
