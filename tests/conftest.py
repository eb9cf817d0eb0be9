"""What all tests share."""

from __future__ import annotations

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.contract", "tests.lab", "tests.unit", "tests.journals")
"""A helper's failed assertion tells its values, as a test's own does."""

settings.register_profile("chaosjc", deadline=None)  # a busy machine is no error; pytest's own time limit ends a hang
settings.load_profile("chaosjc")
