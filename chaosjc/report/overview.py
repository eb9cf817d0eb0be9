"""The whole run in one drawing: phases, faults, hypotheses and recovery above one another on one time axis."""

from __future__ import annotations

from collections.abc import Sequence

from chaosjc.journal.state import StepState
from chaosjc.journal.timeline import Span
from chaosjc.report import words
from chaosjc.report.canvas import LEFT, RIGHT, Canvas, picture, text
from chaosjc.report.markup import Child, Markup, join, tag
from chaosjc.report.story import Track, promise

ROWS = 24  # of a kind; a run of more says how many are left out
NOTE = 60  # characters at the end of a row
_ROW, _BAR = 34.0, 10.0
_TOP, _PHASES = 22.0, 18.0


def overview(canvas: Canvas, tracks: Sequence[Track]) -> Markup:
    """Draw it; `tracks` are those of the hypotheses."""
    begun = [step for step in canvas.story.steps if step.intent_at is not None]
    rows = [_fault(canvas, step) for step in begun[:ROWS]]
    rows += [_more(len(begun), "faults")] if len(begun) > ROWS else []
    rows += [_hypothesis(canvas, track) for track in tracks[:ROWS]]
    rows += [_more(len(tracks), "hypotheses")] if len(tracks) > ROWS else []
    rows += [_recovery(canvas)] if promise(canvas.story) else []
    bottom = _TOP + _PHASES + 6 + _ROW * len(rows)
    placed = [tag("g", row, transform=f"translate(0 {_TOP + _PHASES + 6 + _ROW * i:g})") for i, row in enumerate(rows)]
    return picture(
        bottom + 22,
        "Timeline of the run: phases, faults, hypotheses and recovery",
        canvas.grid(_TOP, bottom, clock=_TOP - 8, label=bottom + 15),
        canvas.phases(_TOP, _PHASES),
        *placed,
    )


def _row(label: str, note: str, *bars: Child) -> Markup:
    shown = label if len(label) <= 90 else f"{label[:89]}…"
    return join(text(LEFT, 12, shown, "row-name"), text(RIGHT, 12, note, "row-note end"), *bars)


def _fault(canvas: Canvas, step: StepState) -> Markup:
    """Intent to injected hatched, the fault itself full, from the first undo call to verified light.

    What nothing can undo ends with its time, or with the run's stopping.
    """
    window_end, start = canvas.story.window.end, step.intent_at or 0.0
    over = canvas.story.over(step)
    verified = over if over is not None else window_end
    claimed = step.claimed_at if step.claimed_at is not None else verified
    injected = step.injected_at if step.injected_at is not None else step.claimed_at or window_end
    bars: list[Child] = [canvas.rect(start, injected, 18, _BAR, "fault-start", f"inject: {step.plan.inject}")]
    if step.injected_at is not None:
        lasted = f"broken for {words.seconds(claimed - injected)}"
        bars.append(canvas.rect(injected, claimed, 18, _BAR, "fault", lasted))
    if step.claimed_at is not None:
        took = f"undo and verify: {words.seconds(verified - claimed)}"
        bars.append(
            canvas.rect(claimed, max(verified, claimed), 18, _BAR, "undo" if step.settled else "undo owed", took)
        )
    note = outcome(step, over=over is not None)
    shown = note if len(note) <= NOTE else f"{note[: NOTE - 1]}…"
    return _row(f"{step.plan.fault} {step.plan.target.name}", shown, *bars)


def outcome(step: StepState, *, over: bool = False) -> str:
    """Where a step stands, in a word or two; `over`: so is what nothing can undo, as `Story.over` has it."""
    if step.plan.irreversible and step.injected_at is not None and step.outcome is None:
        return f"{'over' if over else 'broken'} (irreversible: {step.plan.irreversible})"
    if step.cleared_at is not None:
        return "abandoned" if step.abandoned else "mended later"
    if step.verified_at is not None and step.outcome:
        return f"verified {step.outcome}"
    if step.undone_at is not None:
        return "undone, not yet verified"
    if step.inject_failed:
        return "inject failed"
    return "undo failed" if step.undo_failed else "broken" if step.intent_at is not None else "never injected"


def _hypothesis(canvas: Canvas, track: Track) -> Markup:
    return _row(track.check.name, state_words(track.judged), canvas.lane(track.judged, 18, _BAR))


def state_words(judged: Sequence[Span]) -> str:
    """`held`, or for how long it was not."""
    lengths = {held: sum(s.seconds for s in judged if s.held is held) for held in (False, None)}
    parts = [f"{words.STATES[held]} {words.seconds(length)}" for held, length in lengths.items() if length > 0]
    return ", ".join(parts) or ("held" if judged else "not judged")


def _recovery(canvas: Canvas) -> Markup:
    story = canvas.story
    undo, took = story.judgement.moments.first_undo or 0.0, story.judgement.time_to_recover
    end = story.window.end if took is None else undo + took
    within = story.planned.recovery.within
    kind = "recovery" if took is not None and took <= within else "recovery late"
    bars: list[Child] = [canvas.rect(undo, end, 18, _BAR, kind)]
    if undo + within <= story.window.end:
        x = canvas.x(undo + within)
        bars.append(tag("path", tag("title", "promised"), d=f"M{x} 15V31", class_="promise"))
    note = f"{words.seconds(took) if took is not None else 'not seen'}, {words.seconds(within)} promised"
    return _row("recovery", note, *bars)


def _more(count: int, kind: str) -> Markup:
    return text(LEFT, 16, f"and {count - ROWS} more {kind}, in the tables below", "row-note")
