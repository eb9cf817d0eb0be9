"""What holds after every contract test, whatever it did: the verdict of each run follows from its journal alone."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.journals import recompute


@pytest.fixture(autouse=True)
def recomputed(request: pytest.FixtureRequest) -> Generator[None]:
    """Judge anew each closed run of each journal in the test's directory."""
    if "tmp_path" not in request.fixturenames:
        yield
        return
    there: Path = request.getfixturevalue("tmp_path")
    yield
    recompute(there)
