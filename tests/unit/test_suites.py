from __future__ import annotations

import pytest

from tests.suites import PYTEST_SUMMARY, Outcome, exit_code


@pytest.mark.parametrize(
    ("results", "skipping_fails", "expected"),
    [
        (["passed", "passed"], False, 0),
        (["failed", "passed"], False, 1),
        (["passed", "skipped"], False, 0),
        (["passed", "skipped"], True, 1),
    ],
)
def test_a_skipped_suite_fails_only_where_it_must_run(results: list[str], skipping_fails: bool, expected: int) -> None:
    assert exit_code([Outcome("any", result) for result in results], skipping_fails=skipping_fails) == expected


@pytest.mark.parametrize(
    "line", ["863 passed in 23.61s", "==== 2 failed, 3 passed in 61.02s (0:01:01) ====", "no tests ran in 0.01s"]
)
def test_pytests_last_line_is_recognised(line: str) -> None:
    assert PYTEST_SUMMARY.match(line)


def test_another_line_is_not() -> None:
    assert not PYTEST_SUMMARY.match("SKIPPED [1] needs a lab")
