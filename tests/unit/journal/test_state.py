"""A run's state is the same whether its events are read together or one by one as they come."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from chaosjc.journal.events import (
    Admitted,
    Closed,
    DebtCleared,
    Entry,
    Event,
    Injected,
    InjectFailed,
    Intent,
    NotRecovered,
    Outcome,
    Planned,
    Reading,
    Recovered,
    RecoveryPlan,
    Refused,
    Sample,
    Settling,
    StepPlan,
    Stopping,
    Target,
    UndoClaimed,
    UndoFailed,
    Undone,
    Verified,
)
from chaosjc.journal.phases import moments, present
from chaosjc.journal.state import fold, following
from tests.unit.journal.story import journal, story


def step(id: str, irreversible: str = "") -> StepPlan:
    return StepPlan(id=id, fault="x", target=Target(id=id, name=id), duration=5, irreversible=irreversible)


PLANNED = Planned(
    experiment="x", steps=(step("a"), step("b", "a test")), recovery=RecoveryPlan(within=60, until=()), settle=5
)
steps, epochs = st.sampled_from("abc"), st.integers(1, 3)
events: st.SearchStrategy[Event] = st.one_of(
    st.sampled_from([
        PLANNED,
        Admitted(),
        Refused(guard="g", code="c", reason="r"),
        Stopping(cause="stop", why="s"),
        Stopping(cause="halt", why="h"),
        Recovered(since=7.0),
        Recovered(since=8.0),
        NotRecovered(why="n"),
        Settling(),
        Closed(verdict="PASS", code="held", reason="all held"),
        Sample(check="h1", readings=(Reading(time=1.0, value=1.0),)),
    ]),
    st.builds(Intent, step=steps, owner=st.just("run")),
    st.builds(Injected, step=steps),
    st.builds(InjectFailed, step=steps, why=st.sampled_from(["", "no"])),
    st.builds(UndoClaimed, step=steps, owner=st.just("run"), epoch=epochs),
    st.builds(Undone, step=steps, epoch=epochs),
    st.builds(UndoFailed, step=steps, epoch=epochs, why=st.just("busy")),
    st.builds(Verified, step=steps, epoch=epochs, outcome=st.sampled_from(get_args(Outcome))),
    st.builds(DebtCleared, step=steps, abandoned=st.sampled_from(["", "gone"])),
)  # fmt: skip


@given(told=st.lists(st.tuples(events, st.floats(0, 3)), max_size=40))
def test_applied_one_by_one_is_as_folded(told: list[tuple[Event, float]]) -> None:
    at, entries = 0.0, list[Entry]()
    state = following(None, Entry(seq=0, at=0.0, run="r1", event=Admitted()))
    assert state is None, "what precedes the plan tells nothing"
    for seq, (event, later) in enumerate(told):
        at += later
        entries.append(Entry(seq=seq, at=at, run="r1", event=event))
        state = following(state, entries[-1])
        folded = fold(entries)
        assert state == folded
        assert present(state, at + 1) == present(folded, at + 1)
        if state and folded:
            assert moments(state) == moments(folded) and moments(state).last == at


def test_of_what_comes_once_the_first_counts() -> None:
    entries = journal(story({"samples": {}}))
    again = [entry.model_copy(update={"at": entry.at + 100}) for entry in entries]
    first, twice = fold(entries), fold([*entries, *again])
    assert first and twice
    once = (first.admitted_at, first.recovered_since, first.settling_at)
    assert (twice.admitted_at, twice.recovered_since, twice.settling_at) == once
    assert twice.newest_at == first.newest_at + 100


def test_a_copy_stays_as_it_was() -> None:
    entries = journal(story({"samples": {}}))
    state = fold(entries[:3])
    assert state
    kept = state.copy()
    for entry in entries[3:]:
        state.apply(entry)
    assert kept == fold(entries[:3]) and kept != state
