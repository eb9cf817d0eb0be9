from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from chaosjc.journal.events import CheckPlan
from chaosjc.report.html import html
from chaosjc.report.plot import unit_of
from chaosjc.report.scale import Scale, decades, scale_of, wide
from chaosjc.report.terminal import Summary
from tests.unit.report import journals, storage
from tests.unit.report.test_html import Page
from tests.unit.report.test_terminal import show, view


def section(text: str, id: str) -> str:
    found = re.search(rf'<section id="{id}">.*?</section>', text, re.DOTALL)
    return found.group() if found else ""


def test_document_is_well_formed() -> None:
    for entries in (storage.frozen(), storage.frozen(17.3), storage.frozen(told=False)):
        Page(html(entries))


def test_each_observation_has_plot_phases_and_figures() -> None:
    page = Page(section(html(storage.frozen()), "observed"))
    for check in (storage.LONGEST, storage.LATENCY, storage.BACKLOG, storage.PING):
        assert check.name in page.text
    assert page.count("svg", "plot") == 4
    assert page.count("svg", "spread") == 16
    assert page.text.count("recovering") >= 8
    assert "5.04 s" in page.text
    assert "expected" not in page.text
    assert page.count("rect", "gap") == page.count("rect", "wrong-side") == 0
    assert page.count("path", "threshold") == 0


def test_an_observation_is_drawn_in_decades_where_its_values_need_it() -> None:
    observed = section(html(storage.frozen()), "observed")
    assert observed.count("spread, in decades") == 1
    assert "0.01 s" in observed


def test_a_run_without_observations_has_no_such_parts() -> None:
    text = html(journals.passed())
    assert not section(text, "observed")
    assert "observed at most" not in show(Summary(journals.passed()), 110)


def test_stalls_are_drawn_and_listed() -> None:
    page = Page(section(html(storage.frozen()), "stalls"))
    assert page.count("rect", "violated") == 3
    assert page.text.count("homes · worker-002") == 3
    assert "1.4 s to 2.4 s" in page.text


def test_no_stall_is_said() -> None:
    plan = journals.planned(hypotheses=(storage.OLDEST,))
    journal = journals.begin(plan).samples(storage.OLDEST, journals.seconds(0, 42), {"{}": lambda _: 0.0})
    entries = journals.recover(journals.undo(journal)).closed(42.0)
    assert "No write was late by more than 1 s in what was measured." in section(html(entries), "stalls")
    assert "no write was late by more than 1 s in what was measured\n" in "\n".join(show(Summary(entries), 110))


def test_of_which_phases_nobody_knows_of_stalls_is_said() -> None:
    plan = journals.planned(hypotheses=(storage.OLDEST,))
    quiet: dict[str, Callable[[float], float]] = {"{}": lambda _: 0.0}
    journal = journals.begin(plan).samples(storage.OLDEST, [*journals.seconds(0, 6), 33.0, 34.0], quiet)
    entries = journals.recover(journals.undo(journal)).closed(42.0)
    said = "o write was late by more than 1 s in what was measured; not known during the fault, while recovering"
    assert f"N{said}." in section(html(entries), "stalls")
    assert f"n{said}\n" in "\n".join(show(Summary(entries), 130))


def test_of_which_phases_nobody_knows_is_said_beside_stalls_too() -> None:
    plan = journals.planned(hypotheses=(storage.OLDEST,))
    late: dict[str, Callable[[float], float]] = {"{}": lambda t: max(t - 10.0, 0.0)}
    journal = journals.begin(plan).samples(storage.OLDEST, journals.seconds(0, 20), late)
    entries = journals.recover(journals.undo(journal)).closed(42.0)
    said = "; not known while recovering, after recovery"
    assert f"was due{said}." in section(html(entries), "stalls")
    assert f"the longest 9 s and more: {{}}{said}\n" in "\n".join(show(Summary(entries), 130))


