"""Runs on a deployed site, by the command line."""

from __future__ import annotations

import datetime
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chaosjc.drivers import command
from chaosjc.errors import CommandTimeout
from chaosjc.journal.store import Store
from chaosjc.site.context import in_parallel
from tests.journals import check, recompute
from tests.lab.cloud import until
from tests.lab.site import ROOT, DeployedSite

CHAOSJC = (sys.executable, "-m", "chaosjc.cli.main")


@dataclass(frozen=True)
class Stage:
    """A deployed site, and runs on it."""

    site: DeployedSite

    def run(self, experiment: str, expect: int, *arguments: str) -> dict[str, Any]:
        """Run an experiment (its name, or a file) to its end; the run as the command prints it."""
        try:
            done = command.run(self.argv(experiment, *arguments), timeout=420, check=False, cwd=ROOT)
        except CommandTimeout as late:
            pytest.fail(f"{late.message}\n{late.stderr[-3000:]}\n{self.site.told()}")
        assert done.returncode == expect, done.stdout[-3000:] + done.stderr
        return self._judged_anew(json.loads(done.stdout))

    def dry_run(self, experiment: str, expect: int) -> dict[str, Any]:
        """What it would do; `expect` is 0 where it would start."""
        done = command.run(self.argv(experiment, "--dry-run"), timeout=60, check=False, cwd=ROOT)
        assert done.returncode == expect, done.stdout[-3000:] + done.stderr
        return json.loads(done.stdout)

    def argv(self, experiment: str, *arguments: str) -> list[str]:
        where = ["--site", str(self.site.file), "--state", str(self.site.state), "--json", "--seed", "1"]
        file = experiment if experiment.endswith(".yaml") else f"experiments/{experiment}.yaml"
        return [*CHAOSJC, "run", file, *where, *arguments]

    def crash(self, experiment: Path, point: str, *more: str) -> None:
        """Run it until it kills itself."""
        argv = [sys.executable, "-m", "tests.contract.crashing_run", str(experiment), str(self.site.state), point]
        done = command.run([*argv, f"site={self.site.file}", *more], cwd=ROOT, check=False, timeout=120)
        assert done.returncode == -signal.SIGKILL, done.stderr

    def runs(self) -> list[dict[str, Any]]:
        done = command.run([*CHAOSJC, "runs", "list", "--state", str(self.site.state), "--json"], cwd=ROOT)
        return json.loads(done.stdout)

    def show(self, run: str) -> dict[str, Any]:
        done = command.run([*CHAOSJC, "runs", "show", run, "--state", str(self.site.state), "--json"], cwd=ROOT)
        return json.loads(done.stdout)

    def last(self) -> dict[str, Any]:
        """The newest run; waits for the first."""
        until(self.runs, 60, every=0.3)
        return self.runs()[-1]

    def wait_closed(self) -> dict[str, Any]:
        until(lambda: self.last()["state"] == "closed", 120, every=0.3)
        return self._judged_anew(self.last())

    def _judged_anew(self, run: dict[str, Any]) -> dict[str, Any]:
        """Its verdict follows from its journal alone."""
        with Store(self.site.state / "journal.db") as store:
            check(store, [run["run"]])
        return run

    def owes(self) -> bool:
        """Whether a run has not put everything back."""
        return any(each["state"] != "closed" or each["debts"] for each in self.runs())

    def put_back(self) -> Stage:
        """Where a test before this one failed, so that it fails alone."""
        if self.owes():
            self.recover()
        return self

    def recover(self, expect: int = 0) -> None:
        done = command.run([*CHAOSJC, "recover", "--state", str(self.site.state)], cwd=ROOT, check=False, timeout=400)
        assert done.returncode == expect, done.stdout + done.stderr
        recompute(self.site.state)

    def status(self) -> dict[str, str]:
        return {server.name: server.status for server in self.site.context().cloud.servers()}

    def assert_put_back(self) -> None:
        """Every server runs, and a deploy has nothing to do."""
        assert set(self.status().values()) == {"ACTIVE"}
        assert self.site.run("plan") == []

    def assert_whole(self) -> None:
        """Every server runs, and the site is what its file says, to the eyes of `verify` too."""
        assert set(self.status().values()) == {"ACTIVE"}
        planned, verified = in_parallel(self.site.run, ["plan", "verify"])
        assert planned == []
        assert [each for each in verified if not each["held"]] == []


def hypothesis(run: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in run["hypotheses"] if each["name"] == name)


def seconds(run: dict[str, Any], first: str, last: str) -> float:
    (target,) = run["faults"][0]["targets"]
    times = [datetime.datetime.fromisoformat(target[key]) for key in (first, last)]
    return (times[1] - times[0]).total_seconds()
