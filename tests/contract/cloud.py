"""What the stages rely on in a cloud: the same tests for the one in memory and for a real one."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator

import pytest

from chaosjc.drivers.openstack import Cloud, NotFound
from chaosjc.drivers.openstack_values import Group, Network, Port, RuleSpec, Server, ServerSpec, Subnet
from chaosjc.errors import RemoteError

OUT = {RuleSpec("egress", "IPv4"), RuleSpec("egress", "IPv6")}
RANGE = f"10.{random.randint(200, 249)}.{random.randint(0, 255)}.0/24"  # a host routes a range to one network only
SSH = RuleSpec("ingress", "IPv4", "tcp", 22, 22)


class CloudContract:
    """Needs the fixtures `cloud`, and `image` and `flavor`: names that the cloud knows."""

    @pytest.fixture
    def name(self) -> str:
        return f"contract-{uuid.uuid4().hex[:8]}"

    def test_its_credentials_are_good_for_acting(self, cloud: Cloud) -> None:
        found = cloud.access()
        assert found.roles
        assert found.lacks([("POST", "/servers/1/action")]) == ()

    @pytest.fixture
    def group(self, cloud: Cloud, name: str) -> Iterator[Group]:
        made = cloud.create_group(name, "contract")
        yield made
        cloud.delete_group(made.id)

    @pytest.fixture
    def network(self, cloud: Cloud, name: str) -> Iterator[Network]:
        made = cloud.create_network(name, "contract")
        yield made
        for port in cloud.ports(made.id):
            cloud.delete_port(port.id)
        for subnet in cloud.subnets(made.id):
            cloud.delete_subnet(subnet.id)
        cloud.delete_network(made.id)

    @pytest.fixture
    def subnet(self, cloud: Cloud, network: Network) -> Subnet:
        return cloud.create_subnet(Subnet("", network.name, network.id, RANGE, dhcp=False))

    @pytest.fixture
    def port(self, cloud: Cloud, subnet: Subnet, group: Group) -> Iterator[Port]:
        wanted = Port("", subnet.name, subnet.network_id, "", frozenset({group.id}), description="contract")
        made = cloud.create_port(wanted, subnet.id)
        yield made
        cloud.delete_port(made.id)

    @pytest.fixture
    def server(self, cloud: Cloud, port: Port, image: str, flavor: str) -> Iterator[Server]:
        flavors = {each.name: each.id for each in cloud.flavors()}
        spec = ServerSpec(
            port.name, cloud.images(image)[0].id, flavors[flavor], port.id, b"#cloud-config\n{}", {"a": "b"}
        )
        made = cloud.create_server(spec)
        yield cloud.wait_server(made.id, lambda now: now.status == "ACTIVE")
        cloud.delete_server(made.id)
        cloud.wait_gone(made.id)

    def test_a_new_group_lets_everything_out(self, cloud: Cloud, group: Group) -> None:
        assert {rule for _, rule in group.rules} == OUT
        assert group.description == "contract"

    def test_rules_are_read_as_they_were_made(self, cloud: Cloud, group: Group) -> None:
        rules = {
            SSH,
            RuleSpec("ingress", "IPv4", "udp", 53, 60, "192.0.2.0/24"),
            RuleSpec("ingress", "IPv4", "icmp", remote_group=group.id),
            RuleSpec("ingress", "IPv4"),
        }
        for rule in rules:
            cloud.create_rule(group.id, rule)
        assert self._rules(cloud, group) == OUT | rules
        for uid, rule in next(each for each in cloud.groups() if each.id == group.id).rules:
            if rule in rules:
                cloud.delete_rule(uid)
        assert self._rules(cloud, group) == OUT

    def test_the_same_rule_twice_is_refused(self, cloud: Cloud, group: Group) -> None:
        cloud.create_rule(group.id, SSH)
        with pytest.raises(RemoteError):
            cloud.create_rule(group.id, SSH)

    def test_networks_are_found_by_name(self, cloud: Cloud, network: Network, name: str) -> None:
        assert cloud.networks(name) == (network,)
        assert cloud.networks("no such network") == ()

    def test_name_servers_can_be_changed(self, cloud: Cloud, subnet: Subnet) -> None:
        cloud.update_subnet(subnet.id, ["192.0.2.1"])
        (after,) = cloud.subnets(subnet.network_id)
        assert (after.cidr, after.nameservers, after.dhcp) == (RANGE, ("192.0.2.1",), False)

    def test_a_port_keeps_its_address_and_is_refused_one_that_is_taken(
        self, cloud: Cloud, port: Port, subnet: Subnet
    ) -> None:
        assert port.address.startswith(RANGE.removesuffix("0/24"))
        assert port in cloud.ports(subnet.network_id)
        with pytest.raises(RemoteError):
            cloud.create_port(port, subnet.id)
        cloud.update_port(port.id, [])
        assert cloud.ports(subnet.network_id)[0].group_ids == frozenset()

    def test_what_is_in_use_cannot_be_deleted(self, cloud: Cloud, port: Port, group: Group, subnet: Subnet) -> None:
        with pytest.raises(RemoteError):
            cloud.delete_group(group.id)
        with pytest.raises(RemoteError):
            cloud.delete_network(subnet.network_id)

    def test_deleting_what_is_gone_is_no_error(self, cloud: Cloud) -> None:
        gone = str(uuid.uuid4())
        for delete in (
            cloud.delete_server,
            cloud.delete_port,
            cloud.delete_group,
            cloud.delete_rule,
            cloud.delete_subnet,
            cloud.delete_network,
        ):
            delete(gone)
        with pytest.raises(NotFound):
            cloud.server(gone)

    def test_a_server_s_life(self, cloud: Cloud, server: Server, port: Port, flavor: str) -> None:
        assert (server.flavor, server.addresses, server.metadata) == (flavor, (port.address,), {"a": "b"})
        assert server in cloud.find_servers({"a": "b"})
        assert cloud.find_servers({"a": "c"}) == ()
        for act, status in (
            (cloud.pause_server, "PAUSED"),
            (cloud.unpause_server, "ACTIVE"),
            (cloud.stop_server, "SHUTOFF"),
            (cloud.start_server, "ACTIVE"),
            (cloud.reboot_server, "ACTIVE"),
        ):
            act(server.id)
            assert cloud.wait_server(server.id, lambda now, status=status: now.status == status).id == server.id
        with pytest.raises(RemoteError):
            cloud.unpause_server(server.id)
        assert cloud.console(server.id)

    def test_a_port_outlives_its_server(self, cloud: Cloud, server: Server, port: Port, subnet: Subnet) -> None:
        assert cloud.ports(subnet.network_id)[0].device_id == server.id
        cloud.delete_server(server.id)
        cloud.wait_gone(server.id)
        (after,) = cloud.ports(subnet.network_id)
        assert (after.id, after.address, after.device_id) == (port.id, port.address, "")

    @staticmethod
    def _rules(cloud: Cloud, group: Group) -> set[RuleSpec]:
        return {rule for _, rule in next(each for each in cloud.groups() if each.id == group.id).rules}