def test_a_phase_too_short_for_a_look_is_told_by_the_one_before() -> None:
    slow = storage.OLDEST.model_copy(update={"every": 10.0})
    quiet: dict[str, Callable[[float], float]] = {"{}": lambda _: 0.0}
    journal = journals.begin(journals.planned(hypotheses=(slow,))).samples(slow, [1.0, 11.0, 21.0, 38.0], quiet)
    assert "not known" not in "\n".join(show(Summary(journals.recover(journals.undo(journal)).closed(42.0)), 130))


def test_promised_stands_beside_measured() -> None:
    page = Page(section(html(storage.frozen()), "promises"))
    assert "worst seen 4.27 s, longest stall 5.2 s, promised <= 10s" in page.text
    assert "ping-timeout 5 s" in page.text
    assert "half of the writes at least" in page.text
    assert "no write fails" not in page.text  # `== 0` is a value, not a limit
    assert page.count("rect", "held") == 2


def test_a_value_to_be_met_is_no_limit() -> None:
    page = Page(section(html(journals.passed()), "promises"))
    assert "writes never stall past the promise" in page.text
    assert "workers left alone answer" not in page.text  # `== 1`


def test_a_broken_promise_is_red() -> None:
    page = Page(section(html(storage.frozen(17.3)), "promises"))
    assert page.count("rect", "violated") == 1
    assert "longest stall 17.3 s" in page.text


def test_terminal_shows_stalls_and_observations() -> None:
    lines = show(Summary(storage.frozen()), 100)
    assert "stalls    3, the longest 5.2 s: homes · worker-001" in [line.rstrip() for line in lines]
    row, compared = [line for line in lines if line.startswith("entries to heal")]
    assert row.split()[-4:] == ["0", "566", "530", "0"]
    assert compared.split()[3:] == ["all", "too", "few", "samples"]
    assert max(map(len, show(Summary(storage.frozen()), 80))) <= 80


def test_live_view_shows_what_is_observed_while_there_is_room() -> None:
    entries = [entry for entry in storage.frozen() if entry.at < journals.START + 30]
    lines = view(entries, 30.0, width=110)
    [row] = [line for line in lines if "entries to heal" in line]
    assert row.split()[3:5] == ["407", "observed"]
    assert not [line for line in view(entries, 30.0, height=16) if "entries to heal" in line]


@pytest.mark.parametrize(
    ("promql", "expect", "unit"),
    [
        ("chaosjc_storage_oldest_inflight_seconds", "", "s"),
        ("histogram_quantile(0.9, rate(x_seconds_bucket[1m]))", "", "s"),
        ("rate(x_seconds_count[1m])", "", ""),
        ("x_stall_seconds_total", "", ""),
        ("up", "== 1", ""),
        ("x", "<= 15s", "s"),
    ],
)
def test_seconds_are_known_from_the_expectation_or_the_metric(promql: str, expect: str, unit: str) -> None:
    check = CheckPlan(id="o1", name="x", kind="promql", options={"promql": promql}, expect=expect)
    assert unit_of(check) == unit


def test_decades() -> None:
    assert decades(0.004, 7.0) == pytest.approx([0.01, 0.1, 1.0])
    assert decades(1e-6, 1e3) == pytest.approx([1e-6, 1e-4, 1e-2, 1.0, 100.0])
    scale = Scale(0.01, 100.0, 0.0, 40.0, log=True)
    assert [scale(value) for value in (0.0, 0.01, 1.0, 1000.0)] == [0.0, 0.0, 20.0, 40.0]


def test_values_are_wide_over_two_decades_if_all_are_positive() -> None:
    assert wide([0.01, 1.1])
    assert not wide([0.01, 0.9])
    assert not wide([0.0, 0.01, 1.1])
    assert not wide([])
    assert not scale_of([0.0, 5.0], 0.0, 10.0).log


def test_a_claim_is_drawn_at_its_true_height() -> None:
    claim = storage.OLDEST.model_copy(update={"options": storage.LATENCY.options})
    plan = journals.planned(hypotheses=(claim,))
    journal = journals.begin(plan).samples(claim, journals.seconds(0, 42), {"{}": lambda t: 0.01 if t % 9 else 5.0})
    text = section(html(journals.undo(journal).closed(42.0)), "hypotheses")
    assert ">0.1 s<" not in text
    assert ">5 s<" in text
