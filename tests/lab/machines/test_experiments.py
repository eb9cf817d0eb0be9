"""Experiments on a real site: the verdict is the truth, and whatever dies, what was broken is put back."""

from __future__ import annotations

import datetime
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosjc.drivers import command
from chaosjc.lab.layout import Lab
from tests.lab.cloud import measured, until
from tests.lab.runs import CHAOSJC, Stage, hypothesis, seconds
from tests.lab.site import ROOT, DeployedSite, standing
from tests.schedules import firing_at

PLANT = """\
[Unit]
Description=Planted by hand: logins wait for this
Before=ssh.service
[Service]
Type=oneshot
ExecStart=/bin/sleep 25
[Install]
WantedBy=multi-user.target
"""

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def stage(lab: Lab) -> Iterator[Stage]:
    """One site for the module."""
    with standing("experiments", lambda directory: DeployedSite.on(lab, directory)) as site:
        with measured("site deploy"):
            site.run("deploy")
        site.run("verify")  # Prometheus has begun to scrape
        yield Stage(site)


class TestVerdicts:
    def test_a_frozen_worker_passes(self, stage: Stage) -> None:
        run = stage.run("worker-vm-frozen", 0)
        assert (run["verdict"], run["code"]) == ("PASS", "held")
        assert run["faults"][0]["targets"][0]["outcome"] == "whole"
        others = hypothesis(run, "the other workers never miss a scrape")
        assert others["phases"]["during"]["violated_s"] == 0
        assert others["phases"]["during"]["samples"] >= 18
        seen = hypothesis(run, "monitoring sees the hang")
        assert seen["phases"]["during"]["violated_s"] < 10
        assert 19 < seconds(run, "injected_at", "undone_at") < 26
        stage.assert_whole()

    def test_a_deleted_worker_passes_and_is_another_one(self, stage: Stage) -> None:
        def identity(name: str) -> tuple[str, str]:
            server = next(each for each in stage.site.context().cloud.servers() if each.name == name)
            key = stage.site.ssh(name, "sudo ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key").stdout
            assert "ED25519" in key
            return server.id, key

        before = {name: identity(name) for name in ("worker-001", "worker-002")}
        run = stage.run("worker-vm-deleted", 0)
        assert run["verdict"] == "PASS"
        (target,) = run["faults"][0]["targets"]
        after = {name: identity(name) for name in before}
        assert target["id"] == before[target["name"]][0]
        assert all(new != old for new, old in zip(after[target["name"]], before[target["name"]], strict=True))
        other = next(name for name in before if name != target["name"])
        assert after[other] == before[other]
        stage.assert_whole()

    @pytest.mark.long
    def test_a_slow_boot_planted_by_hand_fails_and_without_it_passes(self, stage: Stage) -> None:
        unit = "/etc/systemd/system/slow-boot.service"
        command.run(["ssh", "-F", str(stage.site.state / "ssh/config"), "worker-001", f"sudo tee {unit}"], stdin=PLANT)
        stage.site.by_hand("worker-001", "sudo systemctl enable --quiet slow-boot")
        run = stage.run("worker-vm-stopped", 1)
        assert (run["verdict"], run["code"]) == ("FAIL", "recovered-late")
        assert run["faults"][0]["targets"][0]["outcome"] == "whole", "late, but it came back"
        stage.site.by_hand("worker-001", f"sudo systemctl disable --quiet slow-boot; sudo rm {unit}")
        assert stage.run("worker-vm-stopped", 0)["verdict"] == "PASS"
        stage.assert_whole()

    def test_a_lost_prometheus_is_inconclusive(self, stage: Stage) -> None:
        run = stage.run("prometheus-stopped", 3)
        assert (run["verdict"], run["code"]) == ("INCONCLUSIVE", "thin-data")
        assert {t["outcome"] for fault in run["faults"] for t in fault["targets"]} == {"whole"}
        stage.assert_whole()


