"""The events of a run. A run is a sequence of these in the store, and nothing else.

Events are frozen and versioned by their names: a field may be added with a default, never renamed or taken away, so
that the journal of an old release stays readable. Times are seconds since 1970 UTC, durations are seconds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

Phase = Literal["before", "during", "recovering", "after"]
Outcome = Literal["whole", "broken", "gone", "unknown"]
Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT-STARTED", "ABORTED", "UNDO-FAILED"]
Cause = Literal["stop", "blind", "signal", "halt", "deadline", "death", "inject-failed", "error"]
OURS: tuple[Cause, ...] = ("stop", "blind", "inject-failed")  # after these, recovery is still worth measuring
PHASES: tuple[Phase, ...] = ("before", "during", "recovering", "after")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


# ------------------------------------------------------------------ the plan, as data


class CheckPlan(_Record):
    """A question to the site, resolved: `kind` and `options` say how to ask, `expect` what a good answer is.

    `expect` is empty where none is: what is observed is shown, and never judged.
    """

    id: str  # h1, h2, … for hypotheses, o1, … for observations, r1, … for recovery
    name: str
    kind: str  # promql, http, command, or the name of a named check
    options: dict[str, JsonValue] = {}
    expect: str
    every: float = 1.0
    timeout: float = 5.0
    require: Literal["all", "any"] = "all"  # of the series that answer
    series: int | None = None  # how many must answer


class HypothesisPlan(CheckPlan):
    """A check that makes a claim about phases of the run."""

    phases: tuple[Phase, ...] = PHASES
    tolerate: float = 0.0  # violated time in all, from the first injection to recovery
    min_coverage: float = 0.9
    stop: bool = False


class Target(_Record):
    """What a step breaks: `id` never changes meaning (a UUID), `name` is for people and may be reused."""

    id: str
    name: str
    kind: str = "vm"
    role: str = ""
    address: str = ""
    why: str = ""  # why it was chosen


class StepPlan(_Record):
    """One fault on one target. Inject and undo are data, so that any process can do either."""

    id: str
    fault: str
    target: Target
    start: float = 0.0  # after the first injection's due time
    duration: float = 0.0
    options: dict[str, JsonValue] = {}
    inject: str = ""  # one line for people
    undo: str = ""
    inject_timeout: float = 30.0
    strikes_within: float | None = None  # how long an unanswered inject may still begin to act; else its timeout
    undo_timeout: float = 120.0
    irreversible: str = ""  # the reason, where the file says that nothing can undo it
    gone_is_clean: bool = False  # `verified: gone` leaves no residue


class RecoveryPlan(_Record):
    """What must hold, three samples running, within how many seconds of the first undo call."""

    within: float
    until: tuple[CheckPlan, ...]


class Context(_Record):
    """What a process needs to reach the site again; no secrets, only where they lie."""

    state: str = ""  # the directory of the site's own files, where that is not the usual one; absolute
    directory: str = ""  # where the run was started: what its commands' relative paths start from
    site: JsonValue = None  # the site file as it was, for undo by deploy
    site_path: str = ""
    environment: dict[str, str] = {}
    prometheus: str = ""
    version: str = ""
    python: str = ""
    kernel: str = ""
    commit: str = ""  # of the repository that the experiment's file lies in, if it lies in one


class Reached(_Record):
    """One kind of thing that the plan reaches, and how many; `names` of those that bear no person's, some of many."""

    kind: str  # users, pods, replica sets, balancer members, users behind storage
    count: int = 0
    names: tuple[str, ...] = ()
    unknown: str = ""  # why nobody can say


class Fact(_Record):
    """How a part of the site ought to be, and how it was found; `observed` is empty where nobody could tell."""

    name: str
    expected: str
    observed: str = ""


# ------------------------------------------------------------------ the events


class Planned(_Record):
    """Everything that the run means to do."""

    type: Literal["planned"] = "planned"
    experiment: str
    description: str = ""
    path: str = ""
    sha256: str = ""
    source: str = ""  # the file's text
    site: str = ""
    vars: dict[str, JsonValue] = {}
    seed: int = 0
    hypotheses: tuple[HypothesisPlan, ...] = ()
    observations: tuple[CheckPlan, ...] = ()
    steps: tuple[StepPlan, ...] = ()
    recovery: RecoveryPlan
    baseline: float = 5.0
    settle: float = 10.0
    deadline: float = 600.0  # from admission
    targets: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    reached: tuple[Reached, ...] = ()  # the blast radius, as far as the site tells
    facts: tuple[Fact, ...] = ()  # of those parts of the site that the plan was made of
    context: Context = Context()


