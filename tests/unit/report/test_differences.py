"""Statistics as they are shown: in the terminal, in the file, as data, and of several runs together."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from chaosjc.journal.events import Entry
from chaosjc.journal.statistics import Estimate
from chaosjc.report.data import run_object
from chaosjc.report.effects import delta_words, shift_words
from chaosjc.report.figures import sums_object
from chaosjc.report.html import html
from chaosjc.report.story import read
from chaosjc.report.terminal import Summary, suite_summary
from tests.unit.report import journals, peers
from tests.unit.report.test_html import EVERY, Page
from tests.unit.report.test_observed import section
from tests.unit.report.test_terminal import show

GROUPS = """\
nobody waits longer than 2 s  before      −0.003 s (−0.045 to 0.054)  −0.01 (−0.32 to 0.30)
                              during      +3.02 s (2.99 to 3.04)      +1.00 (0.44 to 1.00)
                              recovering  too few samples             –
                              after       +0.025 s (−0.015 to 0.067)  +0.15 (−0.05 to 0.34)
"""  # noqa: RUF001


def test_the_terminal_shows_targets_against_others() -> None:
    lines = show(Summary(peers.slowed()), 100)
    start = next(i for i, line in enumerate(lines) if line.startswith("targets against others"))
    assert lines[start].split()[3:] == ["phase", "by", "the", "median", "Cliff's", "delta", "(95", "%)"]
    assert lines[start + 1 : start + 6] == [*GROUPS.splitlines(), ""], "every worker answers never varied"
    assert max(map(len, show(Summary(peers.slowed()), 80))) <= 80


def test_the_terminal_shows_no_groups_where_there_are_none() -> None:
    assert "targets against others" not in "\n".join(show(Summary(journals.failed())))


def test_the_terminal_names_the_budget_that_was_overspent() -> None:
    text = "\n".join(show(Summary(peers.slowed()), 100))
    assert "violated  0 s after the first injection, for 61 s at the longest" in text
    assert "budget    61 s of violation spent, 90 s tolerated: nobody waits longer than 2 s" in text
    assert "budget" not in "\n".join(show(Summary(journals.passed())))


@pytest.mark.parametrize(
    ("tolerate", "said"),
    [(2.0, "9 s of violation spent, 2 s tolerated: writes"), (20.0, "3 s of violation spent, 0 s tolerated: workers")],
)
def test_the_worst_spender_is_the_one_most_beyond_what_it_tolerated(tolerate: float, said: str) -> None:
    up, stall = journals.UP, journals.STALL.model_copy(update={"tolerate": tolerate})
    journal = journals.begin(journals.planned(hypotheses=(up, stall)))
    journal.samples(up, journals.seconds(0, 43), {"": lambda t: float(not 10 <= t < 13)})
    journal.samples(stall, journals.seconds(0, 43), {"": journals.stall(26.0)})
    lines = show(Summary(journals.recover(journals.undo(journal)).closed(42.5)), 120)
    assert said in "\n".join(lines)


def test_the_file_shows_differences_and_says_what_they_are() -> None:
    text = section(html(peers.slowed()), "differences")
    page = Page(text)
    assert text.count('class="difference"') == 2  # waits and load
    rows = re.findall(r"<tr>(.*?)</tr>", text)
    [during] = [row for row in rows if "targets against others during" in row]
    assert "+3.02 s (2.99 to 3.04)" in during and ">large<" in during
    assert page.text.count("too few samples") == 3  # recovering: waits twice, load once
    assert "Never varied: every worker answers." in page.text
    assert "Cliff 1993" in page.text
    assert page.count("rect", "box") == len(page.paths("median")) == 7


def test_the_bar_of_a_delta_is_where_it_lies() -> None:
    page = Page(section(html(peers.slowed()), "differences"))
    zero = {float(path[1:].split()[0]) for path in page.paths("zero")}
    medians = [float(path[1:].split()[0]) for path in page.paths("median")]
    assert zero == {60.0}
    assert max(medians) == 116.0, "a delta of 1 is at the right end"


def test_the_file_names_what_had_too_few_samples() -> None:
    page = Page(section(html(journals.failed()), "differences"))
    assert "Too few samples for an interval (20 of one series in both phases are needed): " in page.text
    assert "Cliff" not in page.text, "nothing to explain"


def test_the_file_shows_the_error_budget_of_each_hypothesis() -> None:
    text = Page(section(html(journals.failed()), "hypotheses")).text
    assert "Error budget: 9 s spent of 2 s (450%), from the first injection to recovery." in text
    assert text.count("Error budget") == 1, "the other has none and spent none"


def test_how_many_series_were_lost_is_said_beside_the_difference() -> None:
    entries = peers.slowed(lost=peers.SLOWED + 5)
    rows = re.findall(r"<tr>(.*?)</tr>", section(html(entries), "differences"))
    left_out = [row for row in rows if "1 series left out: not there for most of both" in row]
    assert [re.findall(r"\w+ against \w+", row)[0] for row in left_out] == [
        "during against before",
        "recovering against before",
        "after against before",
    ]
    assert "left out" not in section(html(peers.slowed()), "differences")
    _, wait, load = statistics(entries)["checks"]
    assert [each["left_out"] for each in wait["against_before"].values()] == [1, 1, 1]
    assert wait["against_before"]["during"]["n"] == 2 * 61
    assert [each["left_out"] for each in load["against_before"].values()] == [0, 0, 0]


def test_what_nobody_measured_is_no_figure_of_a_run() -> None:
    found = statistics(journals.blind())
    assert found["budget"] == {"spent_s": None, "tolerated_s": 2.0}
    assert [each["budget"]["spent_s"] for each in found["checks"]] == [None, None]
    assert statistics(journals.passed())["budget"] == {"spent_s": 0.0, "tolerated_s": 2.0}


def test_a_run_that_never_began_has_no_differences() -> None:
    assert 'id="differences"' not in html(journals.not_started())


def statistics(entries: list[Entry]) -> dict[str, Any]:
    return json.loads(json.dumps(run_object(entries), allow_nan=False))["statistics"]


def test_statistics_of_a_run_as_data() -> None:
    found = statistics(peers.slowed())
    assert (found["time_to_detect_s"], found["time_to_recover_s"], found["longest_violation_s"]) == (0.0, 1.0, 61.0)
    assert found["budget"] == {"spent_s": 61.0, "tolerated_s": 90.0}
    up, wait, load = found["checks"]
    assert [each["kind"] for each in (up, wait, load)] == ["hypothesis", "hypothesis", "observation"]
    assert (wait["budget"], load["budget"]) == ({"spent_s": 61.0, "tolerated_s": 90.0}, None)
    assert (
        wait["phases"]["before"]["n"] == 117 and wait["phases"]["before"]["max"] < 1 < wait["phases"]["during"]["max"]
    )
    during = wait["targets_against_others"]["during"]
    assert list(during) == ["n", "n_other", "cliffs_delta", "median_difference", "too_few"]
    assert (during["n"], during["n_other"], during["too_few"]) == (61, 122, None)
    assert during["median_difference"]["low"] < peers.SLOWER < during["median_difference"]["high"]
    assert set(wait["against_before"]) == {"during", "recovering", "after"}
    few = wait["against_before"]["recovering"]
    assert (few["cliffs_delta"], few["median_difference"]) == (None, None) and few["too_few"].startswith("too few")
    assert load["targets_against_others"] == {}
    same = up["targets_against_others"]["during"]["cliffs_delta"]
    assert same == {"value": 0.0, "low": None, "high": None}


@pytest.mark.parametrize("name", EVERY)
def test_every_run_has_statistics(name: str) -> None:
    found = statistics(list(EVERY[name]()))
    assert list(found) == ["time_to_detect_s", "time_to_recover_s", "longest_violation_s", "budget", "checks"]


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (Estimate(3.0214, 2.9871, 3.0433), "+3.02 s (2.99 to 3.04)"),
        (Estimate(-0.00308, -0.0436, 0.0482), "−0.003 s (−0.044 to 0.048)"),  # noqa: RUF001
        (Estimate(1234.5, 100.2, 2000.9), "+1200 s (100 to 2000)"),
        (Estimate(0.0, None, None), "0 s"),
        (None, "–"),  # noqa: RUF001
    ],
)
def test_a_difference_is_as_exact_as_its_interval(found: Estimate | None, shown: str) -> None:
    assert shift_words(found, "s") == shown


def test_a_delta_has_two_decimals() -> None:
    assert delta_words(Estimate(-0.004, -0.2, 0.1)) == "−0.00 (−0.20 to 0.10)"  # noqa: RUF001
    assert delta_words(Estimate(0.0, None, None)) == "0.00"


# ------------------------------------------------------------------ several runs

SUM = """\
worker-vm-frozen on lab, 6 runs: 4 PASS, 1 FAIL, 1 NOT-STARTED
                      median  least   most    runs  median, 95 %
   violated after     11.9 s  11.9 s  11.9 s  1     needs 6 runs
   recovery           3 s     3 s     3 s     5     needs 6 runs
   longest violation  0 s     0 s     9 s     5     needs 6 runs
   budget spent       0 s     0 s     9 s     5     needs 6 runs
