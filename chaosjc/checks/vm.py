"""`check: vm`: whether a server is what its users need: running, reachable, and measured."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, JsonValue

from chaosjc.checks.entry import CheckEntry, Names, texts
from chaosjc.checks.sources import Deadline, Sources, need
from chaosjc.clock import SystemClock
from chaosjc.drivers.openstack import Cloud, NotFound
from chaosjc.drivers.ssh import Ssh, Unreachable
from chaosjc.errors import CommandError, RemoteError
from chaosjc.journal.events import CheckPlan, Outcome, Reading
from chaosjc.spec import expect
from chaosjc.spec.expect import Expectation

EXPORTER = ("curl", "-sSf", "-o", "/dev/null", "--max-time", "3", "http://127.0.0.1:9100/metrics")
"""Asked on the server itself: the way there is open, as SSH has just shown, and no other host need be well for it."""


class VmCheck(CheckEntry):
    """`whole`, `broken`, `gone` or `unknown` for each server asked about, by its name in the site."""

    check: Literal["vm"]
    target: str = Field(min_length=1)
    """The name of a VM, or `$targets` or `$others`."""
    expect: Expectation = expect.parse("== whole")

    @property
    def kind(self) -> str:
        """See CheckEntry."""
        return "vm"

    def title(self, names: Names) -> str:
        """See CheckEntry."""
        return f"vm {', '.join(self._servers(names))}"

    def options(self, names: Names) -> dict[str, JsonValue]:
        """See CheckEntry."""
        return {"names": list(self._servers(names))}

    def _servers(self, names: Names) -> Sequence[str]:
        chosen = {"$targets": names.targets, "$others": names.others}
        return chosen.get(self.target.strip().replace("{", "").replace("}", ""), (self.target,))


def ask(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """One reading for each name, at the time of its answer; `unknown` is no value, but the reason why there is none."""
    cloud, ssh = need(sources.cloud, "cloud"), need(sources.ssh, "SSH configuration")
    deadline = Deadline(sources.clock, plan.timeout)
    ways = Ways(cloud, ssh, sources.bastion, exporter=sources.exporter)
    uuids = {server.name: server.id for server in cloud.find_servers(sources.marks)}

    def one(name: str) -> Reading:
        if name not in uuids:
            return Reading(series=name, time=sources.clock.time(), value="gone", why=f"the cloud has no server {name}")
        outcome, why = _look(uuids[name], name, ways, deadline)
        return Reading(series=name, time=sources.clock.time(), value=None if outcome == "unknown" else outcome, why=why)

    names = texts(plan, "names")
    with ThreadPoolExecutor(max(len(names), 1)) as pool:  # a server that hangs costs the others nothing
        return tuple(pool.map(one, names))


@dataclass(frozen=True)
class Ways:
    """How to ask. `bastion` leads to all others, empty where none is needed; `exporter`: each has a node exporter."""

    cloud: Cloud
    ssh: Ssh
    bastion: str = "bastion"
    exporter: bool = True


def vm_state(uuid: str, name: str, ways: Ways, *, timeout: float = 10.0) -> tuple[Outcome, str]:
    """What became of one server, and why we say so; raises nothing that the clients raise on purpose.

    whole    Nova says ACTIVE with nothing under way, a newcomer can log in, and its node exporter, if any, answers
    gone     Nova knows no such UUID
    broken   one of those is known to be wrong, while the way to the server is right
    unknown  Nova, or the bastion that leads to the server, cannot be asked
    """
    return _look(uuid, name, ways, Deadline(SystemClock(), timeout))


def _look(uuid: str, name: str, ways: Ways, deadline: Deadline) -> tuple[Outcome, str]:
    try:
        server = ways.cloud.server(uuid)
        if server.status != "ACTIVE" or server.task_state:
            return "broken", f"Nova says {server.status} {server.task_state}".rstrip()
        return _log_in(name, ways, deadline)
    except NotFound:
        return "gone", f"Nova knows no server {uuid}"
    except (RemoteError, CommandError) as error:
        return "unknown", error.message


def _log_in(name: str, ways: Ways, deadline: Deadline) -> tuple[Outcome, str]:
    try:
        ways.ssh.login(name, deadline.left() / 2)  # the other half is for the bastion, if this fails
    except Unreachable as error:
        alone = ways.bastion in ("", name)
        if error.refused or alone or ways.ssh.answers(ways.bastion, deadline.left()):
            return "broken", error.message
        return "unknown", f"{name} cannot be asked, since {ways.bastion}, which leads to it, does not answer"
    return _scrape(name, ways, deadline) if ways.exporter else ("whole", "")


def _scrape(name: str, ways: Ways, deadline: Deadline) -> tuple[Outcome, str]:
    try:
        ways.ssh.run(name, EXPORTER, timeout=deadline.left())
    except (CommandError, Unreachable) as error:
        if not isinstance(error, CommandError) or error.returncode is None:
            ways.ssh.close(name)  # a shared connection may have outlived the system that it led to
        return "broken", f"its node exporter does not answer: {error.message}"
    return "whole", ""
