"""Leave nothing of a site in its cloud."""

from __future__ import annotations

import contextlib

from chaosjc.drivers.balancer import NoBalancers
from chaosjc.drivers.openstack_values import Server
from chaosjc.site import discover
from chaosjc.site.change import Change
from chaosjc.site.context import Context, in_parallel
from chaosjc.site.discover import mark
from chaosjc.site.stages.balancer_plan import front_mark


class Destroy:
    """From the servers down to the network; right also when half of it is gone."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cloud = context.cloud
        self._done: list[Change] = []

    def run(self) -> list[Change]:
        """In the order in which the cloud lets go."""
        site, cloud = self._context.site, self._cloud
        marked = mark(site)
        self._balancers()
        servers = cloud.find_servers({discover.SITE: site.name})
        in_parallel(self._server, servers)
        for address in cloud.floating_addresses():
            if address.description in (marked, front_mark(site)):
                cloud.delete_floating_address(address.id)
                self._note("floating address", address.address)
        for router in cloud.routers():
            if router.description == marked:
                cloud.delete_router(router)
                self._note("router", router.name)
        for network in cloud.networks(site.name):
            if network.description == marked:
                self._network(network.id)
                self._note("network", network.name)
        for group in cloud.groups():
            if group.description == marked:
                cloud.delete_group(group.id)
                self._note("security group", group.name)
        return self._done

    def _balancers(self) -> None:
        """Before the network on which they are; nothing is asked of a cloud on which the site never had one."""
        site, cloud = self._context.site, self._cloud
        if not (site.lbaas or discover.vip(site, discover.ports(site, cloud))):
            return
        with contextlib.suppress(NoBalancers):
            for each in cloud.balancers.marked(mark(site)):
                self._context.report("destroy", each.name, "delete balancer")
                cloud.balancers.delete(each)
                self._note("balancer", each.name)

    def _server(self, server: Server) -> None:
        self._context.report("destroy", server.name, "delete server")
        self._cloud.delete_server(server.id)
        self._cloud.wait_gone(server.id)
        self._note("server", server.name)

    def _network(self, network_id: str) -> None:
        for port in self._cloud.ports(network_id):
            self._cloud.delete_port(port.id)
            self._note("port", port.name)
        for subnet in self._cloud.subnets(network_id):
            self._cloud.delete_subnet(subnet.id)
            self._note("subnet", subnet.name)
        self._cloud.delete_network(network_id)

    def _note(self, kind: str, name: str) -> None:
        self._done.append(Change("destroy", kind, name, "delete"))
