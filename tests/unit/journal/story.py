"""Small journals for tests: the events of a run that went well, with what a case changes, and samples as text.

samples    one sign for each `every` or `spacing` seconds from -5: `+` held (1), `-` violated (0), `?` a reading without
           a value, `.` nothing was asked; a number repeats it: `+7 -3 +23`. Blanks mean nothing.
change     event → new time, new fields, or null to drop it: `{verified: {outcome: broken}, recovered: null}`
add        further events: `[[9, stopping, {cause: signal, why: Ctrl-C}]]`
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaosjc.journal.events import (
    EVENT,
    CheckPlan,
    Entry,
    HypothesisPlan,
    Planned,
    Reading,
    RecoveryPlan,
    Sample,
    StepPlan,
    Target,
)

STANDARD: tuple[tuple[float, str, dict[str, Any]], ...] = (
    (0, "admitted", {}),
    (1, "intent", {"step": "f1.hub", "owner": "run"}),
    (2, "injected", {"step": "f1.hub"}),
    (12, "undo-claimed", {"step": "f1.hub", "owner": "run", "epoch": 1}),
    (13, "undone", {"step": "f1.hub", "epoch": 1}),
    (14, "verified", {"step": "f1.hub", "epoch": 1, "outcome": "whole"}),
    (17, "recovered", {"since": 15}),
    (18, "settling", {}),
)
"""before -5 … 0, during 1 … 14, recovering 14 … 15, after 18 … 28."""

VALUES = {"+": 1.0, "-": 0.0}


@dataclass(frozen=True)
class Story:
    """What a case says."""

    hypotheses: Mapping[str, Mapping[str, Any]]
    samples: Mapping[str, str]
    recovery: Mapping[str, Any]
    change: Mapping[str, Any]
    step: Mapping[str, Any]
    spacing: float | None
    add: tuple[tuple[float, str, dict[str, Any]], ...] = ()


def story(case: Mapping[str, Any]) -> Story:
    return Story(
        hypotheses=case.get("hypotheses", {"hub": {}}),
        samples=case.get("samples", {"hub": "+33"}),
        recovery=case.get("recovery", {}),
        change=case.get("change", {}),
        step=case.get("step", {}),
        spacing=case.get("spacing"),
        add=tuple((float(at), type_, fields) for at, type_, fields in case.get("add", ())),
    )


def journal(told: Story) -> list[Entry]:
    """The entries of a run, in order of time."""
    events = [(at, {"type": type_} | fields) for at, type_, fields in _changed(told) + list(told.add)]
    entries = [(-6.0, planned(told)), *((at, EVENT.validate_python(event)) for at, event in events)]
    entries += [(sample.readings[0].time, sample) for sample in samples(told)]
    entries.sort(key=lambda entry: entry[0])
    return [Entry(seq=seq, at=at, run="r1", event=event) for seq, (at, event) in enumerate(entries, 1)]


def planned(told: Story) -> Planned:
    hypotheses = tuple(
        HypothesisPlan.model_validate({"id": name, "name": name, "kind": "http", "expect": "== 1"} | dict(options))
        for name, options in told.hypotheses.items()
    )
    until = tuple(
        CheckPlan(id=name, name=name, kind="http", expect="== 1") for name in told.recovery.get("until", ["r1"])
    )
    target = Target(id="u1", name="hub-vm")
    step = StepPlan.model_validate(
        {"id": "f1.hub", "fault": "command", "target": target, "undo": "start hub-vm"} | dict(told.step)
    )
    return Planned(
        experiment="case",
        hypotheses=hypotheses,
        steps=(step,),
        recovery=RecoveryPlan(within=told.recovery.get("within", 30), until=until),
        baseline=5,
        settle=10,
    )


def samples(told: Story) -> list[Sample]:
    """`hub` are live samples of a check, `hub/a` those of its series a, `hub backfill` what was backfilled."""
    found: list[Sample] = []
    for name, signs in told.samples.items():
        place, _, source = name.partition(" ")
        check, _, series = place.partition("/")
        every = told.spacing or float(told.hypotheses.get(check, {}).get("every", 1))
        found += [
            Sample.model_validate({"check": check, "source": source or "live", "readings": (reading,)})
            for reading in readings(signs, series, every)
        ]
    return found


def readings(signs: str, series: str = "", every: float = 1, start: float = -5) -> list[Reading]:
    found: list[Reading] = []
    place = 0
    for sign, count in re.findall(r"([-+?.])\s*(\d*)", signs):
        for _ in range(int(count or 1)):
            time = start + place * every
            place += 1
            if sign == "?":
                found.append(Reading(series=series, time=time, why="timeout"))
            elif sign != ".":
                found.append(Reading(series=series, time=time, value=VALUES[sign]))
    return found


def _changed(told: Story) -> list[tuple[float, str, dict[str, Any]]]:
    found: list[tuple[float, str, dict[str, Any]]] = []
    for at, type_, fields in STANDARD:
        change = told.change.get(type_, {})
        if change is None:
            continue
        if isinstance(change, int | float):
            found.append((float(change), type_, fields))
        else:
            found.append((float(change.get("at", at)), type_, fields | {k: v for k, v in change.items() if k != "at"}))
    return found
