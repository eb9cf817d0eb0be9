"""What all drawings of a run share: one time axis, so that they can be read one above the other, and the fault windows.

The drawings are SVG of our own rather than matplotlib's: each colour is a variable of the page, so that one drawing is
right in light, in dark and on paper, its text is text, and a report of ten plots is small and made in no time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaosjc.journal.timeline import Span, Window
from chaosjc.report import words
from chaosjc.report.markup import Child, Markup, join, tag
from chaosjc.report.scale import Scale, time_ticks
from chaosjc.report.story import Story

WIDTH = 960
LEFT, RIGHT = 58, 944
STATE_CLASSES: dict[bool | None, str] = {True: "held", False: "violated", None: "nodata"}

DEFINITIONS = tag(
    "svg",
    tag(
        "defs",
        tag(
            "pattern",
            tag("rect", width=6, height=6, class_="hatch-ground"),
            tag("path", d="M-1 1l2-2M0 6l6-6M5 7l2-2", class_="hatch-line"),
            id="hatch", width=6, height=6, patternUnits="userSpaceOnUse",
        ),
    ),
    class_="definitions", width=0, height=0, aria_hidden="true",
)  # fmt: skip


@dataclass(frozen=True)
class Canvas:
    """The time axis of one run."""

    story: Story

    @property
    def x(self) -> Scale:
        """From seconds since 1970 to a place."""
        return Scale(self.story.window.start, self.story.window.end, LEFT, RIGHT)

    def rect(self, start: float, end: float, top: float, height: float, class_: str, title: str = "") -> Markup:
        """A stretch of time; never too thin to be seen."""
        left, right = self.x(start), self.x(end)
        inner = tag("title", title) if title else None
        width = round(max(right - left, 1.5), 1)
        return tag("rect", inner, x=left, y=top, width=width, height=height, class_=class_)

    def grid(self, top: float, bottom: float, *, clock: float | None = None, label: float | None = None) -> Markup:
        """Lines at round times; their time of day at height `clock`, seconds since the first injection at `label`."""
        start, end, zero = self.story.window.start, self.story.window.end, self.story.zero
        parts: list[Child] = []
        for tick in time_ticks(start - zero, end - zero):
            x = self.x(zero + tick)
            parts.append(tag("path", d=f"M{x} {top}V{bottom}", class_="zero" if tick == 0 else "grid"))
            if clock is not None:
                parts.append(text(x, clock, words.moment(zero + tick, digits=0), "tick middle"))
            if label is not None:
                parts.append(text(x, label, words.offset(tick) if tick else "0", "tick middle"))
        return join(*parts)

    def lane(self, spans: Iterable[Span], top: float, height: float) -> Markup:
        """Held, violated and no data as a strip."""
        return join(*(self._state(span, top, height) for span in spans))

    def phases(self, top: float, height: float) -> Markup:
        """The phases as a strip, named where there is room."""
        parts: list[Child] = []
        for name, window in self.story.judgement.windows.items():
            title = f"{name}: {words.seconds(window.length)}"
            parts.append(self.rect(window.start, window.end, top, height, f"phase {name}", title))
            left, right = self.x(window.start), self.x(window.end)
            if right - left > 8.5 * len(name):
                parts.append(text((left + right) / 2, top + height / 2 + 3.5, name, "phase-name middle"))
        return join(*parts)

    def faults(self, top: float, height: float) -> Markup:
        """Behind a plot: while anything was broken or being put back."""
        return join(*(self.rect(w.start, w.end, top, height, "fault-shade") for w in self._broken()))

    def _broken(self) -> list[Window]:
        """The times from each intent to its verify, those that touch made one."""
        merged: list[Window] = []
        begun = ((step.intent_at, step) for step in self.story.steps if step.intent_at is not None)
        for start, step in sorted(begun, key=lambda pair: pair[0]):
            over = self.story.over(step)
            end = over if over is not None else self.story.window.end
            if merged and start <= merged[-1].end:
                merged[-1] = Window(merged[-1].start, max(end, merged[-1].end))
            else:
                merged.append(Window(start, max(end, start)))
        return merged

    def _state(self, span: Span, top: float, height: float) -> Markup:
        zero = self.story.zero
        when = f"{words.offset(span.start - zero)} to {words.offset(span.end - zero)}"
        title = f"{words.STATES[span.held]} for {words.seconds(span.seconds)}, {when}"
        # Colour is not all that tells: violated is taller, no data is hatched.
        lift = 2 if span.held is False else 0
        return self.rect(span.start, span.end, top - lift, height + 2 * lift, STATE_CLASSES[span.held], title)


def text(x: float, y: float, shown: str, class_: str) -> Markup:
    """One line of text."""
    return tag("text", shown, x=x, y=y, class_=class_)


def picture(height: float, label: str, *children: Child) -> Markup:
    """A drawing that scales with the page; `label` is for those who cannot see it."""
    return tag("svg", *children, viewBox=f"0 0 {WIDTH} {height:g}", role="img", aria_label=label, class_="plot")


def path(points: Sequence[tuple[float, float]], *, stepped: bool = False) -> str:
    """A line through places; `stepped` keeps each height until the next place."""
    first, *rest = points
    parts = [f"M{first[0]:g} {first[1]:g}"]
    parts += [f"H{x:g}V{y:g}" if stepped else f"L{x:g} {y:g}" for x, y in rest]
    return "".join(parts)
