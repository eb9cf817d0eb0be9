"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("chaosjc", deadline=None)  # a busy machine is no error; pytest's own time limit ends a hang
settings.load_profile("chaosjc")
