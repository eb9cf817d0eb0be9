"""What the hub's canary has seen, by the site's own Prometheus."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator

from chaosjc.drivers.prometheus import Prometheus
from chaosjc.site import endpoints
from chaosjc.site.state import SiteState
from tests.lab.cloud import lab_command, until
from tests.lab.runs import Stage


@contextlib.contextmanager
def asking(stage: Stage) -> Generator[Prometheus]:
    state = SiteState.of("", str(stage.site.state))
    with endpoints.prometheus(state) as url, contextlib.closing(Prometheus.connect(url)) as prometheus:
        yield prometheus


def number(prometheus: Prometheus, promql: str) -> float:
    """The sum of what a query finds; 0 for nothing."""
    return sum(series.points[-1][1] for series in prometheus.query(promql, at=time.time()))


def cell_executed(stage: Stage, within: float) -> None:
    """Return once a kernel has answered a canary for the first time."""
    with asking(stage) as prometheus:
        until(lambda: number(prometheus, "sum(chaosjc_hub_live_cells_total)") > 0, within, every=0.2)


def ladder_succeeded(stage: Stage, within: float, since: float | None = None, rung: str = "cell") -> None:
    """Return once a canary user has got to this rung since then (seconds since 1970), by default since now."""
    began = time.time() if since is None else since

    def climbed(prometheus: Prometheus) -> bool:
        window = f"[{1000 * (time.time() - began):.0f}ms]"
        return number(prometheus, f'increase(chaosjc_hub_successes_total{{rung="{rung}"}}{window})') > 0

    with asking(stage) as prometheus:
        until(lambda: climbed(prometheus), within, every=0.5)


def up_again(stage: Stage, within: float) -> float:
    """The lab, until a canary's server was started on it; when that was begun (seconds since 1970)."""
    began = time.time()  # Prometheus remembers what it scraped before
    lab_command(stage.site.lab, "up")
    until(lambda: reached(stage), 60)
    ladder_succeeded(stage, within=within, since=began, rung="spawn")
    return began


def reached(stage: Stage) -> bool:
    """Whether the monitor VM has started again."""
    return stage.site.ssh("monitor", "systemctl is-active prometheus").stdout == "active\n"
