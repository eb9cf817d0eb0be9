"""`fault: command`: breaks anything else, by argument lists that the file gives."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal, Self, cast

from pydantic import Field, field_validator, model_validator

from chaosjc.drivers import command as local
from chaosjc.drivers.command import Completed
from chaosjc.drivers.openstack import NotFound
from chaosjc.errors import ChaosJCError, CommandError, FaultError, RemoteError
from chaosjc.faults.fault import Fault, FaultEntry, Way
from chaosjc.faults.held import ACT
from chaosjc.faults.target import Chosen, TargetChoice
from chaosjc.faults.world import Answer, World
from chaosjc.journal import clear
from chaosjc.journal.events import StepPlan, Target
from chaosjc.spec.scalars import Duration

Argv = tuple[str, ...]
ASK = 30.0  # seconds in which the cloud tells whether the host is still there
MARK = "CHAOSJC_STEP"  # in the environment of every inject, so that an undoer finds what is still running


class CommandFault(FaultEntry):
    """`undo` and `verify` are required, or a reason why there is none."""

    fault: Literal["command"] = "command"
    inject: Argv = Field(min_length=1)
    undo: Argv = ()
    verify: Argv = ()
    """Exit code 0 means whole again."""
    irreversible: str = ""
    host: str | None = None
    """A VM of the site to run all three on, over SSH; else they run here."""
    timeout: Duration = 30.0
    """Of each of the three."""

    @field_validator("inject", "undo", "verify")
    @classmethod
    def _no_secrets(cls, argv: Argv) -> Argv:
        return clear.refuse_argv(argv)

    @model_validator(mode="after")
    def _reversible(self) -> Self:
        if not self.irreversible and not (self.undo and self.verify):
            raise ValueError("`undo` and `verify` are required, or `irreversible` with the reason")
        return self

    @property
    def choice(self) -> TargetChoice | None:
        """A host is a VM like any other: the site's policy must allow it."""
        return TargetChoice(name=self.host) if self.host else None


def _plan(entry: FaultEntry, chosen: Chosen, prefix: str) -> tuple[StepPlan, ...]:
    fault = cast("CommandFault", entry)
    if fault.host and not chosen.targets:
        return ()
    here = Target(id="local", name="this machine", kind="command", why="the file names no host")
    target = chosen.targets[0] if chosen.targets else here
    step = StepPlan(
        id=f"{prefix}.{fault.host or 'local'}",
        fault="command",
        target=target,
        start=fault.start,
        duration=fault.duration,
        options={
            "inject": list(fault.inject),
            "undo": list(fault.undo),
            "verify": list(fault.verify),
            "host": fault.host or "",
            "timeout": fault.timeout,
        },
        inject=" ".join(fault.inject),
        undo=" ".join(fault.undo) or f"none: {fault.irreversible}",
        inject_timeout=fault.timeout + (ASK if fault.host else 0.0),
        undo_timeout=fault.timeout,
        strikes_within=ACT if fault.host else None,  # a connection that broke is no answer
        irreversible=fault.irreversible,
    )
    return (step,)


def _argv(step: StepPlan, verb: str) -> list[str]:
    return [str(word) for word in cast("list[object]", step.options.get(verb) or [])]


def _unit(step: StepPlan, world: World) -> str:
    return f"chaosjc-{world.run}-{step.id}.service"


def _mark(step: StepPlan, world: World) -> str:
    return f"{world.run}/{step.id}"


def _run(step: StepPlan, world: World, verb: str, *, check: bool) -> Completed:
    argv, host = _argv(step, verb), str(step.options.get("host") or "")
    timeout = float(cast("float", step.options.get("timeout") or 30.0))
    if not host:
        env = {**world.context.environment, MARK: _mark(step, world)}  # where clouds.yaml was: an argv may ask a cloud
        return local.run(argv, timeout=timeout, check=check, env=env, cwd=_directory(world))
    if verb == "inject":
        # A unit of the host's own: the undo can end it there, though the run, or the connection, has died.
        words = [word.replace("$", "$$") for word in argv]  # systemd would put in variables of its own
        argv = ["systemd-run", "--quiet", "--collect", "--wait", "--pipe", f"--unit={_unit(step, world)}", "--", *words]
    return world.ssh.run(host, _as_root(argv), timeout=timeout, check=check)


def _directory(world: World) -> Path | None:
    """Where the run was started, so that an undo from elsewhere finds the same files."""
    there = Path(world.context.directory) if world.context.directory else None
    return there if there and there.is_dir() else None


def _as_root(argv: list[str]) -> list[str]:
    return ["sudo", "-n", "--", *argv]


def _gone(step: StepPlan, world: World) -> bool:
    """Whether the host is no more, whatever bears its name. RemoteError where the cloud does not tell."""
    if not (step.options.get("host") and step.target.kind == "vm" and world.has_site):
        return False
    try:
        world.cloud.server(step.target.id)
    except NotFound:
        return True
    return False


def _require(step: StepPlan, world: World) -> None:
    if _gone(step, world):
        raise FaultError(f"{step.target.name} ({step.target.id}) is gone")


def _inject(step: StepPlan, world: World) -> None:
    _require(step, world)
    _run(step, world, "inject", check=True)


def _undo(step: StepPlan, world: World) -> None:
    """End an inject that is still running, then do what the file says; nothing to a successor of the host."""
    with contextlib.suppress(RemoteError):  # a cloud that does not tell must not keep the host broken
        if _gone(step, world):
            return
    if host := str(step.options.get("host") or ""):
        stop = ["systemctl", "stop", _unit(step, world)]
        world.ssh.run(host, _as_root(stop), timeout=30, check=False)
    else:
        local.end_marked(MARK, _mark(step, world))
    if not _argv(step, "undo"):
        raise FaultError(f"{step.id}: the file gives no undo: {step.irreversible}")
    _run(step, world, "undo", check=True)


def _verify(step: StepPlan, world: World) -> Answer:
    try:
        if _gone(step, world):
            return Answer("gone", f"Nova knows no server {step.target.id}")
        done = _run(step, world, "verify", check=False)
    except CommandError as error:
        return Answer("unknown", error.message)
    except ChaosJCError as error:
        return Answer("unknown", str(error))
    if done.returncode == 0:
        return Answer("whole")
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return Answer("broken", f"verify ended with {done.returncode}" + (f": {said[-1][:200]}" if said else ""))


def _prepare(step: StepPlan, world: World) -> None:
    """The host is there and can be reached; what the commands themselves need, only they know."""
    _require(step, world)
    if host := str(step.options.get("host") or ""):
        world.ssh.run(host, _as_root(["true"]), timeout=15)


COMMAND = Fault(CommandFault, _plan, _inject, _undo, _verify, _prepare, Way("host", cuts=True))
