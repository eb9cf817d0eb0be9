from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from chaosjc.journal.events import Entry, Refused
from chaosjc.report.live import LiveView, PlainLog, plain_line, sparkline
from chaosjc.report.terminal import Summary, run_list, suite_summary
from chaosjc.report.tracker import Look
from tests.unit.report import journals
from tests.unit.report.test_html import EVERY, WORDS


def show(thing: RenderableType, width: int = 80, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False, _environ={})
    console.print(thing)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


SUMMARY = """\
 ✗ FAIL   worker-vm-frozen on lab
writes never stall past the promise was violated for 9 s during the fault, 2 s
were tolerated
"writes never stall past the promise" reached 26 s (<= 15s promised)

   hypothesis                     before  during        recovering  after  worst
✓  workers left alone answer      held    held          held        held   1
✗  writes never stall past the    held    violated 9 s  held        held   26
   promise

   fault                injected  undo     verified  outcome
✓  vm.pause worker-001  16:35:02  +19.9 s  +22.3 s   verified whole

violated  11.9 s after the first injection, for 9 s at the longest
budget    9 s of violation spent, 2 s tolerated: writes never stall past the
          promise
recovery  3 s, 30 s promised
run       20261124-164132-k3v9, 42.5 s, seed 7
journal   state/journal.db
next      chaosjc report 20261124-164132-k3v9 --html worker-vm-frozen.html
"""


def test_summary_of_a_failed_run() -> None:
    assert show(Summary(journals.failed(), journal="state/journal.db")) == SUMMARY.splitlines()


def test_no_name_steers_the_terminal() -> None:
    for thing in (
        Summary(EVERY["hostile"]()),
        run_list([EVERY["hostile"]()]),
    ):
        assert not set("\x00\x1b\u202e") & set("".join(show(thing)))
    assert "\x1b" not in "".join(view(EVERY["hostile"](), 9.5))


def test_names_are_shown_word_for_word() -> None:
    """What is markup or an emoji to rich is a part of a regular expression to us."""
    entries = EVERY["hostile"]()
    for lines in (show(Summary(entries), 1000), show(run_list([entries]), 1000), view(entries, 9.5, 1000)):
        shown = "\n".join(lines)
        assert shown.count(WORDS) >= shown.count("alert(") > 0


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("width", [80, 120])
def test_summary_fits(name: str, width: int) -> None:
    lines = show(Summary(EVERY[name](), journal="j", report="r.html"), width)
    assert max(map(len, lines)) <= width


def test_summary_of_a_debt_says_how_to_end_it() -> None:
    assert show(Summary(journals.undo_failed(), report="r.html"))[-1] == "next      chaosjc recover"
    assert show(Summary(journals.cleared(), report="r.html"))[-1].startswith("next      chaosjc runs show")


def test_summary_tells_a_missing_phase_from_missing_data() -> None:
    aborted, blind = "\n".join(show(Summary(journals.undo_failed()))), "\n".join(show(Summary(journals.inconclusive())))
    assert "?  workers" not in aborted
    assert "?  workers" in blind
    assert "no data 12 s" in blind


def test_run_list() -> None:
    lines = show(run_list([journals.passed(), journals.undo_failed(), journals.running(), journals.empty()]))
    assert lines[0] == "✓ PASS          20261124-164132-k3v9  24 Nov 16:34:56  worker-vm-frozen on lab"
    assert lines[1] == "                all 2 hypotheses held, recovery took 3 s"
    assert "(a debt is open: chaosjc recover)" in "\n".join(lines)
    assert lines[-2].startswith("▶ RUNNING")
    assert show(run_list([])) == ["no runs yet"]


def test_suite_summary_keeps_paths_whole() -> None:
    lines = show(suite_summary([(journals.passed(), "reports/a.html"), (journals.not_started(), "")]))
    assert lines[:6] == [
        "✓ PASS          worker-vm-frozen on lab  recovery 3 s, 30 s promised",
        "                all 2 hypotheses held, recovery took 3 s",
        "                reports/a.html",
        "",
        f"{'–'} NOT-STARTED   worker-vm-frozen on lab",  # noqa: RUF001
        "                workers left alone answer was violated for 5 s before the fault",
    ]


# ------------------------------------------------------------------ live


def view(entries: list[Entry], at: float, width: int = 80, height: int = 24) -> list[str]:
    live = LiveView(lambda: journals.START + at)
    live.update(entry for entry in entries if entry.at <= journals.START + at)
    return show(live, width, height)


