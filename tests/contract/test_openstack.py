"""The cloud that unit tests deploy to keeps the contract; tests/lab runs the same on a real one."""

from __future__ import annotations

import pytest

from tests.contract.cloud import CloudContract
from tests.unit.site.fakes import FakeCloud


class TestFakeCloud(CloudContract):
    @pytest.fixture
    def cloud(self) -> FakeCloud:
        return FakeCloud()

    @pytest.fixture
    def image(self) -> str:
        return "chaosjc-golden"

    @pytest.fixture
    def flavor(self) -> str:
        return "m1.small"
