from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from chaosjc.errors import JournalError
from chaosjc.journal.events import Admitted, Closed, Entry, Intent, Verified
from chaosjc.report import words
from chaosjc.report.html import html
from tests.unit.report import journals

VOID = {"meta", "br", "hr", "link"}
WORDS = "[/x] [bold] hub-[a-z0-9]+ :on:"
"""Markup to rich, but text to us."""
HOSTILE = f'{WORDS}</title><script>alert(\'1\')</script>" onload="x" & \x00\x1b[31m\u202e'


class Page(HTMLParser):
    """Reads a document strictly: every element is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def count(self, tag: str, class_: str = "") -> int:
        return sum(t == tag and class_ in (a.get("class") or "").split() for t, a in self.tags) if class_ else 0

    def paths(self, class_: str) -> list[str]:
        return [a["d"] or "" for t, a in self.tags if t == "path" and a.get("class") == class_]


def hostile() -> list[Entry]:
    step = journals.STEP.model_copy(
        update={
            "target": journals.STEP.target.model_copy(update={"name": HOSTILE, "why": HOSTILE}),
            "inject": HOSTILE,
            "undo": HOSTILE,
        }
    )
    up = journals.UP.model_copy(update={"name": HOSTILE, "options": {HOSTILE: HOSTILE}, "expect": f"== {'<b>x'}"})
    plan = journals.planned(
        experiment=HOSTILE, description=HOSTILE, source=HOSTILE, path=HOSTILE, site=HOSTILE, steps=(step,),
        hypotheses=(up,), vars={HOSTILE: HOSTILE}, others=(HOSTILE,),
    )  # fmt: skip
    journal = journals.Journal().add(0.0, plan).add(5.2, Admitted(), Intent(step="f1.1", owner=HOSTILE))
    journal.samples(up, journals.seconds(0, 20), {HOSTILE: lambda t: HOSTILE if t % 3 else "<b>x"})
    journal.add(9.0, Verified(step="f1.1", epoch=1, outcome="broken", why=HOSTILE))
    return journal.add(20.0, Closed(verdict="UNDO-FAILED", code=HOSTILE, reason=HOSTILE)).entries()


EVERY: dict[str, Callable[[], list[Entry]]] = journals.ALL | {
    "RUNNING": journals.running,
    "inject-failed": journals.inject_failed,
    "cleared": journals.cleared,
    "hostile": hostile,
}


@pytest.mark.parametrize("name", EVERY)
def test_document_is_well_formed_and_self_contained(name: str) -> None:
    text = html(EVERY[name]())
    page = Page(text)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {"src", "href"} & names
    assert not [name for name in names if name.startswith("on")]
    style = text[text.index("<style>") : text.index("</style>")]
    assert "@import" not in style
    assert set(re.findall(r"url\([^)]*\)", style)) == {"url(#hatch)"}
    assert "hatch" in ids
    for _, attributes in page.tags:
        assert not re.search(r"https?:|#[0-9a-f]{3}", " ".join(filter(None, attributes.values())))


@pytest.mark.parametrize("name", journals.ALL)
def test_verdict_and_why_come_first(name: str) -> None:
    entries = journals.ALL[name]()
    closed = entries[-1].event
    assert isinstance(closed, Closed)
    text = Page(html(entries)).text
    head = text[: text.index("Timeline")]
    assert name in head
    assert closed.reason in head


@pytest.mark.parametrize("name", set(journals.ALL) - {"NOT-STARTED"})
def test_it_has_what_a_post_mortem_needs(name: str) -> None:
    text = Page(html(journals.ALL[name]())).text
    for part in ("Hypotheses", "Violations", "Recovery", "Targets and faults", "What happened", "Repeat it"):
        assert part in text
    assert "drawn from 2 of role worker" in text
    assert "chaosjc run experiments/worker-vm-frozen.yaml --site sites/lab.yaml" in text
    assert "--seed 7 --set longest_stall=15s" in text
    assert "OS_CLOUD" in text
    assert journals.planned().sha256 in text


def test_hostile_text_stays_text() -> None:
    text = html(hostile())
    assert "<script" not in text
    assert "alert(&#x27;1&#x27;)" in text
    assert not re.search("[\x00\x1b\u202e]", text)
    assert WORDS in text


def test_what_nobody_measured_is_not_zero() -> None:
    found = Page(html(journals.blind())).text
    assert f"Longest violation{words.NONE}not all was measured" in found
    assert f"Violated in all{words.NONE}2 s tolerated" in found
    assert f"Error budget: {words.NONE} spent of 2 s, from" in found
    assert "Longest violation0 s0 violations in all" in Page(html(journals.passed())).text
    assert "Longest violation9 s" in Page(html(journals.failed())).text


def test_a_gap_is_a_gap() -> None:
    """Of a line that stops for 12 s, no stroke goes over the hole, and the hole is hatched."""
    text = html(journals.inconclusive())
    page = Page(text)
    lines = [line for line in page.paths("line") if len(line) > 60]
    assert [line.count("M") for line in lines[:2]] == [2, 2]
    assert page.count("rect", "gap") == 2
    assert Page(html(journals.passed())).count("rect", "gap") == 0


def test_violated_parts_are_marked_where_there_are_any() -> None:
    assert len(Page(html(journals.failed())).paths("line bad")) == 2  # the stall, and recovery's first looks
    assert len(Page(html(journals.passed())).paths("line bad")) == 1
    assert "writes never stall past the promise" in Page(html(journals.failed())).text.split("Violations")[1]
    assert "No series was ever seen violated." in Page(html(journals.passed())).text


def test_an_open_debt_is_shown_until_it_is_cleared() -> None:
    assert "chaosjc recover" in Page(html(journals.undo_failed())).text.split("Recovered in")[0]
    assert "May still be broken" not in html(journals.cleared())
    assert "debt-cleared" in html(journals.cleared())


def test_undo_log_has_every_try() -> None:
    text = Page(html(journals.undo_failed())).text
    assert text.count("nova answered 503") == 2
    assert "try 2 by watchdog:4712" in text
    assert "broken: Nova says PAUSED" in text


def test_size_is_bounded() -> None:
    many = {f'{{worker="w{i}"}}': journals.stall(20.0 + i) for i in range(48)}
    journal = journals.begin().samples(journals.STALL, [t / 10 for t in range(1_500)], many)
    text = html(journals.undo(journal, at=140.0).closed(155.0))
    assert len(text) < 1_000_000
    assert "and 40 more, 8 of them not drawn" in text


def test_nothing_planned_is_an_error_that_says_so() -> None:
    with pytest.raises(JournalError, match="nothing to report"):
        html(journals.empty())
