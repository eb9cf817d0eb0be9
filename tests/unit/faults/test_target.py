"""Targeting is seeded, never draws what may not be broken, and tells why."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chaosjc.faults.target import Chosen, TargetChoice, choose
from chaosjc.site.topology import Topology, Vm

ROLES = ("worker", "brick", "monitor", "bastion")


def vm(name: str, role: str = "worker", *, opted_in: bool = True, protected: bool = False) -> Vm:
    return Vm(name, f"uuid-{name}", role, "10.0.0.1", opted_in, protected, "ACTIVE")


WORKERS = Topology(tuple(vm(f"worker-{n:03}") for n in range(1, 6)))


def draw(choice: TargetChoice, topology: Topology = WORKERS, seed: int = 1) -> Chosen:
    return choose(choice, topology, random.Random(seed))


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    flags = draw(st.lists(st.tuples(st.sampled_from(ROLES), st.booleans(), st.booleans()), max_size=20))
    return Topology(tuple(vm(f"vm-{n}", role, opted_in=o, protected=p) for n, (role, o, p) in enumerate(flags)))


@st.composite
def choices(draw: st.DrawFn) -> TargetChoice:
    role = draw(st.sampled_from(ROLES))
    if draw(st.booleans()):
        return TargetChoice(role=role, count=draw(st.integers(1, 8)))
    return TargetChoice(role=role, percent=float(draw(st.integers(0, 100))))


@given(topologies(), choices(), st.integers())
def test_the_same_input_gives_the_same_targets(topology: Topology, choice: TargetChoice, seed: int) -> None:
    assert draw(choice, topology, seed) == draw(choice, topology, seed)


@given(topologies(), choices(), st.integers())
def test_what_may_not_be_broken_is_never_drawn(topology: Topology, choice: TargetChoice, seed: int) -> None:
    chosen = draw(choice, topology, seed)
    by_id = {each.uuid: each for each in topology.vms}
    for target in chosen.targets:
        drawn = by_id[target.id]
        assert drawn.opted_in and not drawn.protected and drawn.role == choice.role
        assert drawn.role not in ("monitor", "bastion")


@given(topologies(), choices(), st.integers())
def test_every_candidate_is_drawn_left_alone_or_refused(topology: Topology, choice: TargetChoice, seed: int) -> None:
    chosen = draw(choice, topology, seed)
    told = {t.name for t in chosen.targets} | {r.name for r in chosen.refused}
    role = {each.name for each in topology.vms if each.role == choice.role}
    assert role <= told | set(chosen.others) or not chosen.targets
    assert not {t.name for t in chosen.targets} & set(chosen.others)
    assert len(chosen.targets) <= chosen.wanted


def test_count_and_percent() -> None:
    assert len(draw(TargetChoice(role="worker", count=2)).targets) == 2
    assert len(draw(TargetChoice(role="worker", percent=50.0)).targets) == 2
    assert len(draw(TargetChoice(role="worker", percent=1.0)).targets) == 1, "some percent of a role is at least one"


def test_different_seeds_draw_differently() -> None:
    drawn = {draw(TargetChoice(role="worker", count=1), seed=seed).targets[0].name for seed in range(40)}
    assert len(drawn) == 5


def test_targets_are_addressed_by_uuid() -> None:
    target = draw(TargetChoice(name="worker-003")).targets[0]
    assert (target.id, target.name) == ("uuid-worker-003", "worker-003")


def test_others_are_the_eligible_peers() -> None:
    topology = Topology((*WORKERS.vms, vm("worker-006", opted_in=False), vm("brick-001", "brick")))
    assert draw(TargetChoice(name="worker-003"), topology).others == (
        "worker-001",
        "worker-002",
        "worker-004",
        "worker-005",
    )


@pytest.mark.parametrize(
    ("candidate", "code"),
    [
        (vm("x", opted_in=False), "not-opted-in"),
        (vm("x", protected=True), "protected"),
        (vm("x", opted_in=False, protected=True), "protected"),
    ],
)
@pytest.mark.parametrize("choice", [TargetChoice(name="x"), TargetChoice(role="worker", count=1)])
def test_refusals_carry_their_reason(candidate: Vm, code: str, choice: TargetChoice) -> None:
    chosen = draw(choice, Topology((candidate,)))
    assert not chosen.targets
    assert [(r.name, r.code) for r in chosen.refused] == [("x", code)]


def test_the_monitor_is_broken_only_by_name() -> None:
    topology = Topology((vm("monitor", "monitor"),))
    assert draw(TargetChoice(role="monitor", count=1), topology).refused[0].code == "protected"
    assert draw(TargetChoice(name="monitor"), topology).targets[0].name == "monitor"


def test_a_name_that_is_not_there() -> None:
    assert draw(TargetChoice(name="worker-009")).refused[0].code == "target-missing"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"name": "a", "role": "worker"},
        {"name": "a", "count": 1},
        {"role": "worker", "count": 1, "percent": 50.0},
        {"role": "worker", "count": 0},
        {"name": ("a", "b", "a")},
    ],
)
def test_choices_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TargetChoice.model_validate(wrong)
