"""Faults of a brick's disk: `disk.fill` leaves it no space, `disk.slow` makes its process wait."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import Field

from chaosjc.faults import brick, held
from chaosjc.faults.brick import VolumeName
from chaosjc.faults.fault import Fault, FaultEntry, Way
from chaosjc.faults.held import HeldEntry
from chaosjc.faults.target import Chosen, Wants
from chaosjc.faults.world import Answer, World
from chaosjc.journal.events import StepPlan
from chaosjc.spec.scalars import Duration, Percent, format_duration, format_percent

CALLS = (
    *("fsync", "fdatasync", "pwrite64", "pwritev", "pread64", "preadv"),
    *("openat", "ftruncate", "fallocate", "mkdir", "rename", "renameat", "link", "linkat", "unlink", "unlinkat"),
)
"""System calls by which a brick's process works on its files; what asks its cache, or the network, is left out."""


class Fill(HeldEntry):
    """Take the free space of the brick's file system, with a file of our own.

    GlusterFS refuses to write once less than `storage.reserve` is free: 5% on volumes that chaosjc deploys, 1% by
    itself. What `leave` keeps lets a brick note what it has to heal; with 0% not even that. Every brick on the same
    disk is short of space, those of other volumes too.
    """

    fault: Literal["disk.fill"] = "disk.fill"
    volume: VolumeName
    leave: Percent = 0.5

    @property
    def wants(self) -> Wants:
        """See FaultEntry."""
        return Wants(volume=self.volume)


class Slow(HeldEntry):
    """Delay each system call by which the brick's process works on its files."""

    fault: Literal["disk.slow"] = "disk.slow"
    volume: VolumeName
    delay: Annotated[Duration, Field(gt=0, le=10)] = 0.05

    @property
    def wants(self) -> Wants:
        """See FaultEntry."""
        return Wants(volume=self.volume)


def _plan_fill(entry: FaultEntry, chosen: Chosen, prefix: str) -> tuple[StepPlan, ...]:
    fault = cast("Fill", entry)
    return tuple(
        held.step(
            fault,
            "disk.fill",
            target,
            (id, f"fill the disk of {each.id}, all but {format_percent(fault.leave)}", "unlink the file that fills it"),
            {**brick.place(each), "leave": fault.leave},
        )
        for id, target, each in brick.each_brick(chosen, fault.volume, prefix)
    )


def _file(step: StepPlan, world: World) -> str:
    return f".chaosjc-{world.run}-{step.id}"


def _unlink(step: StepPlan, world: World) -> list[list[str]]:
    directory = str(step.options["path"]).rpartition("/")[0]
    return [["rm", "-f", f"{directory}/{_file(step, world)}"]]


def _fill(step: StepPlan, world: World) -> None:
    request = brick.request(step, what="fill", file=_file(step, world), leave=step.options["leave"])
    held.hold(step, world, "brick", request, _unlink(step, world))


def _free(step: StepPlan, world: World) -> None:
    held.end(step, world, _unlink(step, world))


def _verify_free(step: StepPlan, world: World) -> Answer:
    """The file is gone, there is space, and the brick is well."""
    request = brick.request(step, file=_file(step, world), leave=step.options["leave"])
    return held.look(step, world, "brick", request)


def _plan_slow(entry: FaultEntry, chosen: Chosen, prefix: str) -> tuple[StepPlan, ...]:
    fault = cast("Slow", entry)
    calls = f"delay each access of {{}} to its disk by {format_duration(fault.delay)}"
    return tuple(
        held.step(
            fault,
            "disk.slow",
            target,
            (id, calls.format(each.id), "end the tracer that delays them"),
            {**brick.place(each), "delay": fault.delay},
        )
        for id, target, each in brick.each_brick(chosen, fault.volume, prefix)
    )


def _slow(step: StepPlan, world: World) -> None:
    request = brick.request(step, what="slow", delay=step.options["delay"], calls=list(CALLS))
    held.hold(step, world, "brick", request, [])


def _unslow(step: StepPlan, world: World) -> None:
    held.end(step, world, [])


FILL = Fault(Fill, _plan_fill, _fill, _free, _verify_free, held.prepare, Way("ssh"))
SLOW = Fault(Slow, _plan_slow, _slow, _unslow, brick.verify, held.prepare, Way("ssh"))
