"""The parts of a machine that need no root."""

from __future__ import annotations

import ipaddress
import shlex
import subprocess  # noqa: TID251 - lets the shell check our scripts
from dataclasses import replace
from pathlib import Path

import pytest

from chaosjc.errors import LabError
from chaosjc.lab.machine import disks, network, process
from chaosjc.lab.machine.machine import Host, Spec
from chaosjc.lab.machine.network import Names, Nic

UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
NIC = Nic(
    "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "99999999-0000", "fa:16:3e:00:00:01", ("10.0.0.5/24",), ("10.0.0.1/24",)
)
SPEC = Spec("web", "web", "image-id", 512, 1, 5, ephemeral_gb=(2, 3), nics=(NIC,), suspended=True)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path, Names("jcabc"))


def test_a_spec_survives_its_file() -> None:
    assert Spec.loads(SPEC.dumps()) == SPEC


def test_a_machine_is_found_again_as_soon_as_it_is_defined(host: Host) -> None:
    assert host.machine(UUID).state == "missing"
    host.machine(UUID).define(SPEC)
    assert [m.uuid for m in host.machines()] == [UUID]
    assert host.machine(UUID).spec == SPEC
    assert host.machine(UUID).state == "off"


def test_an_unknown_machine_says_so(host: Host) -> None:
    with pytest.raises(LabError, match=f"no machine {UUID}"):
        _ = host.machine(UUID).spec


def test_scripts_are_valid_shell(host: Host, tmp_path: Path) -> None:
    machine = host.machine(UUID)
    machine.define(Spec("web", "web", "image-id", 512, 1, 5, nics=(NIC,)))
    for native in ("disk/native",):
        (machine.directory / native).mkdir(parents=True)
    machine._write_net_script(machine.spec)
    (tmp_path / "boot.sh").write_text(machine._boot_script(machine.spec))
    for script in (machine.directory / "net.sh", tmp_path / "boot.sh"):
        subprocess.run(["sh", "-n", str(script)], check=True)
    boot = (tmp_path / "boot.sh").read_text()
    assert "--hostname=web" in shlex.split(boot.replace("\n", " "))
    assert boot.index("/wrap/cgroup.procs") < boot.index("/guest/cgroup.procs") < boot.index("systemd-nspawn")


def test_what_containers_stack_on_is_bound_past_the_overlay(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = host.machine(UUID)
    machine.define(replace(SPEC, ephemeral_gb=()))
    (machine.directory / "disk/native").mkdir(parents=True)
    assert not [word for word in machine._nspawn(machine.spec) if word.endswith(":/opt/seed")]

    def mounted(path: Path) -> bool:
        return path == machine.seed

    monkeypatch.setattr(disks, "is_mounted", mounted)
    assert f"--bind-ro={machine.seed}:/opt/seed" in machine._nspawn(machine.spec)
    assert machine.directory in machine.seed.parents, "else it were forgotten with other machines' mounts"


def test_each_port_is_silenced_before_anything_else_can_speak() -> None:
    lines = network.plug_commands(Names("jcabc"), "jcabc-0f1e2d3c", NIC, 0)
    assert lines[0].split()[3] == "jcabcaaaaaaaabb"
    assert "master jcabc-99999999 up" in lines[-1], "it comes up only on its bridge, where the firewall sees it"


def at(link: str, address: str) -> tuple[str, network.Interface]:
    return link, ipaddress.ip_interface(address)


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ([], None),
        ([at("eth0", "192.0.2.2/24")], None),
        ([at("eth0", "10.0.0.9/8")], "eth0 (10.0.0.9/8)"),
        ([at("jcabc-99999999", "10.0.0.1/24")], None),
        ([at("jcxyz-11111111", "10.0.0.1/24")], "jcxyz-11111111 (10.0.0.1/24)"),
        ([at("eth0", "fe80::1/64")], None),
    ],
)
def test_a_range_is_routed_to_one_network_only(there: list[tuple[str, network.Interface]], taken: str | None) -> None:
    assert network.clash(ipaddress.ip_interface("10.0.0.1/24"), "jcabc-99999999", there) == taken


MOUNTINFO = """\
27 1 254:0 / / rw - ext4 /dev/vda rw
40 27 7:1 / /s/images/i ro - squashfs /dev/loop1 ro
41 27 0:50 / /s/a\\040b rw - overlay x rw
42 27 0:51 / /state rw - tmpfs x rw
"""


def test_mounts_below_a_directory() -> None:
    assert disks.mounts(Path("/s"), MOUNTINFO) == [Path("/s/images/i"), Path("/s/a b")]
    assert disks.mounts(Path("/s/images/i"), MOUNTINFO) == [Path("/s/images/i")]


def test_a_file_is_replaced_in_one_step_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "f"
    for text in ("one", "two"):
        disks.write_atomically(file, text, 0o640)
    assert file.read_text() == "two"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_process_is_told_by_its_start_time() -> None:
    import os

    started = process.start_time(os.getpid())
    assert process.alive(os.getpid(), started)
    assert not process.alive(os.getpid(), started + 1), "another process with a reused pid"
    assert not process.alive(2**22 + 1, 0)
    assert process.resident_mb(os.getpid()) > 1
