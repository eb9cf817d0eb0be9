"""The demo where no lab can run: the same engine against a small web service of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Generator

from chaosjc.cli.demo.stage import OUT, STATE, Act, Ended, conclude, must, out, play
from chaosjc.drivers import command


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
    argv = [sys.executable, "-m", "chaosjc.cli.demo.service", str(port), str(directory)]
    process = command.spawn(argv, log=OUT / "service.log")
    try:
        _wait_for(port)
        yield ["--set", f"url=http://127.0.0.1:{port}/", "--set", f"directory={directory}"]
    finally:
        command.end(process)


def _wait_for(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise Ended(70, f"the demo's web service does not answer: {OUT / 'service.log'}")
