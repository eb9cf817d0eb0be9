"""What faults have in common that a unit on their target holds: each lasts exactly as long as its unit does.

The unit is transient, named by run and step. It carries everything that the way back needs: however its main process
ends, systemd runs the commands that `release` the target, and at `deadline` it ends the unit by itself. That is the
dead-man's timer: it needs no network, no SSH, and nobody who remembers the run.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import Field, JsonValue

from chaosjc.drivers.command import Completed
from chaosjc.drivers.openstack import NotFound
from chaosjc.drivers.ssh import Unreachable
from chaosjc.errors import ChaosJCError, FaultError
from chaosjc.faults.fault import FaultEntry
from chaosjc.faults.remote import Family, program
from chaosjc.faults.target import TargetChoice
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import StepPlan, Target
from chaosjc.spec.scalars import Duration, format_duration

ACT = 20.0  # seconds for one request to a target
START = 15.0  # seconds in which a unit has brought its fault about, or is given up
END = 5.0  # seconds for its main process to end, before it is killed
HEAL = 60.0  # seconds in which a target is of use again, once its unit has ended

Argv = Sequence[str]


class HostEntry(FaultEntry):
    """An entry that breaks something on VMs."""

    target: TargetChoice

    @property
    def choice(self) -> TargetChoice | None:
        """As the file says."""
        return self.target


class TimedEntry(FaultEntry):
    """One whose fault the target itself ends, if nobody else does."""

    margin: Duration = Field(30.0, ge=5)
    """How long after `duration` the target puts itself back without help."""

    @property
    def deadline(self) -> float:
        """Seconds from the inject until then."""
        return self.duration + self.margin


class HeldEntry(HostEntry, TimedEntry):
    """One of VMs."""


def step(
    entry: TimedEntry, fault: str, target: Target, words: tuple[str, str, str], options: Mapping[str, JsonValue]
) -> StepPlan:
    """The plan of one; `words` are the step's id, and what inject and undo do, for people.

    The option `host` is the VM that holds it, where that is not the target itself.
    """
    id, inject, undo = words
    vm, deadline = options.get("host") or target.name, format_duration(entry.deadline)
    alone = f"without help {vm} does it itself {deadline} after the inject"
    return StepPlan(
        id=id,
        fault=fault,
        target=target,
        start=entry.start,
        duration=entry.duration,
        options={**options, "deadline": entry.deadline},
        inject=inject,
        undo=f"{undo}; {alone}",
        inject_timeout=ACT + START,
        strikes_within=ACT,
        undo_timeout=HEAL,
        gone_is_clean=True,  # nothing of it outlives the VM
    )


def host(step: StepPlan) -> str:
    """The VM that holds it."""
    return str(step.options.get("host") or step.target.name)


def unit(step: StepPlan, world: World) -> str:
    """Its name: no other step of any run has it."""
    return f"chaosjc-{world.run}-{step.id}.service"


def hold(step: StepPlan, world: World, family: Family, request: Mapping[str, Any], release: Sequence[Argv]) -> None:
    """Start the unit; returns once it says that its fault is there. FaultError with its last words where it is not."""
    name = unit(step, world)
    argv = [
        *("systemd-run", "--quiet", "--collect", f"--unit={name}"),
        *("--property=Type=notify", "--property=NotifyAccess=main", "--property=SyslogIdentifier=chaosjc"),
        f"--property=TimeoutStartSec={START:g}",
        f"--property=TimeoutStopSec={END:g}",
        f"--property=RuntimeMaxSec={float(cast('float', step.options['deadline'])):g}",
        *(f"--property=ExecStopPost={_quoted(each)}" for each in release),
        *("--", "python3", "-c", _literal(program(family)), _literal(json.dumps({"verb": "hold", **request}))),
    ]
    done = _run(step, world, argv)
    if done.returncode:
        raise FaultError(f"{host(step)}: {_last_words(step, world) or done.stderr.strip() or 'no reason given'}")


def end(step: StepPlan, world: World, release: Sequence[Argv]) -> None:
    """End the unit, wherever it is in its life, and release the target, whether the unit did or never began."""
    _run(step, world, ["systemctl", "stop", unit(step, world)])
    for argv in release:
        _run(step, world, argv)  # what is not there cannot be taken away, and `look` tells what is


def ask(world: World, vm: str, family: Family, request: Mapping[str, Any]) -> dict[str, Any]:
    """One question to a VM's program. FaultError with its last words where it fails; Unreachable, CommandTimeout."""
    argv = ["sudo", "-n", "--", "python3", "-", json.dumps(request)]
    done = world.ssh.run(vm, argv, stdin=program(family), timeout=ACT, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise FaultError(f"{vm}: {said[-1] if said else f'exit code {done.returncode}'}")
    return json.loads(done.stdout)


def look(step: StepPlan, world: World, family: Family, request: Mapping[str, Any]) -> Answer:
    """Whole where the program finds nothing left; gone where the VM is, and no other has its name."""
    try:
        said = ask(world, host(step), family, {"verb": "look", "unit": unit(step, world), **request})
    except Unreachable as error:
        return _missing(step, world) or Answer("unknown", error.message)
    except ChaosJCError as error:
        return Answer("unknown", error.message)
    return Answer("broken", "; ".join(said["left"])) if said["left"] else Answer("whole", said.get("said", ""))


def prepare(step: StepPlan, world: World) -> None:
    """The way to the target is open, and root can be had there."""
    done = _run(step, world, ["true"])
    if done.returncode:
        raise FaultError(f"{host(step)}: no command runs as root: {done.stderr.strip()}")


def _missing(step: StepPlan, world: World) -> Answer | None:
    try:
        if any(server.name == host(step) for server in world.cloud.servers()):
            return None
        if host(step) != step.target.name:
            return Answer("gone", f"Nova knows no server {host(step)}")
        world.cloud.server(step.target.id)
    except NotFound:
        return Answer("gone", f"Nova knows no server {step.target.id}")
    except ChaosJCError:
        return None
    return None


def _run(step: StepPlan, world: World, argv: Argv) -> Completed:
    return world.ssh.run(host(step), ["sudo", "-n", "--", *argv], timeout=ACT + START, check=False)


def _last_words(step: StepPlan, world: World) -> str:
    words = ("journalctl", "--quiet", "--output=cat", "--lines=1", "--identifier=chaosjc")
    return _run(step, world, [*words, f"--unit={unit(step, world)}"]).stdout.strip()


def _literal(word: str) -> str:
    """systemd would put in variables of its own."""
    return word.replace("$", "$$")


def _quoted(argv: Argv) -> str:
    """A command as systemd reads it: `-` whatever it ends with, `:` with no variables put in; it says nothing."""
    script = f"exec {shlex.join(argv)} >/dev/null 2>&1"
    escaped = script.replace("\\", "\\\\").replace('"', '\\"')
    return f'-:/bin/sh -c "{escaped}"'
