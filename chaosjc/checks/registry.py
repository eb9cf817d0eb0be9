"""Which checks there are, and the only three things that are done with one: plan it, ask it, ask for its past."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from chaosjc.checks import balancer, command, gluster, http, kubernetes, promql, vm
from chaosjc.checks.entry import CheckEntry, Names, observed
from chaosjc.checks.sources import Sources, bounded
from chaosjc.errors import ChaosJCError
from chaosjc.journal.events import CheckPlan, HypothesisPlan, Reading
from chaosjc.spec.model import FirstWord

Ask: TypeAlias = Callable[[CheckPlan, Sources], tuple[Reading, ...]]


@dataclass(frozen=True)
class Kind:
    """How one kind of check is asked; it may raise any ChaosJCError. `needs` are fields of Sources."""

    ask: Ask
    needs: frozenset[str]


KINDS: Mapping[str, Kind] = {
    "promql": Kind(promql.ask, frozenset({"prometheus"})),
    "http": Kind(http.ask, frozenset({"http"})),
    "command": Kind(command.ask, frozenset()),
    "vm": Kind(vm.ask, frozenset({"cloud", "ssh"})),
    "gluster.healed": Kind(gluster.ask_healed, frozenset({"gluster", "cloud", "ssh"})),
    "gluster.bricks_online": Kind(gluster.ask_bricks_online, frozenset({"gluster", "ssh"})),
    "gluster.split_brain": Kind(gluster.ask_split_brain, frozenset({"gluster", "ssh"})),
    "gluster.writable": Kind(gluster.ask_writable, frozenset({"gluster", "ssh"})),
    "gluster.peers": Kind(gluster.ask_peers, frozenset({"gluster", "ssh"})),
    "node.ready": Kind(kubernetes.ask_nodes, frozenset({"kubernetes", "ssh"})),
    "pod.ready": Kind(kubernetes.ask_pods, frozenset({"kubernetes", "ssh"})),
    "lb.members": Kind(balancer.ask, frozenset({"cloud"})),
}

NAMED: Mapping[str, type[CheckEntry]] = {
    "vm": vm.VmCheck,
    "gluster.healed": gluster.HealedCheck,
    "gluster.bricks_online": gluster.BricksOnlineCheck,
    "gluster.split_brain": gluster.SplitBrainCheck,
    "gluster.writable": gluster.WritableCheck,
    "gluster.peers": gluster.PeersCheck,
    "node.ready": kubernetes.NodeCheck,
    "pod.ready": kubernetes.PodCheck,
    "lb.members": balancer.MembersCheck,
}
"""The model of each `check: NAME`."""

WORDS: Mapping[str, type[CheckEntry]] = {
    "promql": promql.PromqlCheck,
    "http": http.HttpCheck,
    "command": command.CommandCheck,
}
"""The model of each other first word."""

Check: TypeAlias = Annotated[CheckEntry, FirstWord({**WORDS, "check": NAMED})]
"""An entry of a file's `hypotheses` or `recovery.until`."""

Observation: TypeAlias = Annotated[
    CheckEntry,
    FirstWord(
        {
            **{word: observed(model) for word, model in WORDS.items()},
            "check": {name: observed(model) for name, model in NAMED.items()},
        }
    ),
]
"""An entry of a file's `observe`: the same questions, with nothing expected of the answers."""


def check_plan(entry: CheckEntry, id: str, names: Names) -> CheckPlan:
    """The question as data; `id` is the caller's to give. Pure."""
    return CheckPlan(
        id=id,
        name=entry.name or entry.title(names),
        kind=entry.kind,
        options=entry.options(names),
        expect=str(entry.expect),
        every=entry.every,
        timeout=entry.timeout,
        require=entry.require,
        series=entry.series,
    )


def hypothesis_plan(entry: CheckEntry, id: str, names: Names) -> HypothesisPlan:
    """The same with what the file claims of it."""
    return HypothesisPlan(
        **check_plan(entry, id, names).model_dump(),
        phases=entry.phases,
        tolerate=entry.tolerate,
        min_coverage=entry.min_coverage,
        stop=entry.stop,
    )


def needs(plans: Iterable[CheckPlan]) -> frozenset[str]:
    """Which of `prometheus`, `http`, `ssh`, `cloud`, `gluster` and `kubernetes` these checks are asked through."""
    found: set[str] = set()
    for plan in plans:
        found |= KINDS[plan.kind].needs
        if plan.kind == "command" and plan.options.get("host"):
            found.add("ssh")
    return frozenset(found)


def ask(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """What a check answers now, within its timeout. Never raises: where no answer came, one reading says why."""
    try:
        return bounded(lambda: KINDS[plan.kind].ask(plan, sources), plan.timeout)
    except Exception as error:  # noqa: BLE001 - who asks must go on asking, whatever is wrong with the answer
        return (Reading(time=sources.clock.time(), why=_why(error)),)


def backfill(plan: CheckPlan, sources: Sources, start: float, end: float) -> tuple[Reading, ...]:
    """What was measured in a stretch of the past, for checks whose source remembers; () for all others.

    Never raises: where the source did not answer, one reading says why.
    """
    if plan.kind != "promql":
        return ()
    try:
        return bounded(lambda: promql.backfill(plan, sources, start, end), promql.BACKFILL_TIMEOUT + plan.timeout)
    except Exception as error:  # noqa: BLE001 - the run is to have its verdict
        return (Reading(time=end, why=_why(error)),)


def lag(plans: Iterable[CheckPlan], sources: Sources) -> float:
    """How long until the sources can tell all that is measured now, seconds. Never raises; asks all at once."""

    def one(plan: CheckPlan) -> float:
        try:
            return bounded(lambda: promql.lag(plan, sources), plan.timeout)
        except Exception:  # noqa: BLE001 - as above
            return 2 * plan.every

    delayed = [plan for plan in plans if plan.kind == "promql"]
    with ThreadPoolExecutor(max(len(delayed), 1)) as pool:
        return max(pool.map(one, delayed), default=0.0)


def _why(error: Exception) -> str:
    """What a source said; anything else is a mistake of our own, and is called so."""
    if isinstance(error, ChaosJCError):
        return error.message
    return f"internal error: {type(error).__name__}: {error}"
