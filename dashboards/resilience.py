"""resilience.json: what is broken now and by whom, did the site withstand it, and what did users feel meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chaosjc import names
from dashboards.draw import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    YELLOW,
    board,
    figure,
    gained,
    limit,
    lines,
    of,
    rate,
    strips,
    volumes,
)

FILE = Path(__file__).with_name("resilience.json")
VERDICTS = (
    (0, "PASS", GREEN),
    (1, "FAIL", RED),
    (3, "INCONCLUSIVE", YELLOW),
    (4, "NOT-STARTED", GREY),
    (5, "ABORTED", BLUE),
    (6, "UNDO-FAILED", ORANGE),
)
"""As `chaosjc run` exits."""
FAILED = 'verdict="FAIL"'
NONE = f"0 * max({names.HALTED.name})"  # of a controller that answers; without one nothing is known


def drawn() -> dict[str, Any]:
    """The dashboard as data."""
    rows = {
        "What is broken on purpose now?": _now(),
        "Did the site withstand it?": _verdicts(),
        "How well?": _figures(),
        "What users felt": _users(),
        "What comes next": _schedule(),
    }
    says = "What was broken on purpose, whether the site withstood it, how soon it recovered, and what users felt."
    return board("resilience", says, rows, volumes())


def _now() -> list[Any]:
    deadline, ended = of(names.FAULTS_ACTIVE), of(names.LAST_ENDED)
    return [
        figure(
            "Faults that are there",
            "Injected, or perhaps, and not yet seen whole again. What users feel now may be of that: `chaosjc runs "
            "list` names the run, `chaosjc halt` ends it.",
            f"count({deadline}) or {NONE}", "none", (1, 10), "faults",
        ),
        figure(
            "Faults past their end",
            "Should have been undone and seen whole by now. Not 0: run and watchdog failed; `chaosjc halt`, then "
            "`chaosjc recover`.",
            f"count(time() - {deadline} > 0) or {NONE}", "none", (None, 1), "faults",
        ),
        figure(
            "Undo debts",
            "Steps of ended runs that nobody has seen whole. Nothing new begins until they are: `chaosjc recover`, and "
            "by hand what it cannot do.",
            f"max({of(names.UNDO_DEBTS)})", "none", (None, 1), "steps",
        ),
        figure(
            "Halted",
            "1 while the kill switch is pressed: nothing is injected. `chaosjc runs list` says by whom and why, "
            "`chaosjc resume` releases it.",
            f"max({of(names.HALTED)})", "none", (1, 2), "kill switch",
        ),
        figure(
            "Experiments that fail",
            "Whose last run says FAIL: the site does not do what is claimed of it. `Verdicts` says which, their "
            "reports why.",
            f"count({of(names.LAST_VERDICT)} == 1) or {NONE}", "none", (None, 1), "experiments",
        ),
        figure(
            "Runs that failed",
            "In the time shown. Each is a weakness found before users found it; read its report, mend, run it again.",
            f"sum(increase({of(names.RUNS, FAILED)}[$__range]))", "none", (None, 1), "runs",
        ),
        figure(
            "Last run ended",
            "How long ago. What was withstood long ago is not known to be withstood today: is the controller up, "
            "halted, or outside its hours?",
            f"time() - max({ended})", "s", (7 * 86400, 30 * 86400), "ago",
        ),
        figure(
            "Next run",
            "In how long the schedule breaks something next. Tell whoever is on call; `chaosjc halt` prevents it, "
            "`chaosjc schedule preview` shows more.",
            f"min({of(names.SCHEDULE_NEXT)}) - time()", "s", (None, 1_000_000_000), "in",
        ),
    ]  # fmt: skip


def _verdicts() -> list[Any]:
    strip = strips(
        "Verdicts",
        "Of each experiment's last run. A strip that turns red: what changed on the site since? INCONCLUSIVE says "
        "that the measurement was too thin, NOT-STARTED that a guard refused, and why is in `chaosjc runs list`.",
        "{{experiment}}", f"max by (experiment) ({of(names.LAST_VERDICT)})", VERDICTS,
    )  # fmt: skip
    grown = f"increase({of(names.EXPERIMENT_RUNS)}[$__range])"
    return [
        strip.span(24).height(10),
        lines(
            "Runs, by verdict",
            "That were closed. Many INCONCLUSIVE: mend the measurement first. ABORTED: somebody, or a deadline, ended "
            "them.",
            "none", {"{{verdict}}": f"sum by (verdict) ({gained(names.RUNS)})"},
        ),
        lines(
            "Runs of each experiment",
            "That were closed in the time shown. One that is missing, or always NOT-STARTED, tells nothing of the "
            "site: see its guard's reason.",
            "none",
            {"{{experiment}} {{verdict}}": f"sum by (experiment, verdict) ({grown}) > 0"},
        ),
    ]  # fmt: skip


def _figures() -> list[Any]:
    experiment = "{{experiment}}"
    return [
        lines(
            "Time to recover",
            "From the first undo until all checks held again, of the last run. Rising from run to run: it will fail "
            "one day; what is promised is beside it.",
            "s", {experiment: f"max by (experiment) ({of(names.LAST_RECOVERY)})"},
        ),
        lines(
            "Part of the promised time",
            "Time to recover by what the experiment promises; at 1 the run fails. Close to it: mend, or promise less "
            "and tell users so.",
            "percentunit",
            {
                experiment: f"max by (experiment) ({of(names.LAST_RECOVERY)})"
                f" / max by (experiment) ({of(names.LAST_PROMISED)})",
            },
        ),
        lines(
            "Time to detect",
            "From the first fault to the first violation of a hypothesis, of the last run. Nothing: nobody would have "
            "noticed. Growing: timeouts hide it longer.",
            "s", {experiment: f"max by (experiment) ({of(names.LAST_DETECT)})"},
        ),
        lines(
            "Longest violation",
            "For which some hypothesis did not hold in the last run; up to what it tolerates the run passes. 0: users "
            "noticed nothing.",
            "s", {experiment: f"max by (experiment) ({of(names.LAST_VIOLATION)})"},
        ),
    ]  # fmt: skip


def _users() -> list[Any]:
    return [
        limit(
            lines(
                "Storage: oldest waiting write",
                "A ramp under an annotation is what the fault cost; up to the dashed ping-timeout is by design. "
                "Without an annotation it was no experiment: storage dashboard.",
                "s",
                {
                    "{{volume}} {{vm}}": f"max by (volume, vm) ({of(names.STORAGE_OLDEST)})",
                    "ping-timeout {{volume}}": f"max by (volume) ({of(names.PING_TIMEOUT)})",
                },
            ),
            "ping-timeout",
        ),
        lines(
            "Storage: time lost in stalls",
            "Share of the time that users of a volume stood still, on the worst worker; counted when a stall ends. The "
            "storage dashboard has the rest.",
            "percentunit", {"{{volume}}": f"max by (volume) ({rate(names.STORAGE_STALLED)})"},
        ),
        lines(
            "Hub: time lost in outages",
            "Share of the time in which a rung did not work through the worst way in. Under an annotation: the price "
            "of that fault; elsewhere: the hub dashboard.",
            "percentunit", {"{{rung}}": f"max by (rung) ({rate(names.HUB_OUTAGE_SECONDS)})"},
        ),
        lines(
            "Notebooks: time lost",
            "Share of the time in which a running kernel did not answer, by worker. Others than the broken worker's "
            "should stay at 0.",
            "percentunit", {"{{worker}}": f"max by (worker) ({rate(names.LIVE_OUTAGE_SECONDS)})"},
        ),
    ]  # fmt: skip


def _schedule() -> list[Any]:
    return [
        lines(
            "Next, by entry",
            "Seconds until it falls due; a saw. A line that ends: the controller does not answer, or the entry is "
            "never due again.",
            "s",
            {"{{schedule}}/{{entry}}": f"max by (schedule, entry) ({of(names.SCHEDULE_NEXT)}) - time()"},
        ),
        lines(
            "What became of what fell due",
            "`busy`: another was under way. `refused`: a halt, a debt, the calendar, or a file that cannot be read. "
            "`prepare-failed`: the site could not be made whole first, see `chaosjc site verify`. `begun` without "
            "`ended`: it runs, or its controller died.",
            "none",
            {"{{schedule}}/{{entry}} {{outcome}}": f"sum by (schedule, entry, outcome) ({of(names.SCHEDULE_DUE)})"},
        ),
        lines(
            "In vain, by entry",
            "Times in a row that it came to neither PASS nor FAIL: refused, not prepared, not judged. At 3 there is a "
            "ticket; the controller's log says why.",
            "none",
            {"{{schedule}}/{{entry}}": f"max by (schedule, entry) ({of(names.SCHEDULE_IN_VAIN)})"},
        ),
        lines(
            "Time left of each fault",
            "Until it ends by its plan, undo included. Below 0: overdue, see above. Empty while there is no fault.",
            "s",
            {
                "{{fault}} {{target}}":
                    f"max by (fault, target) ({of(names.FAULTS_ACTIVE)}) - time()"
            },
        ),
    ]  # fmt: skip