class TestRefusals:
    def test_a_broken_steady_state_starts_nothing(self, stage: Stage) -> None:
        stage.site.by_hand("worker-002", "sudo systemctl stop prometheus-node-exporter")
        run = stage.run("worker-vm-stopped", 4)
        assert (run["verdict"], run["code"]) == ("NOT-STARTED", "steady-state-broken")
        stage.site.run("deploy")
        assert set(stage.status().values()) == {"ACTIVE"}

    def test_a_protected_vm_is_refused(self, stage: Stage) -> None:
        run = stage.run("worker-vm-stopped", 4, "--set", "worker=bastion")
        assert (run["verdict"], run["code"]) == ("NOT-STARTED", "protected")

    def test_a_dry_run_touches_nothing(self, stage: Stage) -> None:
        before = stage.runs()
        planned = stage.dry_run("worker-vm-frozen", 0)
        assert [step["fault"] for step in planned["planned"]["steps"]] == ["vm.pause"]
        assert stage.runs() == before


class TestPutBack:
    def test_ctrl_c_undoes_at_once(self, stage: Stage) -> None:
        process = command.spawn(stage.argv("worker-vm-frozen"), log=stage.site.state / "interrupted.log", cwd=ROOT)
        until(lambda: "PAUSED" in stage.status().values(), 60)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 5
        assert stage.last()["verdict"] == "ABORTED"
        stage.assert_put_back()

    def test_a_halt_undoes_within_a_second_and_binds_until_resumed(self, stage: Stage) -> None:
        process = command.spawn(stage.argv("worker-vm-frozen"), log=stage.site.state / "halted.log", cwd=ROOT)
        until(lambda: "PAUSED" in stage.status().values(), 60)
        state = ["--state", str(stage.site.state)]
        command.run([*CHAOSJC, "halt", "--reason", "exam", *state], cwd=ROOT)
        assert process.wait(60) == 5
        assert (stage.last()["verdict"], stage.last()["code"]) == ("ABORTED", "halt")
        assert stage.run("worker-vm-stopped", 4)["code"] == "halted"
        command.run([*CHAOSJC, "resume", "--reason", "over", *state], cwd=ROOT)
        stage.assert_put_back()

    @pytest.mark.parametrize(
        "point", ["inject:0.2", "injected:before", pytest.param("undo-claimed:after", marks=pytest.mark.long)]
    )
    def test_a_killed_run_is_undone_by_its_watchdog(self, stage: Stage, point: str) -> None:
        stage.crash(short("worker-vm-stopped", stage), point)
        assert stage.wait_closed()["verdict"] == "ABORTED"
        stage.assert_put_back()

    @pytest.mark.parametrize(
        ("experiment", "point"),
        [
            ("worker-vm-frozen", "injected:after"),
            ("worker-vm-deleted", "inject:0.1"),
            pytest.param("worker-vm-deleted", "injected:before", marks=pytest.mark.long),
            pytest.param("worker-vm-stopped", "undo:0.3", marks=pytest.mark.long),
        ],
    )
    def test_a_killed_run_with_a_killed_watchdog_is_undone_by_recover(
        self, stage: Stage, experiment: str, point: str
    ) -> None:
        stage.crash(short(experiment, stage), point, "watchdog")
        stage.recover()
        assert stage.last()["verdict"] == "ABORTED"
        time.sleep(1)
        stage.assert_put_back()


def short(experiment: str, stage: Stage) -> Path:
    """The experiment with a short baseline: it is killed anyway."""
    path = stage.site.state / f"{experiment}.yaml"
    path.write_text((ROOT / f"experiments/{experiment}.yaml").read_text() + "\nbaseline: 3s\n")
    return path


class TestScheduled:
    def test_what_falls_due_finds_a_whole_site_and_leaves_one(self, stage: Stage, tmp_path: Path) -> None:
        """A worker was deleted by hand: the site is deployed and verified first, then the other one freezes."""
        cloud = stage.site.context().cloud
        cloud.delete_server(next(each.id for each in cloud.servers() if each.name == "worker-001"))
        at = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(seconds=10)
        raw = firing_at(at, ROOT / "experiments/worker-vm-frozen.yaml", prepare="deploy")
        file, log, runs = tmp_path / "schedule.yaml", tmp_path / "log", len(stage.runs())
        file.write_text(json.dumps(raw | {"site": str(stage.site.file)}))
        where = ["--state", str(stage.site.state), "--listen", "127.0.0.1:0"]
        process = command.spawn([*CHAOSJC, "serve", str(file), *where], log=log, cwd=ROOT)
        try:
            until(lambda: "ended, exit code 0" in log.read_text(), 200, every=1)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, log.read_text()
        assert [each["verdict"] for each in stage.runs()[runs:]] == ["PASS"]
        stage.assert_whole()
