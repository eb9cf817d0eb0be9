"""`check: lb.members`: how Octavia has the members of the site's balancer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, JsonValue

from chaosjc.checks.entry import CheckEntry, Names, texts
from chaosjc.checks.sources import Sources, need
from chaosjc.drivers.balancer import Balancers
from chaosjc.drivers.balancer_values import Member
from chaosjc.errors import RemoteError
from chaosjc.journal.events import CheckPlan, Reading
from chaosjc.spec import expect
from chaosjc.spec.expect import Expectation


class MembersCheck(CheckEntry):
    """The operating status of each member: ONLINE, ERROR, …, OFFLINE where it is disabled, `gone` where there is none.

    It is Octavia's own, which amphorae tell every 10 s: how long users were without an answer is not to be read here.
    """

    check: Literal["lb.members"]
    target: str = Field("", min_length=1)
    """The name of a member, or `$targets` or `$others`; by default all that there are."""
    expect: Expectation = expect.parse("== ONLINE")

    @property
    def kind(self) -> str:
        """See CheckEntry."""
        return self.check

    def title(self, names: Names) -> str:
        """See CheckEntry."""
        return f"members {', '.join(self._members(names)) or 'of the balancer'}"

    def options(self, names: Names) -> dict[str, JsonValue]:
        """See CheckEntry."""
        return {"names": list(self._members(names))}

    def _members(self, names: Names) -> Sequence[str]:
        if not self.target:
            return ()
        chosen = {"$targets": names.targets, "$others": names.others}
        return chosen.get(self.target.strip().replace("{", "").replace("}", ""), (self.target,))


def ask(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """One reading a member. RemoteError, and so no data, while Octavia does not answer or knows no such balancer."""
    members = {each.name: each for each in _members(need(sources.cloud, "cloud").balancers, sources)}
    now = sources.clock.time()

    def one(name: str) -> Reading:
        found = members.get(name)
        if found is None:
            return Reading(series=name, time=now, value="gone", why=f"the balancer has no member {name}")
        why = "" if found.enabled else "it is disabled"
        return Reading(series=name, time=now, value=found.operating if found.enabled else "OFFLINE", why=why)

    return tuple(map(one, texts(plan, "names") or sorted(members)))


def _members(octavia: Balancers, sources: Sources) -> tuple[Member, ...]:
    """Of the pool by which users come in: others may have members of the same names."""
    if not sources.balancer:
        raise RemoteError("the site has no balancer: its file has no section `lbaas`")
    found = octavia.marked(sources.balancer)
    if not found:
        raise RemoteError(f"the cloud has no load balancer with the description {sources.balancer!r}")
    pool = octavia.pool_at(found[0].id, sources.listen)
    if not pool:
        raise RemoteError(f"load balancer {found[0].name} has nothing behind port {sources.listen}")
    return octavia.members(pool)