LIVE = """\
 ▶ RUNNING   worker-vm-frozen on lab                               seed 7   0:19
before ─ during ─ recovering ─ after                            deadline in 9:47

   fault                          state               next
●  vm.pause worker-001            broken              undo in 0:08

   hypothesis                now       value    expected                violated
✗  writes never stall past…  violated  15.6     <= 15s      ▃▃▄▅▅▆▆▇▇█
✓  workers left alone answ…  held      1        == 1        ▁▁▁▁▁▁▁▁▁▁

16:34:56.0 planned        worker-vm-frozen: 1 step, 2 hypotheses, seed 7
16:35:01.2 admitted
16:35:01.2 intent         vm.pause worker-001: pause worker-001 (nova)
16:35:02.1 injected       vm.pause worker-001
"""


def test_live_view_in_the_middle_of_a_fault() -> None:
    lines = view(journals.failed(), 19.0)
    assert lines[: len(LIVE.splitlines())] == LIVE.splitlines()
    assert not any(lines[len(LIVE.splitlines()) :])


@pytest.mark.parametrize("height", [16, 24, 50])
@pytest.mark.parametrize("name", [*journals.ALL, "hostile"])
def test_live_view_never_jumps_and_leaves_a_line_for_the_prompt(name: str, height: int) -> None:
    heights = {len(view(EVERY[name](), at, height=height)) for at in (0.0, 3.0, 5.3, 12.0, 27.0, 28.0, 35.0, 60.0)}
    assert len(heights) == 1
    assert max(heights) < height


def test_live_view_of_much_says_how_much_is_not_shown() -> None:
    steps = tuple(journals.STEP.model_copy(update={"id": f"f1.{i}"}) for i in range(1, 31))
    hypotheses = tuple(journals.UP.model_copy(update={"id": f"h{i}", "name": f"h{i}"}) for i in range(1, 31))
    lines = view(journals.begin(journals.planned(steps=steps, hypotheses=hypotheses)).entries(), 10.0)
    assert len(lines) < 24
    assert "more, 0 of 30 whole" in "\n".join(lines)


def test_live_view_says_what_is_awaited() -> None:
    entries = journals.failed()
    told = {at: view(entries, at)[1].split("after")[1].strip() for at in (3.0, 10.0, 28.6, 33.0, 50.0)}
    assert told == {3.0: "baseline 0:02", 10.0: "deadline in 9:56", 28.6: "promised in 0:28", 33.0: "settling 0:09",
                    50.0: "violated"}  # fmt: skip


def test_a_source_that_falls_silent_is_no_data() -> None:
    entries = journals.running()
    assert "held      1 " in "\n".join(view(entries, 20.0))
    late = LiveView(lambda: journals.START + 60.0)
    late.update(entries)
    assert "✓  workers" not in "\n".join(show(late))


def test_update_ignores_what_it_has_seen() -> None:
    live = LiveView(lambda: journals.START + 19.0)
    entries = [entry for entry in journals.failed() if entry.at <= journals.START + 19.0]
    live.update(entries)
    once = show(live)
    live.update(entries)
    assert show(live) == once


def test_nothing_yet() -> None:
    assert show(LiveView(lambda: 0.0)) == ["planning …"]


PLAIN = """\
16:34:56.0 planned        worker-vm-frozen: 1 step, 2 hypotheses, seed 7
16:35:01.2 admitted
16:35:01.2 intent         vm.pause worker-001: pause worker-001 (nova)
16:35:02.1 injected       vm.pause worker-001
16:35:08.0 no data        workers left alone answer
16:35:08.0 no data        writes never stall past the promise
16:35:20.0 held           workers left alone answer: 1, expected == 1
16:35:20.0 held           writes never stall past the promise: 8.12, expected <= 15s
16:35:22.0 undo-claimed   vm.pause worker-001: try 1 by monitor-host:4711: unpause worker-001 (nova)
16:35:23.1 undone         vm.pause worker-001
16:35:24.4 verified       vm.pause worker-001: whole
16:35:27.2 recovered      since 16:35:25.0
16:35:28.0 settling
"""


def test_plain_log_tells_events_and_changes() -> None:
    log = PlainLog()
    lines = [line for entry in journals.inconclusive() for line in log.update([entry])]
    assert lines[:-1] == PLAIN.splitlines()
    assert lines[-1].startswith("16:35:38.5 closed         INCONCLUSIVE: workers left alone answer cannot be judged")


def test_plain_line_is_one_line_and_none_for_a_sample() -> None:
    entries = journals.passed()
    lines = [plain_line(entry) for entry in entries]
    assert lines.count(None) == sum(entry.event.type == "sample" for entry in entries)
    refused = Entry(seq=1, at=0.0, run="r", event=Refused(guard="g", code="c", reason="one\n\x1b[31mtwo"))
    assert plain_line(refused) == "00:00:00.0 refused        g: one \N{REPLACEMENT CHARACTER}[31mtwo"


def test_sparkline() -> None:
    looks = [Look(0.0, True, 0.0), Look(1.0, False, 10.0), Look(2.0, None, None), Look(3.0, True, "whole")]
    assert sparkline(looks, 6).plain == "  ▁█·▁"
