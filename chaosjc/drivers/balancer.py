"""A thin typed client of Octavia: load balancers with their listeners, pools, health monitors and members.

While Octavia carries out one change, the whole balancer is immutable. So every change here waits until the balancer is
settled, is tried again where another client was quicker, and returns once it has taken effect.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Literal, TypeVar

from chaosjc.clock import Clock
from chaosjc.drivers import balancer_values as values
from chaosjc.drivers.balancer_values import Balancer, Listener, Member, Monitor, Pool
from chaosjc.errors import RemoteError

BUILD = 600.0  # seconds for a balancer to come or go: elsewhere it is a pair of servers
CHANGE = 120.0  # seconds for any other change
EVERY = 0.3  # seconds between two looks at a balancer that changes

T = TypeVar("T")
Asking = Callable[[str], AbstractContextManager[None]]
Kind = Literal["listener", "pool", "health_monitor"]


class NoBalancers(RemoteError):
    """The cloud has no such service."""


class Balancers:
    """The load balancers of one project. Safe to share between threads; `api` yields openstacksdk's proxy.

    Every call raises RemoteError: NoBalancers where the cloud has no such service.
    """

    def __init__(self, cloud: str, api: Callable[[], Any], asking: Asking, clock: Clock) -> None:
        self._cloud, self._connect, self._asking, self._clock = cloud, api, asking, clock
        self._connecting, self._changing = threading.Lock(), threading.Lock()
        self._proxy: Any = None

    # -- looking

    def all(self) -> tuple[Balancer, ...]:
        """Every balancer of the project."""
        with self._asking("list load balancers"):
            return tuple(values.balancer(each) for each in self._api.load_balancers())

    def marked(self, description: str) -> tuple[Balancer, ...]:
        """Those with this description; raises NoBalancers."""
        return tuple(each for each in self.all() if each.description == description)

    def listeners(self, balancer_id: str) -> tuple[Listener, ...]:
        """Of one balancer."""
        with self._asking(f"listeners of load balancer {balancer_id}"):
            return tuple(values.listener(each) for each in self._api.listeners(load_balancer_id=balancer_id))

    def pools(self, balancer_id: str) -> tuple[Pool, ...]:
        """Of one balancer."""
        with self._asking(f"pools of load balancer {balancer_id}"):
            return tuple(values.pool(each) for each in self._api.pools(loadbalancer_id=balancer_id))

    def pool_at(self, balancer_id: str, port: int) -> str:
        """The id of the pool behind its listener at this port; empty where there is none."""
        return next((each.pool_id for each in self.listeners(balancer_id) if each.port == port), "")

    def monitor(self, pool: Pool) -> Monitor | None:
        """That of a pool."""
        if not pool.monitor_id:
            return None
        with self._asking(f"health monitor of pool {pool.name}"):
            return values.monitor(self._api.get_health_monitor(pool.monitor_id))

    def members(self, pool_id: str) -> tuple[Member, ...]:
        """Of one pool."""
        with self._asking(f"members of pool {pool_id}"):
            return tuple(values.member(each) for each in self._api.members(pool_id))

    # -- changing

    def create(self, spec: Balancer) -> Balancer:
        """A balancer on the VIP's port, at that of its addresses; the cloud chooses a provider where none is named."""
        more = {"provider": spec.provider} if spec.provider else {}
        more |= {"vip_address": spec.address} if spec.address else {}
        with self._changing, self._asking(f"create load balancer {spec.name}"):
            made = values.balancer(
                self._api.create_load_balancer(
                    name=spec.name, description=spec.description, vip_port_id=spec.port_id, **more
                )
            )
            ready = self._settled(made.id, BUILD)
        if ready is None:
            raise RemoteError(f"load balancer {spec.name} went away while it was made")
        return ready

    def enable(self, balancer_id: str) -> None:
        """As `openstack loadbalancer set --enable`."""
        self._change(balancer_id, "enable", lambda: self._api.update_load_balancer(balancer_id, is_admin_state_up=True))

    def delete(self, balancer: Balancer) -> None:
        """With all that belongs to it, whatever its state; also right when it is gone already."""

        def act() -> None:
            self._api.delete_load_balancer(balancer.id, ignore_missing=True, cascade=True)

        with self._changing, self._asking(f"delete load balancer {balancer.name}"):
            if self._settled(balancer.id, BUILD, broken=True) is None:
                return
            self._attempt(balancer.id, act, broken=True)
            if left := self._settled(balancer.id, BUILD):
                raise RemoteError(f"load balancer {left.name} is {left.provisioning} after its deletion")

    def wait_settled(self, balancer: Balancer) -> Balancer | None:
        """The balancer once no change is under way, also in ERROR; None when it is gone."""
        return self._settled(balancer.id, BUILD, broken=True)

    def save_listener(self, balancer_id: str, listener: Listener) -> Listener:
        """Create it, or where it has an id make it so; protocol and port are for ever."""
        changeable: dict[str, Any] = {
            "name": listener.name,
            "default_pool_id": listener.pool_id,
            "timeout_client_data": round(listener.client * 1000),
            "timeout_member_data": round(listener.member * 1000),
            "timeout_member_connect": round(listener.connect * 1000),
            "is_admin_state_up": listener.enabled,
        }
        fixed = {"load_balancer_id": balancer_id, "protocol": listener.protocol, "protocol_port": listener.port}
        return values.listener(self._save(balancer_id, "listener", listener.id, (changeable, fixed)))

    def save_pool(self, balancer_id: str, pool: Pool) -> Pool:
        """Create it, or where it has an id make it so; the protocol is for ever."""
        changeable = {"name": pool.name, "lb_algorithm": pool.method, "is_admin_state_up": pool.enabled}
        fixed = {"loadbalancer_id": balancer_id, "protocol": pool.protocol}
        return values.pool(self._save(balancer_id, "pool", pool.id, (changeable, fixed)))

    def save_monitor(self, balancer_id: str, pool_id: str, monitor: Monitor) -> Monitor:
        """Create it, or where it has an id make it so; the type is for ever."""
        http = {"url_path": monitor.path, "expected_codes": monitor.codes} if monitor.path else {}
        changeable: dict[str, Any] = http | {
            "delay": monitor.every,
            "timeout": monitor.timeout,
            "max_retries": monitor.successes,
            "max_retries_down": monitor.failures,
            "is_admin_state_up": monitor.enabled,
        }
        fixed = {"pool_id": pool_id, "type": monitor.type}
        return values.monitor(self._save(balancer_id, "health_monitor", monitor.id, (changeable, fixed)))

    def save_member(self, balancer_id: str, pool_id: str, member: Member) -> Member:
        """Create it, or where it has an id make it so; address and port are for ever."""
        changeable = {"name": member.name, "weight": member.weight, "is_admin_state_up": member.enabled}
        if member.id:
            act = lambda: self._api.update_member(member.id, pool_id, **changeable)  # noqa: E731
        else:
            fixed = {"address": member.address, "protocol_port": member.port, "subnet_id": member.subnet_id}
            act = lambda: self._api.create_member(pool_id, **changeable, **fixed)  # noqa: E731
        return values.member(self._change(balancer_id, f"member {member.name}", act))

    def switch_member(
        self, balancer_id: str, pool_id: str, member: Member, tags: Iterable[str], *, within: float | None = None
    ) -> None:
        """Enable or disable it, as `member` says, and set its tags, in one request.

        It is sent `within` seconds from now or, with RemoteError, never; without it, as patiently as other changes.
        """
        self._change(
            balancer_id,
            f"{'enable' if member.enabled else 'disable'} member {member.name}",
            lambda: self._api.update_member(member.id, pool_id, is_admin_state_up=member.enabled, tags=sorted(tags)),
            within,
        )

    def delete_part(self, balancer_id: str, kind: Kind, uuid: str) -> None:
        """A listener, pool or health monitor; also right when it is gone already."""
        delete = getattr(self._api, f"delete_{kind}")
        self._change(balancer_id, f"delete {_told(kind)}", lambda: delete(uuid, ignore_missing=True))

    def delete_member(self, balancer_id: str, pool_id: str, member: Member) -> None:
        """Also right when it is gone already."""
        self._change(
            balancer_id,
            f"delete member {member.name}",
            lambda: self._api.delete_member(member.id, pool_id, ignore_missing=True),
        )

    # -- helpers

    @property
    def _api(self) -> Any:
        """Made at first use, by one thread: a site without a balancer never asks for it."""
        from keystoneauth1.exceptions import EndpointNotFound
        from openstack import exceptions

        with self._connecting:
            if self._proxy is None:
                try:
                    proxy = self._connect()
                    _ = proxy.load_balancers  # what stands for a service that is not there raises when it is used
                except (exceptions.ServiceDisabledException, EndpointNotFound) as error:
                    raise NoBalancers(
                        f"cloud {self._cloud} has no load balancers: no service load-balancer is in its catalogue",
                        hint="take `lbaas` out of the site file, or ask those who run the cloud for Octavia",
                    ) from error
                self._proxy = proxy
            return self._proxy

    def _save(self, balancer_id: str, kind: Kind, uuid: str, fields: tuple[dict[str, Any], dict[str, Any]]) -> Any:
        changeable, fixed = fields
        if uuid:
            update = getattr(self._api, f"update_{kind}")
            return self._change(balancer_id, f"update {_told(kind)}", lambda: update(uuid, **changeable))
        create = getattr(self._api, f"create_{kind}")
        return self._change(balancer_id, f"create {_told(kind)}", lambda: create(**changeable, **fixed))

    def _change(self, balancer_id: str, what: str, act: Callable[[], T], within: float | None = None) -> T:
        """One change after the other, each from a settled balancer to a settled one."""
        end = None if within is None else self._clock.monotonic() + within  # the change before it counts too
        with self._changing, self._asking(f"load balancer {balancer_id}: {what}"):
            done = self._attempt(balancer_id, act, end)
            self._settled(balancer_id, CHANGE)
        return done

    def _attempt(self, balancer_id: str, act: Callable[[], T], end: float | None = None, *, broken: bool = False) -> T:
        """Sent once no other change is under way, before `end`, by default CHANGE from now, or never."""
        from openstack import exceptions

        end = self._clock.monotonic() + CHANGE if end is None else end
        while True:
            limit = max(end - self._clock.monotonic(), 0.0)
            if self._settled(balancer_id, limit, broken=broken) is None:
                raise RemoteError(f"load balancer {balancer_id} is gone")
            if self._clock.monotonic() > end:
                raise RemoteError(f"load balancer {balancer_id}: not sent, it was not free in time")
            try:
                return act()
            except exceptions.ConflictException as error:
                if not _under_way(error) or self._clock.monotonic() + EVERY > end:
                    raise
            self._clock.sleep(EVERY)  # another client was quicker

    def _settled(self, balancer_id: str, limit: float, *, broken: bool = False) -> Balancer | None:
        """Once no change is under way; None when it is gone. RemoteError for ERROR, unless `broken` will do."""
        end = self._clock.monotonic() + limit
        while True:
            found = next((each for each in self.all() if each.id == balancer_id), None)
            if found is None:
                return None
            if not found.provisioning.startswith("PENDING"):
                if found.provisioning == "ERROR" and not broken:
                    raise _error(found)
                return found
            if self._clock.monotonic() >= end:
                raise RemoteError(
                    f"load balancer {found.name}: still {found.provisioning} after {limit:g} s",
                    hint=f"openstack loadbalancer show {found.id}",
                )
            self._clock.sleep(EVERY)


def _under_way(conflict: Exception) -> bool:
    """Whether another change was in the way, as Octavia tells it for a part, and for the balancer itself."""
    return "immutable" in str(conflict) or "Invalid state" in str(conflict)


def _error(found: Balancer) -> RemoteError:
    return RemoteError(
        f"load balancer {found.name} is in ERROR: Octavia has given up on a change of it",
        hint=f"openstack loadbalancer failover {found.id}; the next deploy makes a new one on the same address",
    )


def _told(kind: str) -> str:
    return kind.replace("_", " ")
