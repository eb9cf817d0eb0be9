"""The lab's cloud keeps the contract that the stages rely on, as tests/contract has it for the one in memory."""

from __future__ import annotations

import os

import pytest

from chaosjc.drivers.openstack import Cloud
from chaosjc.lab.layout import Lab
from tests.contract.cloud import CloudContract

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


class TestLabCloud(CloudContract):
    @pytest.fixture
    def cloud(self, lab: Lab) -> Cloud:
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(lab.clouds)
        return Cloud.connect(lab.cloud)

    @pytest.fixture
    def image(self) -> str:
        return "chaosjc-golden"

    @pytest.fixture
    def flavor(self) -> str:
        return "m1.small"