"""


def told(*runs: Callable[[], list[Entry]]) -> list[tuple[list[Entry], str]]:
    return [(run(), "") for run in runs]


def test_repeats_are_summed_up_in_the_terminal() -> None:
    runs = told(*[journals.passed] * 4, journals.failed, journals.not_started)
    lines = show(suite_summary(runs))
    assert lines[-6:] == SUM.splitlines()
    lines = show(suite_summary([*runs, (journals.passed(), "")]))
    assert lines[-2] == "   longest violation  0 s     0 s     9 s     6     0 s to 9 s"


def test_what_ran_once_is_not_summed_up() -> None:
    lines = show(suite_summary(told(journals.passed, peers.slowed)))
    assert not [line for line in lines if "runs" in line]


def test_what_runs_sum_up_to_as_data() -> None:
    stories = [read(run()) for run in (journals.passed, journals.failed, peers.slowed, journals.not_started)]
    found = json.loads(json.dumps(sums_object(stories), allow_nan=False))
    assert found["schema"] == 1
    frozen, slowed = found["experiments"]
    assert (frozen["experiment"], frozen["site"], frozen["verdicts"]) == (
        "worker-vm-frozen",
        "lab",
        {"PASS": 1, "FAIL": 1, "NOT-STARTED": 1},
    )
    assert frozen["runs"] == [journals.RUN] * 3
    assert frozen["longest_violation_s"] == {"n": 2, "median": 4.5, "min": 0.0, "max": 9.0, "low": None, "high": None}
    assert slowed["budget_spent_s"]["max"] == 61.0
    assert sums_object([]) == {"schema": 1, "experiments": []}


def test_the_interval_of_a_median_as_data() -> None:
    runs = [
        journals.recover(journals.undo(journals.measured(journals.begin())), 28.0 + i).closed(60.0) for i in range(6)
    ]
    [found] = sums_object(map(read, runs))["experiments"]
    took = found["time_to_recover_s"]
    assert took == {"n": 6, "median": 4.5, "min": 2.0, "max": 7.0, "low": 2.0, "high": 7.0}
