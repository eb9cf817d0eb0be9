"""`make demo`: the whole story, told with the commands that a person would type.

On a machine that can run the lab: a cloud in a box, a site on it, four experiments with known verdicts. Elsewhere the
same engine breaks a small web service on this machine, and says that this is not the lab.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from chaosjc.clock import Clock, SystemClock
from chaosjc.drivers import command
from chaosjc.errors import ChaosJCError, CommandError

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "out" / "demo"
STATE, REPORTS, PROGRESS = OUT / "state", OUT / "reports", OUT / "progress.json"
SITE = "sites/lab.yaml"
INTERRUPTED = (5, 130)
KEPT_BY_SUDO = ("CHAOSJC_STATE", "XDG_CACHE_HOME", "HOME")
REFUSED = 30.0  # seconds for which what a VM refuses is tried again: somebody else may hold GlusterFS's lock
VERDICTS = {0: "PASS", 1: "FAIL", 3: "INCONCLUSIVE", 4: "NOT-STARTED", 5: "ABORTED", 6: "UNDO-FAILED"}

PLANT = """\
[Unit]
Description=Planted by hand: logins wait for this
Before=ssh.service
[Service]
Type=oneshot
ExecStart=/bin/sleep 40
[Install]
WantedBy=multi-user.target
"""

out = Console(highlight=False)


class Ended(Exception):
    """The demo cannot go on; the exit code says why."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True)
class Act:
    """One run of the demo: what is shown, the exit code that is the truth of it, and what was planted by hand."""

    title: str
    experiment: str
    expected: int
    arguments: tuple[str, ...] = ()
    plant: Callable[[], AbstractContextManager[None]] = nullcontext


def chaosjc(*arguments: str, root: bool = False) -> int:
    """Show a command, run it on this terminal, and return its exit code."""
    out.print(f"\n[bold cyan]$ chaosjc {shlex.join(arguments)}[/]")
    argv = [str(ROOT / ".venv/bin/chaosjc"), *arguments]
    if root and os.geteuid() != 0:
        kept = [f"{name}={os.environ[name]}" for name in KEPT_BY_SUDO if name in os.environ]
        argv = ["sudo", "env", *kept, *argv]
    return command.attached(argv)


def must(*arguments: str, root: bool = False) -> None:
    """A step without which the demo makes no sense."""
    code = chaosjc(*arguments, root=root)
    if code:
        raise Ended(code, f"chaosjc {shlex.join(arguments)} ended with {code}")


def play(acts: tuple[Act, ...], *common: str, calm: Callable[[], object] = lambda: None) -> list[str]:
    """Run each act that an interrupted demo has not shown yet; returns what went otherwise than it should.

    `calm` waits, before each run, until nothing is left to see of what was done before.
    """
    done: dict[str, str] = json.loads(PROGRESS.read_text()) if PROGRESS.exists() else {}
    wrong: list[str] = []
    for number, act in enumerate(acts, 1):
        key = f"{number} {act.experiment} {' '.join(act.arguments)}"
        if key in done:
            out.print(f"\n[dim]{act.title} Seen before the interruption: {done[key]}[/]")
            continue
        out.rule(f"[bold]{number}/{len(acts)}  {act.title}", align="left")
        with act.plant():
            calm()
            code = chaosjc("run", act.experiment, *common, *act.arguments, "--html", str(REPORTS))
        if code in INTERRUPTED:
            raise Ended(code, "interrupted; `make demo` continues where it was")
        done[key] = VERDICTS.get(code, f"exit code {code}")
        if code == act.expected:
            PROGRESS.write_text(json.dumps(done))
        else:
            wrong.append(f"{act.experiment}: {done[key]}, and {VERDICTS[act.expected]} would have been the truth")
    PROGRESS.unlink(missing_ok=True)
    return wrong


def on_vm(vm: str, *argv: str, stdin: str | None = None, check: bool = True) -> None:
    """What somebody does on a VM by hand, as root."""
    ssh = ["ssh", "-F", str(STATE / "site/lab/ssh/config"), vm, "sudo", "-n"]
    command.run([*ssh, *argv], stdin=stdin, check=check)


def insist(vm: str, *argv: str, clock: Clock | None = None) -> None:
    """The same, tried again while it is refused. Raises CommandError where it is for long."""
    clock = clock or SystemClock()
    until = clock.monotonic() + REFUSED
    while True:
        try:
            return on_vm(vm, *argv)
        except CommandError:
            if clock.monotonic() >= until:
                raise
        clock.sleep(1)


@contextlib.contextmanager
def slow_boot() -> Generator[None]:
    """A unit that delays the first worker's boot, as a colleague might have left it; gone again afterwards."""
    unit = "/etc/systemd/system/slow-boot.service"
    on_vm("worker-001", "tee", unit, stdin=PLANT)
    on_vm("worker-001", "systemctl", "enable", "--quiet", "slow-boot")
    try:
        yield
    finally:
        on_vm("worker-001", "systemctl", "disable", "--quiet", "slow-boot", check=False)
        on_vm("worker-001", "rm", "-f", unit, check=False)


@contextlib.contextmanager
def forgotten_timeout() -> Generator[None]:
    """GlusterFS's own ping-timeout, set by hand: `site plan` names it, and `site deploy` mends it."""
    insist("brick-001", "gluster", "--mode=script", "volume", "set", "homes", "network.ping-timeout", "42")
    chaosjc("site", "plan", SITE)
    try:
        yield
    finally:
        must("site", "deploy", SITE)


