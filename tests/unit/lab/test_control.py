from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from chaosjc.errors import LabError
from chaosjc.lab import control
from chaosjc.lab.down import find, host_of
from chaosjc.lab.layout import Lab
from chaosjc.lab.machine import process
from chaosjc.lab.machine.machine import Spec
from tests.unit.fakes import FakeClock

ME = os.getpid()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab.of("x", tmp_path)
    lab.run.mkdir(parents=True)
    return lab


def says(lab: Lab, role: str, phase: str, started: int | None = None) -> None:
    facts = {"pid": ME, "started": process.start_time(ME) if started is None else started, "phase": phase}
    (lab.run / f"{role}.json").write_text(json.dumps(facts))


def test_a_process_is_what_it_says_while_it_lives(lab: Lab) -> None:
    assert control.look(lab, "cloud").phase == "down"
    says(lab, "cloud", "loading")
    assert control.look(lab, "cloud").phase == "loading"
    says(lab, "cloud", "ready", started=1)
    assert not control.look(lab, "cloud").alive, "the pid was given to another process"
    (lab.run / "cloud.json").write_text("{")
    assert not control.look(lab, "cloud").alive


def test_wait_returns_when_both_are_ready(lab: Lab) -> None:
    for role in control.ROLES:
        says(lab, role, "ready")
    control.wait(lab, clock=FakeClock())


@pytest.mark.parametrize(("phase", "seconds"), [("failed", 0), ("loading", 120)])
def test_wait_gives_up_and_names_the_log(lab: Lab, phase: str, seconds: int) -> None:
    says(lab, "network", "ready")
    says(lab, "cloud", phase)
    clock = FakeClock(0)
    with pytest.raises(LabError, match=rf"cloud is {phase}\n.*log/cloud.out"):
        control.wait(lab, timeout=120, clock=clock)
    assert clock.now == pytest.approx(seconds, abs=0.2)


def test_a_process_that_never_appears_is_not_waited_for_long(lab: Lab) -> None:
    clock = FakeClock(0)
    with pytest.raises(LabError, match="network is down"):
        control.wait(lab, timeout=120, clock=clock)
    assert clock.now < 11


def test_a_server_is_found_by_name_or_by_the_beginning_of_its_id(lab: Lab) -> None:
    for uuid, name in (("aaaa-1", "web"), ("aaab-2", "db")):
        host_of(lab).machine(uuid).define(Spec(name, name, "i", 256, 1, 1))
    assert find(lab, "web").uuid == "aaaa-1"
    assert find(lab, "aaab").uuid == "aaab-2"
    with pytest.raises(LabError, match=r"several servers match 'aaa'"):
        find(lab, "aaa")
    with pytest.raises(LabError, match=r"no server is called 'x'\n.*db, web"):
        find(lab, "x")
