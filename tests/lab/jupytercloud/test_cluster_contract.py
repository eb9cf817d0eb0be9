"""The lab's cluster keeps the contract that faults rely on, as tests/contract has it for the one in memory."""

from __future__ import annotations

import pytest

from chaosjc.drivers.kubernetes import Cluster
from tests.contract.cluster_faults import ClusterFaultContract

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


class TestLabCluster(ClusterFaultContract):
    @pytest.fixture
    def cluster(self, kubernetes: Cluster) -> Cluster:
        """That of conftest: the site's own, as its administrator."""
        return kubernetes