LAB_ACTS = (
    Act("A worker hangs. The site is built for that.", "experiments/worker-vm-frozen.yaml", 0),
    Act("A worker is lost, and deployed anew.", "experiments/worker-vm-deleted.yaml", 0),
    Act(
        "A worker is stopped. By hand, somebody made its boot slow: nobody noticed, until now.",
        "experiments/worker-vm-stopped.yaml",
        1,
        plant=slow_boot,
    ),
    Act(
        "A worker hangs while Prometheus is down. Nobody measured, so nobody knows.",
        "experiments/prometheus-stopped.yaml",
        3,
    ),
    Act("A brick's process is killed while everybody writes.", "experiments/brick-process-killed.yaml", 0),
    Act("A brick's VM hangs: one stall, as long as ping-timeout.", "experiments/brick-vm-frozen.yaml", 0),
    Act("A brick is cut off from everybody else's network.", "experiments/brick-partitioned.yaml", 0),
    Act("A brick is lost with its disk, deployed anew and healed.", "experiments/brick-vm-deleted.yaml", 0),
    Act(
        "A brick's VM hangs. By hand, somebody has set ping-timeout to 42 s.",
        "experiments/brick-vm-frozen.yaml",
        1,
        plant=forgotten_timeout,
    ),
)


def lab_demo(*, keep: bool) -> int:
    """On a cloud in a box. It is removed at the end, unless it is to be kept; an interrupted one waits on the disk."""
    os.environ["CHAOSJC_STATE"] = str(STATE)
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(STATE / "lab/lab/public/clouds.yaml")
    from chaosjc.cli.demo_storage import calm, durability
    from chaosjc.site.state import SiteState

    try:
        must("lab", "up", root=True)
        must("site", "deploy", SITE)
        must("site", "verify", SITE)
        must("site", "status", SITE)
        must("recover")
        state = SiteState.of("lab")
        wrong = play(LAB_ACTS, "--site", SITE, "--seed", "1", calm=lambda: calm(state))
        wrong += durability(state, out)
    except (Ended, ChaosJCError, KeyboardInterrupt):
        chaosjc("lab", "down", root=True)
        raise
    code = conclude(STATE / "site/lab/journal.db", wrong)
    if keep:
        clouds = os.environ["OS_CLIENT_CONFIG_FILE"]
        out.print(f"\nThe lab stays. [bold]export CHAOSJC_STATE={STATE} OS_CLIENT_CONFIG_FILE={clouds}[/]")
        out.print("Try: chaosjc lab status; openstack --os-cloud chaosjc-lab server list; chaosjc lab shell worker-001")
        out.print("At the end: chaosjc lab reset")
    else:
        must("lab", "reset", root=True)
    return code


def local_demo() -> int:
    """Without a lab: the same engine against a web service that the demo starts itself."""
    os.environ["CHAOSJC_STATE"] = str(STATE)
    out.print("[bold yellow]This is not the lab:[/] no cloud, no VMs. The same engine breaks a local web service.")
    with web_service() as settings:
        acts = (
            Act("The service fails for 3 s; 5 s were promised.", "experiments/local/web-service.yaml", 0),
            Act(
                "The same, but only 1 s was promised.",
                "experiments/local/web-service.yaml",
                1,
                ("--set", "budget=1s"),
            ),
            Act("The service hangs: no answer is no data.", "experiments/local/web-service-hangs.yaml", 3),
        )
        must("recover")
        wrong = play(acts, *settings, "--seed", "1")
    return conclude(STATE / "local/journal.db", wrong)


@contextlib.contextmanager
def web_service() -> Generator[list[str]]:
    """The service, and the settings that tell an experiment where it is."""
    directory = OUT / "service"
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("broken", "hanging"):
        (directory / name).unlink(missing_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    argv = [sys.executable, "-m", "chaosjc.cli.demo_service", str(port), str(directory)]
    process = command.spawn(argv, log=OUT / "service.log")
    try:
        _wait_for(port)
        yield ["--set", f"url=http://127.0.0.1:{port}/", "--set", f"directory={directory}"]
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise Ended(70, f"the demo's web service does not answer: {OUT / 'service.log'}")


def conclude(journal: Path, wrong: list[str]) -> int:
    """The last words: every run of this demo, and whether its verdict was the true one."""
    from chaosjc.journal.store import Store
    from chaosjc.report.terminal import suite_summary

    out.rule("[bold]What was found", align="left")
    reports = sorted(REPORTS.glob("*.html"))
    with Store(journal) as store:
        out.print(suite_summary([(store.entries(each.stem), str(each.relative_to(ROOT))) for each in reports]))
    for each in wrong:
        out.print(f"[bold red]not as it should be:[/] {each}")
    if not wrong:
        out.print("[bold green]Every verdict was the true one.[/]")
    return 1 if wrong else 0


def lab_can_run() -> bool:
    """Tries it, with the rights that the lab will have, and says what is missing."""
    argv = [sys.executable, "-m", "chaosjc.cli.host", "check"]
    if os.geteuid() != 0 and shutil.which("sudo"):
        argv = ["sudo", *([] if sys.stdin.isatty() else ["--non-interactive"]), *argv]
    return command.attached(argv) == 0


def main() -> int:
    """Exit code 0 when every verdict was the true one."""
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
