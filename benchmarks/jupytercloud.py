"""What is promised of a whole JupyterCloud on the lab, measured: `make bench`. Needs root; nothing of it is left.

OpenStack, images and Kubernetes' programs are cached: the first `lab up --kubernetes` on a machine, which is not
timed here, makes what is missing. The targets are for a machine of two cores that does nothing else.

first cell      from no servers, by `site deploy`, until a kernel of the hub has executed a cell
memory          of the whole lab once it is idle: resident of the control plane, and of VMs and balancer without page
                cache; each part is told
`lab down`      with the JupyterCloud on it
`lab up`        back to a hub that has started a server since
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks import on_a_lab
from benchmarks.figures import Promises, busy, say
from chaosjc.lab.layout import Lab
from tests.lab.cloud import lab_command
from tests.lab.jupytercloud.hub import cell_executed, up_again
from tests.lab.runs import Stage
from tests.lab.site import DeployedSite, standing

FIRST_CELL, DOWN, SPAWN = 90, 20, 45
MEMORY = 2048
IDLE = 30.0
"""Seconds after which a site that nobody uses is called idle."""


def deploy(stage: Stage) -> None:
    """From no servers to a cell."""
    stage.site.run("deploy")
    cell_executed(stage, within=120)


def memory(lab: Lab) -> float:
    """MiB of everything that runs in it; told for each part."""
    time.sleep(IDLE)
    status = json.loads(lab_command(lab, "status", "--json"))
    parts = {f"control plane, {each['role']}": each["memory_mb"] for each in status["control"]}
    parts |= {each["name"]: each["memory_mb"] for each in (*status["servers"], *status["balancers"])}
    for part, mebibytes in parts.items():
        say(f"memory of {part:38} {mebibytes:6d} MiB")
    return sum(parts.values())


def main(root: Path) -> int:
    """Everything in one go."""
    lab, promises = Lab.of("bench-cloud", root), Promises()
    try:
        lab_command(lab, "up", "--kubernetes")
        say(busy())
        with standing("bench", lambda directory: DeployedSite.whole(lab, directory)) as site:
            stage = Stage(site)
            promises.timed("no servers to the first executed cell", FIRST_CELL, lambda: deploy(stage))
            promises.measured("idle memory of the whole lab", memory(lab), MEMORY, "MiB")
            promises.timed("lab down with a JupyterCloud on it", DOWN, lambda: lab_command(lab, "down"))
            promises.timed("lab up to a hub that starts servers", SPAWN, lambda: up_again(stage, within=240))
    finally:
        lab_command(lab, "reset")
    return promises.exit_code()


if __name__ == "__main__":
    sys.exit(on_a_lab.run(__doc__, main))
