"""The dashboard's queries, on the Prometheus of a site that was broken in every way: no error, nothing empty for no
reason.
"""

from __future__ import annotations

import time

import pytest

from chaosjc.drivers.prometheus import Prometheus
from dashboards import draw, storage
from tests.lab.cloud import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

MAY_BE_EMPTY = {"Failed reads, by error": "every write could be read"}
"""Panels without a series, and why that is well."""
AUDITED = """
    max(time() - chaosjc_storage_audited_timestamp_seconds) < 60
    and on () min(chaosjc_storage_up) == 1
    and on () count(chaosjc_storage_read_seconds_count)
"""


def wrong(prometheus: Prometheus) -> list[str]:
    """What is wrong with the panels, in words; a query that is an error raises."""
    now = time.time()
    return [
        f"{panel}: {expr} is empty"
        for panel, expr in draw.queries(storage.drawn())
        if not prometheus.query(draw.filled(expr), at=now) and panel not in MAY_BE_EMPTY
    ]


def test_no_panel_is_empty_or_an_error(prometheus: Prometheus) -> None:
    until(lambda: bool(prometheus.query(AUDITED, at=time.time())), 120, every=2)
    until(lambda: wrong(prometheus) == [], 90, every=5)
    assert wrong(prometheus) == []
