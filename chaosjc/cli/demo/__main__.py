"""`python -m chaosjc.cli.demo`; the exit code is 0 when every verdict was the true one."""

from __future__ import annotations

import os
import shutil
import signal
import sys

from rich.markup import escape

from chaosjc.cli.demo import calm, scheduled, storage
from chaosjc.cli.demo.local import local_demo
from chaosjc.cli.demo.stage import (
    INTERRUPTED,
    PROGRESS,
    REPORTS,
    SITE,
    STATE,
    Act,
    Ended,
    chaosjc,
    conclude,
    must,
    out,
    play,
)
from chaosjc.cli.state import journal_of
from chaosjc.drivers import command
from chaosjc.errors import ChaosJCError
from chaosjc.site.state import SiteState

ACTS = (
    Act(
        "The hub is scaled to nothing for 10 s; 5 s were promised.",
        "experiments/hub-scaled-to-zero.yaml",
        1,
        ("--set", "away=10s", "--set", "longest_outage=5s"),
    ),
    Act(
        "A worker hangs while Prometheus is down. Nobody measured, so nobody knows.",
        "experiments/prometheus-stopped.yaml",
        3,
        ("--set", "freeze=8s", "--set", "away=5s"),
    ),
)

KEPT = """
The lab stays. In a shell of your own:

    export CHAOSJC_STATE={state} OS_CLIENT_CONFIG_FILE={clouds} PATH={bin}:$PATH

    chaosjc lab status                                       # what runs
    openstack --os-cloud chaosjc-lab server list             # with any OpenStack client
    chaosjc lab shell worker-001                             # root on a machine
    chaosjc site discover {site}            # bricks, nodes, pods, users
    chaosjc run experiments/user-pod-killed.yaml --site {site}
    chaosjc run experiments/worker-vm-terminated.yaml --site {site}
    chaosjc schedule preview schedules/jupytercloud.yaml     # what would run by itself this week
    chaosjc serve schedules/jupytercloud.yaml                # and what runs it; metrics on port 9830

The hub at http://127.0.0.1:8000 (any name, password lab), and Prometheus at http://127.0.0.1:9090:

    ssh -F {ssh} -N -L 8000:worker-001:30080 bastion
    ssh -F {ssh} -N -L 9090:127.0.0.1:9090 monitor

At the end: chaosjc lab reset
"""


def lab_demo(*, keep: bool) -> int:
    """On a cloud in a box. It is removed at the end, unless it is to be kept; an interrupted one waits on the disk."""
    clouds = STATE / "lab/lab/public/clouds.yaml"
    os.environ |= {"CHAOSJC_STATE": str(STATE), "OS_CLIENT_CONFIG_FILE": str(clouds)}
    state = SiteState.of("jupytercloud")
    try:
        must("lab", "up", "--kubernetes", root=True)
        must("site", "deploy", SITE)
        must("recover")
        wrong = play(ACTS, "--site", SITE, "--seed", "1", calm=lambda: calm.calm(state))
        calm.calm(state)
        wrong += scheduled.play(state)
        wrong += storage.durability(state, out)
    except (Ended, ChaosJCError, KeyboardInterrupt):
        chaosjc("lab", "down", root=True)
        raise
    code = conclude(journal_of(state=str(state.root)), wrong)
    if keep:
        ssh, programs = state.ssh_config, sys.prefix + "/bin"
        out.print(KEPT.format(state=STATE, clouds=clouds, bin=programs, site=SITE, ssh=ssh), soft_wrap=True)
    else:
        must("lab", "reset", root=True)
    return code


def lab_can_run() -> bool:
    """Tries it, with the rights that the lab will have, and says what is missing."""
    argv = [sys.executable, "-m", "chaosjc.cli.host", "check"]
    if os.geteuid() != 0 and shutil.which("sudo"):
        argv = ["sudo", *([] if sys.stdin.isatty() else ["--non-interactive"]), *argv]
    return command.attached(argv) == 0


def main() -> int:
    """Run the demo that this machine can run."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what it has started ends with it
    REPORTS.mkdir(parents=True, exist_ok=True)
    if not PROGRESS.exists():
        for each in REPORTS.glob("*.html"):
            each.unlink()
    try:
        return lab_demo(keep=bool(os.environ.get("KEEP"))) if lab_can_run() else local_demo()
    except (Ended, ChaosJCError) as error:
        out.print(f"\n[bold red]{escape(str(error))}[/]")
        return error.code if isinstance(error, Ended) else 1
    except KeyboardInterrupt:
        return INTERRUPTED[-1]


if __name__ == "__main__":
    sys.exit(main())
