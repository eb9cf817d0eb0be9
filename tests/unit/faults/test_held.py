"""Faults that a unit holds, against a host that knows units and what they leave: whatever happens, it ends whole."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosjc.drivers.command import Completed
from chaosjc.drivers.openstack import Cloud, NotFound
from chaosjc.drivers.openstack_values import Server
from chaosjc.drivers.ssh import CONNECTION_FAILED, Ssh
from chaosjc.errors import ChaosJCError, FaultError
from chaosjc.faults.registry import FAULTS
from chaosjc.faults.remote import Family, program
from chaosjc.faults.target import Chosen
from chaosjc.faults.world import World
from chaosjc.journal.events import Context, StepPlan, Target
from chaosjc.site.topology import Brick
from tests.unit.fakes import FakeClock

TARGET = Target(id="u", name="brick-001", address="10.0.0.1")
PEER = Target(id="p", name="worker-001", address="10.0.0.9")
CHOSEN = Chosen((TARGET,), (), (), 1, (Brick("homes", "brick-001", "/data/homes"),), (PEER,))
CHOICE: dict[str, Any] = {"target": {"name": "brick-001"}, "duration": 20.0}
ENTRIES: Mapping[str, dict[str, Any]] = {
    "brick.freeze": {"volume": "homes"},
    "disk.fill": {"volume": "homes"},
    "disk.slow": {"volume": "homes"},
    "net.partition": {"from": "worker-001"},
    "net.delay": {"from": "worker-001", "delay": 0.1},
}
LEAVES = {"freeze": "stopped", "fill": "file", "partition": "table", "delay": "rules"}
"""What outlives the main process of each, until it is taken away; a tracer takes itself away."""
TAKES = {"kill": "stopped", "rm": "file", "nft": "table", "ip": "rules"}


def plan(name: str, **more: object) -> StepPlan:
    fault = FAULTS[name]
    entry = fault.entry.model_validate({**CHOICE, **ENTRIES[name], **more})
    (step,) = fault.plan(entry, CHOSEN, "f1")
    return step


@dataclass
class Host:
    """A target. `stops` is how far an inject comes before its connection breaks: 0 nothing, 1 unit, 2 all."""

    stops: int = 3
    reachable: bool = True
    units: dict[str, list[list[str]]] = field(default_factory=dict[str, list[list[str]]])
    residue: set[str] = field(default_factory=set[str])
    deadline: float = 0.0
    asked: list[list[str]] = field(default_factory=list[list[str]])

    def __call__(self, argv: Sequence[str], stdin: str = "", **_: object) -> Completed:
        if not self.reachable:
            return Completed(tuple(argv), CONNECTION_FAILED, "", "Connection timed out", 0.0)
        words = shlex.split(argv[-1])
        if words == ["true"] or "-O" in argv:
            return Completed(tuple(argv), 0, "", "", 0.0)
        assert words[:3] == ["sudo", "-n", "--"], words
        self.asked.append(words[3:])
        code, out = self.run(words[3:], stdin)
        return Completed(tuple(argv), code, out, "", 0.0)

    def run(self, words: list[str], stdin: str) -> tuple[int, str]:
        if words[0] == "journalctl":
            return 0, "last words"
        if words == ["true"]:
            return 0, ""
        if words[0] == "python3":
            return self.look(words, stdin)
        acts = {"systemd-run": self.start, "systemctl": self.stop}
        return acts.get(words[0], self.release)(words)

    def start(self, words: list[str]) -> tuple[int, str]:
        options = dict(word.removeprefix("--property=").split("=", 1) for word in words if "=" in word[:40])
        (unit,) = [word.removeprefix("--unit=") for word in words if word.startswith("--unit=")]
        at = words.index("--")
        assert options["Type"] == "notify" and words[at + 1 : at + 3] == ["python3", "-c"]
        request = json.loads(words[-1].replace("$$", "$"))
        assert words[at + 3].replace("$$", "$") == program(family(request))
        self.deadline = float(options["RuntimeMaxSec"])
        if self.stops >= 1:
            posts = [word.partition("ExecStopPost=")[2] for word in words if "ExecStopPost=" in word]
            self.units[unit] = [self.script(post) for post in posts]
        if self.stops >= 2 and request["what"] in LEAVES:
            self.residue.add(LEAVES[request["what"]])
        return (0, "") if self.stops >= 3 else (CONNECTION_FAILED, "")

    def script(self, post: str) -> list[str]:
        """`-:/bin/sh -c "exec COMMAND >/dev/null 2>&1"`, as systemd would read it."""
        shell, flag, text = shlex.split(post)
        assert (shell, flag) == ("-:/bin/sh", "-c")
        words = shlex.split(text)
        assert words[0] == "exec" and words[-2:] == [">/dev/null", "2>&1"]
        return words[1:-2]

    def stop(self, words: list[str]) -> tuple[int, str]:
        assert words[1] == "stop"
        return self.end(words[2])

    def end(self, unit: str) -> tuple[int, str]:
        if unit not in self.units:
            return 5, ""
        for words in self.units.pop(unit):
            self.release(words)
        return 0, ""

    def release(self, words: list[str]) -> tuple[int, str]:
        if words[0] == "sh":
            words = words[2].split()
            if "THAWED" in words:
                words = ["kill"]
            if words[0] == "for":
                return 0, ""
        self.residue.discard(TAKES[words[0]])
        return 0, ""

    def look(self, words: list[str], stdin: str) -> tuple[int, str]:
        request = json.loads(words[2])
        assert words[1] == "-" and request["verb"] == "look"
        assert stdin == program(family(request))
        left = [unit for unit in self.units if unit == request["unit"]]
        return 0, json.dumps({"left": [*left, *sorted(self.residue)], "said": "by a fake"})


def family(request: Mapping[str, Any]) -> Family:
    """Whose program takes such a request."""
    return "net" if "names" in request else "pod" if "uid" in request else "brick"


class NoCloud(Cloud):
    """A cloud with these servers."""

    def __init__(self, *names: str) -> None:
        super().__init__(None, "test")
        self.names = names

    def servers(self) -> tuple[Server, ...]:
        return tuple(Server(name, name, "ACTIVE", "", "", "", (), {}, "", "") for name in self.names)

    def server(self, uuid: str) -> Server:
        raise NotFound(uuid)


class Site(World):
    """A world with one host."""

    def __init__(self, host: Host, *servers: str) -> None:
        super().__init__(Context(), "run", FakeClock())
        self.host = host
        self.servers = servers

    @property
    def ssh(self) -> Ssh:
        return Ssh(Path("config"), self.host)  # type: ignore[arg-type]

    @property
    def cloud(self) -> Cloud:
        return NoCloud(*self.servers)


names = pytest.mark.parametrize("name", sorted(ENTRIES))


@names
def test_there_and_back(name: str) -> None:
    host, step, fault = Host(), plan(name), FAULTS[name]
    world = Site(host)
    fault.prepare(step, world)
    fault.inject(step, world)
    assert fault.verify(step, world).outcome == "broken"
    fault.undo(step, world)
    assert fault.verify(step, world).outcome == "whole"
    assert not host.units and not host.residue


@settings(deadline=None)  # a busy machine is no error
@given(st.sampled_from(sorted(ENTRIES)), st.integers(0, 3), st.integers(1, 3))
def test_an_undo_after_any_part_of_an_inject_leaves_it_whole(name: str, stops: int, undos: int) -> None:
    host, step, fault = Host(stops), plan(name), FAULTS[name]
    world = Site(host)
    if stops < 3:
        with pytest.raises(ChaosJCError):
            fault.inject(step, world)
    else:
        fault.inject(step, world)
    for _ in range(undos):
        fault.undo(step, world)
        assert fault.verify(step, world).outcome == "whole"
    assert not host.units and not host.residue


@names
def test_the_unit_alone_puts_everything_back(name: str) -> None:
    """As when its deadline comes, or its main process is killed, and nobody is there."""
    host, step, fault = Host(), plan(name), FAULTS[name]
    world = Site(host)
    fault.inject(step, world)
    assert host.deadline == 50.0, "duration and margin"
    for unit in list(host.units):
        host.end(unit)
    assert fault.verify(step, world).outcome == "whole"
    fault.undo(step, world)


@names
def test_a_verify_sees_what_a_unit_left_behind(name: str) -> None:
    host, step, fault = Host(), plan(name), FAULTS[name]
    world = Site(host)
    host.residue.add("table")
    answer = fault.verify(step, world)
    assert (answer.outcome, answer.why) == ("broken", "table")


@names
def test_a_target_that_does_not_answer_is_not_known_and_one_that_is_gone_is(name: str) -> None:
    step, fault = plan(name), FAULTS[name]
    assert fault.verify(step, Site(Host(reachable=False), "brick-001")).outcome == "unknown"
    assert fault.verify(step, Site(Host(reachable=False))).outcome == "gone"
    assert step.gone_is_clean


def test_an_inject_that_fails_tells_the_last_words_of_its_unit() -> None:
    class Failing(Host):
        def start(self, words: list[str]) -> tuple[int, str]:
            return 1, ""

    with pytest.raises(FaultError, match="brick-001: last words"):
        FAULTS["disk.slow"].inject(plan("disk.slow"), Site(Failing()))


class CutOff(Host):
    """A host that nobody reaches from the cut to its deadline, by the clock of the test."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.since: float | None = None

    def __call__(self, argv: Sequence[str], stdin: str = "", **more: object) -> Completed:
        if self.since is not None and self.clock.monotonic() >= self.since + self.deadline:
            for unit in list(self.units):
                self.end(unit)
        self.reachable = "table" not in self.residue
        return super().__call__(argv, stdin, **more)

    def start(self, words: list[str]) -> tuple[int, str]:
        self.since = self.clock.monotonic()
        return super().start(words)


