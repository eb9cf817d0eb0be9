"""Octavia in memory, as openstacksdk's proxy shows it, as strict as Octavia's API where the driver depends on it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from types import SimpleNamespace
from typing import Any

from openstack import exceptions

PARTS = ("listener", "pool", "health_monitor", "member")
FOR_EVER = frozenset(
    {"protocol", "protocol_port", "load_balancer_id", "loadbalancer_id", "address", "type", "pool_id", "vip_port_id"}
)

IMMUTABLE = "Load Balancer {} is immutable and cannot be updated."
INVALID = "Invalid state PENDING_UPDATE of loadbalancer resource {}"
"""How Octavia refuses a change of a part, and how one of the balancer itself, while another is under way."""


class FakeOctavia:
    """Every change keeps its balancer PENDING for `slow` looks; meanwhile each other one is refused with 409."""

    def __init__(self, slow: int = 2) -> None:
        self.slow = slow
        self.requests = 0
        self.changes: list[str] = []
        self.statuses: dict[str, str] = {}
        """Operating status of members by name; the others are ONLINE."""
        self.address: Callable[[str], str] = lambda _: "192.0.2.1"
        """Of a port, by its id."""
        self.error = ""
        """The next change of this kind ends in ERROR."""
        self.rivals = 0
        """So many changes find that another client was quicker."""
        self.theirs = 0
        """For so many looks each of those keeps the balancer PENDING."""
        self._ids = 0
        self._balancers: dict[str, SimpleNamespace] = {}
        self._parts: dict[str, dict[str, SimpleNamespace]] = {kind: {} for kind in PARTS}
        self._looks: dict[str, int] = {}

    # -- looking

    def load_balancers(self) -> Iterator[SimpleNamespace]:
        self.requests += 1
        for each in list(self._balancers.values()):
            left = self._looks.get(each.id, 0)
            self._looks[each.id] = left - 1
            if left <= 0 and each.provisioning_status.startswith("PENDING"):
                self._end(each)
            if each.id in self._balancers:
                yield SimpleNamespace(**vars(each))

    def listeners(self, load_balancer_id: str) -> list[SimpleNamespace]:
        return self._of("listener", "load_balancer_id", load_balancer_id)

    def pools(self, loadbalancer_id: str) -> list[SimpleNamespace]:
        found = self._of("pool", "loadbalancer_id", loadbalancer_id)
        for each in found:
            monitors = self._of("health_monitor", "pool_id", each.id)
            each.health_monitor_id = monitors[0].id if monitors else None
        return found

    def get_health_monitor(self, uuid: str) -> SimpleNamespace:
        return SimpleNamespace(**vars(self._one("health_monitor", uuid)))

    def members(self, pool: str) -> list[SimpleNamespace]:
        found = self._of("member", "pool_id", pool)
        for each in found:
            healthy = self.statuses.get(each.name, "ONLINE")
            each.operating_status = healthy if each.is_admin_state_up else "OFFLINE"
        return found

    def _of(self, kind: str, key: str, value: str) -> list[SimpleNamespace]:
        self.requests += 1
        return [SimpleNamespace(**vars(each)) for each in self._parts[kind].values() if getattr(each, key) == value]

    def _one(self, kind: str, uuid: str) -> SimpleNamespace:
        self.requests += 1
        if uuid not in self._parts[kind]:
            raise exceptions.NotFoundException(f"{kind} {uuid} not found")
        return self._parts[kind][uuid]

    # -- changing

    def create_load_balancer(self, **said: Any) -> SimpleNamespace:
        made = self._made("load_balancer", provider="lab", operating_status="OFFLINE", **said)
        made.vip_address = self.address(said["vip_port_id"])
        self._balancers[made.id] = made
        self._begin(made, "PENDING_CREATE", f"create balancer {made.name}")
        return SimpleNamespace(**vars(made))

    def update_load_balancer(self, uuid: str, **said: Any) -> None:
        self._begin(self._free(uuid, refusal=INVALID), "PENDING_UPDATE", "update balancer")
        vars(self._balancers[uuid]).update(said)

    def delete_load_balancer(self, uuid: str, *, ignore_missing: bool, cascade: bool) -> None:
        assert ignore_missing and cascade
        if uuid in self._balancers:
            self._begin(self._free(uuid, {"ACTIVE", "ERROR"}, INVALID), "PENDING_DELETE", "delete balancer")

    def create_listener(self, **said: Any) -> SimpleNamespace:
        same = [each.protocol_port for each in self.listeners(said["load_balancer_id"])]
        if said["protocol_port"] in same:
            raise exceptions.ConflictException("Another Listener on this Load Balancer is already using protocol_port")
        return self._create("listener", said["load_balancer_id"], **said)

    def create_pool(self, **said: Any) -> SimpleNamespace:
        return self._create("pool", said["loadbalancer_id"], **said)

    def create_health_monitor(self, **said: Any) -> SimpleNamespace:
        assert said["timeout"] <= said["delay"] and all(isinstance(said[each], int) for each in ("delay", "timeout"))
        more: dict[str, Any] = {"url_path": None, "expected_codes": None}
        return self._create("health_monitor", self._one("pool", said["pool_id"]).loadbalancer_id, **(more | said))

    def create_member(self, pool: str, **said: Any) -> SimpleNamespace:
        return self._create("member", self._one("pool", pool).loadbalancer_id, pool_id=pool, tags=[], **said)

    def update_listener(self, uuid: str, **said: Any) -> SimpleNamespace:
        return self._update("listener", uuid, **said)

    def update_pool(self, uuid: str, **said: Any) -> SimpleNamespace:
        return self._update("pool", uuid, **said)

    def update_health_monitor(self, uuid: str, **said: Any) -> SimpleNamespace:
        return self._update("health_monitor", uuid, **said)

    def update_member(self, uuid: str, pool: str, **said: Any) -> SimpleNamespace:
        assert self._one("member", uuid).pool_id == pool
        return self._update("member", uuid, **said)

    def delete_listener(self, uuid: str, *, ignore_missing: bool) -> None:
        self._delete("listener", uuid, ignore_missing=ignore_missing)

    def delete_pool(self, uuid: str, *, ignore_missing: bool) -> None:
        self._delete("pool", uuid, ignore_missing=ignore_missing)

    def delete_health_monitor(self, uuid: str, *, ignore_missing: bool) -> None:
        self._delete("health_monitor", uuid, ignore_missing=ignore_missing)

    def delete_member(self, uuid: str, pool: str, *, ignore_missing: bool) -> None:
        del pool
        self._delete("member", uuid, ignore_missing=ignore_missing)

    # -- what tests ask and do by hand

    def named(self, kind: str, name: str) -> SimpleNamespace:
        """The very object: what is put into it is as if somebody had changed it by hand."""
        table = self._balancers if kind == "load_balancer" else self._parts[kind]
        return next(each for each in table.values() if each.name == name)

    def monitor(self) -> SimpleNamespace:
        """The only one."""
        (found,) = self._parts["health_monitor"].values()
        return found

    def count(self) -> int:
        """All that there is, of any kind."""
        return len(self._balancers) + sum(map(len, self._parts.values()))

    def forget(self, kind: str, name: str) -> None:
        """Take it away by hand."""
        del self._parts[kind][self.named(kind, name).id]

    def occupy(self, name: str, looks: int) -> None:
        """A change of this balancer by somebody else."""
        found = self.named("load_balancer", name)
        found.provisioning_status, self._looks[found.id] = "PENDING_UPDATE", looks

    # -- helpers

    def _made(self, kind: str, **said: Any) -> SimpleNamespace:
        self._ids += 1
        plain: dict[str, Any] = {"name": "", "is_admin_state_up": True, "provisioning_status": "ACTIVE", "weight": 1}
        return SimpleNamespace(id=f"{kind}-{self._ids}", **(plain | said))

    def _create(self, kind: str, balancer: str, **said: Any) -> SimpleNamespace:
        owner = self._free(balancer)
        made = self._made(kind, operating_status="OFFLINE", health_monitor_id=None, **said)
        self._parts[kind][made.id] = made
        self._begin(owner, "PENDING_UPDATE", f"create {kind} {made.name}".rstrip())
        return SimpleNamespace(**vars(made))

    def _update(self, kind: str, uuid: str, **said: Any) -> SimpleNamespace:
        found = self._one(kind, uuid)
        assert not FOR_EVER & said.keys(), f"{kind}: {FOR_EVER & said.keys()} can never be changed"
        self._begin(self._free(self._owner(kind, found)), "PENDING_UPDATE", f"update {kind} {found.name}".rstrip())
        vars(found).update(said)
        return SimpleNamespace(**vars(found))

    def _delete(self, kind: str, uuid: str, *, ignore_missing: bool) -> None:
        assert ignore_missing
        if uuid in self._parts[kind]:
            found = self._one(kind, uuid)
            self._begin(self._free(self._owner(kind, found)), "PENDING_UPDATE", f"delete {kind} {found.name}".rstrip())
            del self._parts[kind][uuid]

    def _owner(self, kind: str, found: SimpleNamespace) -> str:
        if kind == "listener":
            return found.load_balancer_id
        return found.loadbalancer_id if kind == "pool" else self._one("pool", found.pool_id).loadbalancer_id

    def _free(self, uuid: str, allowed: Container[str] = ("ACTIVE",), refusal: str = IMMUTABLE) -> SimpleNamespace:
        self.requests += 1
        found = self._balancers[uuid]
        if self.rivals or found.provisioning_status not in allowed:
            if self.rivals and self.theirs:
                self.occupy(found.name, self.theirs)
            self.rivals = max(self.rivals - 1, 0)
            raise exceptions.ConflictException(refusal.format(uuid))
        return found

    def _begin(self, balancer: SimpleNamespace, status: str, change: str) -> None:
        self.changes.append(change)
        balancer.provisioning_status, self._looks[balancer.id] = status, self.slow

    def _end(self, balancer: SimpleNamespace) -> None:
        if balancer.provisioning_status == "PENDING_DELETE":
            del self._balancers[balancer.id]
            for table in self._parts.values():
                table.clear()
            return
        failed = self.error and self.error in self.changes[-1]
        balancer.provisioning_status, balancer.operating_status = ("ERROR", "ERROR") if failed else ("ACTIVE", "ONLINE")
        self.error = "" if failed else self.error
