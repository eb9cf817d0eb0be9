"""A benchmark that does not keep what is promised fails, and says which promise that was."""

from __future__ import annotations

import pytest

from benchmarks.figures import Promises


def test_a_figure_at_its_target_keeps_the_promise(capsys: pytest.CaptureFixture[str]) -> None:
    promises = Promises()
    promises.measured("planning", 2.0, 2.0, "s")
    assert promises.timed("nothing", 60.0, lambda: 7) == 7
    assert promises.exit_code() == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["planning", "2", "s", "target", "2", "s", "ratio", "1.00"]
    assert second.startswith("nothing ")


def test_one_beyond_it_fails_once_all_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    promises = Promises()
    promises.measured("memory", 301.0, 300.0, "MB")
    promises.measured("planning", 1.0, 2.0, "s")
    assert promises.exit_code() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "not kept: memory"
