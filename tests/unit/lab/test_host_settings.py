from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from chaosjc.drivers.command import Completed
from chaosjc.errors import CommandError, LabError
from chaosjc.lab import sysctl
from chaosjc.lab.config import Ports
from chaosjc.lab.layout import Lab
from chaosjc.lab.registry import choose, claim, claims, release

INSTANCES, WATCHES = "fs/inotify/max_user_instances", "fs/inotify/max_user_watches"
OVERCOMMIT, PANIC, OOM = "vm/overcommit_memory", "kernel/panic", "vm/panic_on_oom"
BEFORE = {INSTANCES: 128, WATCHES: 2_000_000, OVERCOMMIT: 2, PANIC: 60, OOM: 0}


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    for key, value in BEFORE.items():  # and this kernel has no others of WANTED
        file = tmp_path / "proc" / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(value))
    return tmp_path / "proc"


def test_only_what_is_too_low_is_raised_and_put_back(proc: Path, tmp_path: Path) -> None:
    record = tmp_path / "run" / "sysctls"
    for _ in range(2):  # a second lab changes nothing of what the first remembers
        sysctl.apply(record, proc)
        assert (proc / INSTANCES).read_text() == "8192"
        assert (proc / WATCHES).read_text() == "2000000"
    sysctl.restore(record, proc)
    assert (proc / INSTANCES).read_text() == "128"
    assert not record.parent.exists()


def test_what_a_kubelet_wants_exactly_is_lowered_too_and_all_is_put_back(proc: Path, tmp_path: Path) -> None:
    record = tmp_path / "run" / "sysctls"
    sysctl.apply(record, proc)
    assert [int((proc / key).read_text()) for key in (OVERCOMMIT, PANIC, OOM)] == [1, 10, 0]
    sysctl.restore(record, proc)
    assert {key: int((proc / key).read_text()) for key in BEFORE} == BEFORE


def test_a_setting_that_is_as_wanted_is_nobodys_business(proc: Path, tmp_path: Path) -> None:
    assert sysctl.changes({key: sysctl.WANTED[key] for key in sysctl.WANTED}) == {}
    record = tmp_path / "run" / "sysctls"
    sysctl.apply(record, proc)
    (proc / OOM).write_text("1")
    sysctl.restore(record, proc)
    assert (proc / OOM).read_text() == "1", "it was not the lab that set it"


@pytest.mark.parametrize("there", [True, False])
def test_the_bridges_filter_is_loaded_where_it_is_missing(tmp_path: Path, there: bool) -> None:
    ran = list[list[str]]()

    def run(argv: Sequence[str], **_: object) -> Completed:
        ran.append(list(argv))
        raise CommandError("modprobe: FATAL: Module br_netfilter not found")

    if there:
        (tmp_path / "net/bridge").mkdir(parents=True)
        sysctl.load_bridge_filter(run, tmp_path)
        assert ran == []
    else:
        with pytest.raises(LabError, match="not found"):
            sysctl.load_bridge_filter(run, tmp_path)
        assert ran == [["modprobe", "br_netfilter"]]


def test_what_somebody_else_changed_meanwhile_stays(proc: Path, tmp_path: Path) -> None:
    sysctl.apply(tmp_path / "run/sysctls", proc)
    (proc / INSTANCES).write_text("9999")
    sysctl.restore(tmp_path / "run/sysctls", proc)
    assert (proc / INSTANCES).read_text() == "9999"


def test_ports_are_a_free_pair() -> None:
    assert choose(set(), lambda _: True) == Ports(18774, 18775)
    assert choose({18775}, lambda _: True) == Ports(18776, 18777)
    assert choose(set(), lambda port: port != 18774) == Ports(18776, 18777)


def lab_in(state: Path, name: str) -> Lab:
    lab = Lab.of(name, state)
    lab.private.mkdir(parents=True)
    return lab


def test_each_lab_keeps_ports_of_its_own(tmp_path: Path) -> None:
    registry = tmp_path / "run"
    one, two = lab_in(tmp_path, "one"), lab_in(tmp_path, "two")
    ports = claim(one, registry)
    assert claim(two, registry) != ports
    assert claim(one, registry) == ports
    release(two, registry)
    assert list(claims(registry)) == [one.tag]
    release(one, registry)
    assert not registry.exists(), "the last one leaves nothing"


def test_ports_that_another_took_meanwhile_are_given_up(tmp_path: Path) -> None:
    registry = tmp_path / "run"
    one, two = lab_in(tmp_path, "one"), lab_in(tmp_path, "two")
    ports = claim(one, registry)
    release(one, registry)
    assert claim(two, registry) == ports
    assert claim(one, registry) != ports


def test_a_lab_whose_directory_was_deleted_claims_nothing(tmp_path: Path) -> None:
    registry = tmp_path / "run"
    one, two = lab_in(tmp_path, "one"), lab_in(tmp_path, "two")
    ports = claim(one, registry)
    shutil.rmtree(one.directory)
    assert claim(two, registry) == ports
    assert list(claims(registry)) == [two.tag]