class Refused(_Record):
    """A guard said no; nothing was touched."""

    type: Literal["refused"] = "refused"
    guard: str
    code: str
    reason: str


class Admitted(_Record):
    """All guards agreed, in one transaction. The phase *before* ends here."""

    type: Literal["admitted"] = "admitted"


class Intent(_Record):
    """Durable before the inject is tried."""

    type: Literal["intent"] = "intent"
    step: str
    owner: str


class Injected(_Record):
    """The inject was answered: the fault is there."""

    type: Literal["injected"] = "injected"
    step: str


class InjectFailed(_Record):
    """The inject was answered with an error; something may have happened all the same."""

    type: Literal["inject-failed"] = "inject-failed"
    step: str
    why: str


class Stopping(_Record):
    """The run ends before its plan does; the rest is undone now. A second one says that a person, or death, came in."""

    type: Literal["stopping"] = "stopping"
    cause: Cause
    why: str


class UndoClaimed(_Record):
    """One process undoes a step: a compare-and-swap on the step's epoch (1, 2, …)."""

    type: Literal["undo-claimed"] = "undo-claimed"
    step: str
    owner: str
    epoch: int


class Undone(_Record):
    """The undo was answered. Only `verified` says that it worked."""

    type: Literal["undone"] = "undone"
    step: str
    epoch: int


class UndoFailed(_Record):
    """One try of the undo failed; more may follow."""

    type: Literal["undo-failed"] = "undo-failed"
    step: str
    epoch: int
    why: str


class Verified(_Record):
    """What a user of the target finds: whole again, gone for good, still broken, or not known."""

    type: Literal["verified"] = "verified"
    step: str
    epoch: int
    outcome: Outcome
    why: str = ""


class Reading(_Record):
    """One answer of one series. `time` is the sample's own time; without a value, `why` says so: it is no data."""

    series: str = ""
    time: float
    value: float | str | None = None
    why: str = ""
    interval: float = 0.0  # until the source's next sample is due (a scrape interval); 0 means the check's `every`


class Sample(_Record):
    """What a check answered at one instant (live), or over a phase (backfill, many readings of a series)."""

    type: Literal["sample"] = "sample"
    check: str
    source: Literal["live", "backfill"] = "live"
    readings: tuple[Reading, ...]


class Recovered(_Record):
    """The recovery checks held three samples running; `since` is the first of them."""

    type: Literal["recovered"] = "recovered"
    since: float


class NotRecovered(_Record):
    """They did not before the run's deadline."""

    type: Literal["not-recovered"] = "not-recovered"
    why: str


class Settling(_Record):
    """The phase *after* begins: what the sources now say was measured after recovery."""

    type: Literal["settling"] = "settling"


class Closed(_Record):
    """The run has ended, and this is what it found."""

    type: Literal["closed"] = "closed"
    verdict: Verdict
    code: str
    reason: str


class DebtCleared(_Record):
    """A later `recover` ended an open debt; or a person gave it up, which `abandoned` says, with who and why."""

    type: Literal["debt-cleared"] = "debt-cleared"
    step: str
    abandoned: str = ""


class Halted(_Record):
    """The kill switch, pressed. Of the site, not of one run."""

    type: Literal["halted"] = "halted"
    who: str
    why: str

    @property
    def told(self) -> str:
        """Who pressed it, and why."""
        return f"halted by {self.who}: {self.why}"

    @property
    def refusal(self) -> str:
        """What whoever would begin something is told."""
        return f"{self.told}; `chaosjc resume --reason TEXT` ends it"


class Resumed(_Record):
    """The kill switch, released."""

    type: Literal["resumed"] = "resumed"
    who: str
    why: str = ""


Event = Annotated[
    Planned | Refused | Admitted | Intent | Injected | InjectFailed | Stopping | UndoClaimed | Undone | UndoFailed
    | Verified | Sample | Recovered | NotRecovered | Settling | Closed | DebtCleared | Halted | Resumed,
    Field(discriminator="type"),
]  # fmt: skip
EVENT: TypeAdapter[Event] = TypeAdapter(Event, config=ConfigDict(ser_json_inf_nan="constants"))  # infinity is a value


class Entry(_Record):
    """An event in its place: `seq` orders all events of a store, `run` is empty for those of the site."""

    seq: int
    at: float
    run: str
    event: Event
