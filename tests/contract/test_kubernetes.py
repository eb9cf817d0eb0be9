"""The cluster that unit tests break keeps the contract; tests/lab runs the same on a real one."""

from __future__ import annotations

import pytest

from chaosjc.drivers.kubernetes import Cluster
from tests.contract.cluster_faults import ClusterFaultContract
from tests.unit.drivers.cluster import FakeApi


class TestFakeCluster(ClusterFaultContract):
    @pytest.fixture
    def cluster(self) -> Cluster:
        return FakeApi().cluster