def test_an_undo_waits_for_a_target_that_is_cut_off_from_everyone() -> None:
    step, fault = plan("net.partition", **{"from": "everyone"}), FAULTS["net.partition"]
    world = Site(Host())
    clock = world.clock
    assert isinstance(clock, FakeClock)
    world.host = host = CutOff(clock)
    fault.inject(step, world)
    began = clock.monotonic()
    fault.undo(step, world)
    assert clock.monotonic() - began == pytest.approx(50.0, abs=2.0)
    assert fault.verify(step, world).outcome == "whole"
    assert not host.units and not host.residue


def test_an_inject_that_cuts_nothing_off_says_so() -> None:
    step, fault = plan("net.partition", **{"from": "everyone"}), FAULTS["net.partition"]
    with pytest.raises(FaultError, match="still answers"):
        fault.inject(step, Site(Host()))


def test_an_undo_gives_up_on_a_target_that_does_not_come_back() -> None:
    step, fault = plan("net.partition", **{"from": "everyone"}), FAULTS["net.partition"]
    with pytest.raises(FaultError, match="does not answer"):
        fault.undo(step, Site(Host(reachable=False)))


def test_two_steps_have_nothing_in_common_on_a_target() -> None:
    first = plan("net.delay")
    second = first.model_copy(update={"id": "f2.brick-001"})
    host = Host()
    FAULTS["net.delay"].inject(first, Site(host))
    FAULTS["net.delay"].inject(second, Site(host))
    requests = [json.loads(words[-1].replace("$$", "$")) for words in host.asked if words[0] == "systemd-run"]
    for key in ("table", "tun", "pref", "handle", "mark"):
        assert len({str(each["names"][key]) for each in requests}) == 2
