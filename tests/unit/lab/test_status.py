from __future__ import annotations

from pathlib import Path

from chaosjc.lab.layout import Lab
from chaosjc.lab.status import Server, gather, merge, nova_words


def machine(uuid: str, name: str, state: str = "running") -> Server:
    return Server(uuid, name, "", state, ("10.0.0.5",), 11, 8, 512)


def test_novas_words() -> None:
    answer = [
        {"id": "1", "name": "a", "status": "ACTIVE", "OS-EXT-STS:task_state": None},
        {"id": "2", "name": "b", "status": "ACTIVE", "OS-EXT-STS:task_state": "pausing"},
    ]
    assert nova_words(answer) == {"1": ("a", "ACTIVE"), "2": ("b", "ACTIVE pausing")}


def test_host_and_nova_side_by_side() -> None:
    servers = merge(
        [machine("2", "b"), machine("1", "a", "off")],
        {"1": ("a", "SHUTOFF"), "2": ("b", "ACTIVE"), "3": ("c", "ERROR")},
    )
    assert [(s.name, s.status, s.machine) for s in servers] == [
        ("a", "SHUTOFF", "off"),
        ("b", "ACTIVE", "running"),
        ("c", "ERROR", "missing"),
    ]


def test_without_nova_the_host_still_tells() -> None:
    assert [(s.name, s.status, s.machine) for s in merge([machine("1", "a")], {})] == [("a", "", "running")]


def test_a_lab_that_never_was_is_down_and_empty(tmp_path: Path) -> None:
    now = gather(Lab.of("never", tmp_path))
    assert not now.up
    assert {p.phase for p in now.control} == {"down"}
    assert now.servers == now.networks == ()
    assert now.as_json()["schema"] == 1
    assert not list(tmp_path.iterdir()), "looking makes nothing"
