"""Stage infra, how a plan is carried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chaosjc.drivers.openstack import NotFound
from chaosjc.drivers.openstack_values import Port, RuleSpec, ServerSpec, Subnet
from chaosjc.drivers.ssh import LOGIN, Unreachable
from chaosjc.errors import ChaosJCError, RemoteError, StageError
from chaosjc.site import discover
from chaosjc.site.change import Change
from chaosjc.site.context import Context, in_parallel
from chaosjc.site.discover import in_cloud, mark
from chaosjc.site.model import BASTION, Machine
from chaosjc.site.roles import Surroundings, userdata
from chaosjc.site.stages import floating, infra_plan, volumes
from chaosjc.site.stages.infra_plan import STAGE, InfraFacts

BOOT = 120.0  # seconds from a server's creation to its first SSH session, at most
REBOOT = 45.0  # the same after a reboot
FIRST_LOGIN = 3.0  # seconds for the first try; for each one more, since a busy machine may need them


Rebuild = Callable[[Context, str], None]
"""Makes one new brick VM whole: what is on it, and the files of its bricks."""


class Apply:
    """One plan, carried out step by step; every step is right also when it was half done before."""

    def __init__(self, context: Context, facts: InfraFacts, changes: Sequence[Change], rebuild: Rebuild) -> None:
        self._context = context
        self._rebuild = rebuild
        self._site, self._cloud = context.site, context.cloud
        self._facts = facts
        self._changes = changes

    def _of(self, kind: str, *actions: str) -> list[Change]:
        found = [each for each in self._changes if each.kind == kind and (not actions or each.action in actions)]
        for change in found:
            self._context.check_cancelled()
            self._context.report(STAGE, change.name, f"{change.action} {change.kind}")
        return found

    def network(self) -> None:
        """Network, subnet, router."""
        site, cloud, network = self._site, self._cloud, self._site.network
        if self._of("network", "create"):
            cloud.create_network(site.name, mark(site))
        network_id = self._network_id()
        if self._of("subnet", "create"):
            cloud.create_subnet(Subnet("", site.name, network_id, network.cidr, network.nameservers, network.dhcp))
        for _ in self._of("subnet", "update"):
            cloud.update_subnet(self._facts.subnets[0].id, network.nameservers)
        for _ in self._of("router", "create"):
            router = cloud.create_router(site.name, mark(site), self._facts.external)
            cloud.route(router.id, self._subnet_id())
        for _ in self._of("router", "update"):
            cloud.route(self._facts.routers[0].id, self._subnet_id())

    def groups(self) -> None:
        """Groups before rules, since rules name groups."""
        for change in self._of("security group", "create"):
            self._cloud.create_group(change.name, mark(self._site))
        rules = self._of("rule")
        if not rules:
            return
        planned = {each.name for each in rules}
        ids = self._group_ids()
        in_parallel(self._cloud.delete_rule, self._unwanted_rules(planned))
        for name, listed in self._site.security_groups.items():
            group = in_cloud(self._site, name)
            for rule in sorted(infra_plan.wanted_rules(self._site, listed)):
                if infra_plan.rule_name(group, rule) in planned:
                    self._cloud.create_rule(ids[group], _with_id(rule, ids))

    def ports_and_servers(self) -> None:
        """New servers all at once; those that are replaced one after the other, so that the others go on serving."""
        for change in self._of("server", "delete"):
            self._check_no_bricks(change)
            self._delete_server(change.before)
        servers = self._of("server", "create", "start", "unpause", "resume", "reboot")
        replaced = {each.vm: each for each in self._of("server", "replace")}
        ports = {each.vm: each for each in self._of("port", "create", "update", "replace")}
        for change in self._of("port", "delete"):
            self._delete_ports(change.name)
        for change in self._of("VIP"):
            wanted = Port("", change.name, self._network_id(), change.after, description=mark(self._site))
            self._cloud.create_port(wanted, self._subnet_id())
        in_parallel(self._port, [each for each in ports.values() if each.vm not in replaced])
        in_parallel(self._server, servers)
        for change in replaced.values():
            bricks = change.vm in volumes.brick_vms(self._site)
            if bricks:
                volumes.check_expendable(self._context, change.vm, lost=change.before.startswith("ERROR"))
            server = self._facts.server(change.vm)
            if server:
                self._delete_server(server.id)
            if change.vm in ports:
                self._port(ports[change.vm])
            self._create(self._machine(change.vm))
            if bricks:  # whole again before the next one goes
                self._rebuild(self._context, change.vm)

    def _check_no_bricks(self, change: Change) -> None:
        """On a server that the file no longer names."""
        named = {each.name for each in self._site.machines}
        server = next((each for each in self._facts.servers if each.id == change.before), None)
        if not server or not self._site.storage or server.name in named:
            return
        if server.metadata.get(discover.ROLE) == self._site.storage.role:
            volumes.check_carries_nothing(self._context, server.name)

    def leftovers(self) -> None:
        """What nothing needs any more, and the public address, which needs the bastion's port."""
        for change in self._of("security group", "delete"):
            for group in self._facts.groups:
                if group.name == change.name:
                    self._cloud.delete_group(group.id)
        for _ in self._of("router", "delete"):
            for router in self._facts.routers:
                self._cloud.delete_router(router)
        self._floating()

    def wait_for_logins(self) -> None:
        """Of every server that was touched, the bastion first."""
        touched = {each.vm for each in self._changes if each.kind == "server" and each.vm}
        if BASTION in touched:
            self._wait_or_replace(BASTION)
        in_parallel(self._wait_or_replace, sorted(touched - {BASTION}))

    def _network_id(self) -> str:
        found = self._facts.networks or self._cloud.networks(self._site.name)
        if not found:
            raise StageError(f"{STAGE}: network {self._site.name} is gone", hint="deploy the whole site")
        return found[0].id

    def _subnet_id(self) -> str:
        return (self._facts.subnets or self._cloud.subnets(self._network_id()))[0].id

    def _group_ids(self) -> dict[str, str]:
        return {each.name: each.id for each in self._cloud.groups()}

    def _unwanted_rules(self, planned: set[str]) -> list[str]:
        """Ids of the rules whose deletion was planned."""
        wanted = {
            infra_plan.rule_name(in_cloud(self._site, name), rule)
            for name, rules in self._site.security_groups.items()
            for rule in infra_plan.wanted_rules(self._site, rules)
        }
        doomed = planned - wanted
        return [
            uuid
            for group in self._facts.groups
            for uuid, rule in group.rules
            if infra_plan.rule_name(group.name, infra_plan.named_rule(self._facts, rule)) in doomed
        ]

    def _machine(self, name: str) -> Machine:
        return next(each for each in self._site.machines if each.name == name)

    def _port(self, change: Change) -> None:
        machine = self._machine(change.vm)
        ids = self._group_ids()
        groups = frozenset(ids[in_cloud(self._site, each)] for each in machine.spec.groups)
        port = self._facts.port(self._site, machine.name)
        if port and change.action == "update":
            self._cloud.update_port(port.id, groups)
            return
        if port:
            self._cloud.delete_port(port.id)
        wanted = Port("", change.name, self._network_id(), machine.address, groups, description=mark(self._site))
        self._cloud.create_port(wanted, self._subnet_id())

    def _delete_ports(self, name: str) -> None:
        for port in self._facts.ports:
            if port.name == name:
                self._cloud.delete_port(port.id)

    def _server(self, change: Change) -> None:
        server = self._facts.server(change.vm)
        if server is None:
            self._create(self._machine(change.vm))
            return
        act = {
            "start": self._cloud.start_server,
            "unpause": self._cloud.unpause_server,
            "resume": self._cloud.resume_server,
            "reboot": self._cloud.reboot_server,
        }[change.action]
        act(server.id)
        self._cloud.wait_server(server.id, lambda now: now.status == "ACTIVE")

    def _delete_server(self, uuid: str) -> None:
        try:
            self._cloud.delete_server(uuid)
            self._cloud.wait_gone(uuid)
        except NotFound:
            return

    def _create(self, machine: Machine) -> None:
        self._context.check_cancelled()
        made = self._cloud.create_server(self._spec(machine))
        try:
            self._cloud.wait_server(made.id, lambda now: now.status == "ACTIVE")
        except RemoteError as error:
            raise StageError(
                f"{STAGE}: {machine.name}: create server: {error.message}",
                hint=f"openstack --os-cloud {self._cloud.name} server show {made.id}; log: {self._context.state.log}",
            ) from error

    def _spec(self, machine: Machine) -> ServerSpec:
        keys = self._context.keyring.public_keys()
        assert keys is not None  # noqa: S101 - stage keys has run
        ports = {each.name: each for each in self._cloud.ports(self._network_id())}
        addresses = discover.addresses(self._site, ports.values())
        contents = userdata.everything(self._site, machine, Surroundings(keys, addresses))
        identity = self._context.keyring.new_host(machine.name, self._site.ssh.host_certificates)
        return ServerSpec(
            name=machine.name,
            image_id=self._facts.images[machine.spec.image],
            flavor_id=self._facts.flavors[machine.spec.flavor],
            port_id=ports[in_cloud(self._site, machine.name)].id,
            user_data=userdata.compressed(userdata.render(contents, identity)),
            metadata={
                discover.SITE: self._site.name,
                discover.ROLE: machine.role,
                discover.DIGEST: userdata.digest(contents),
            },
            disks=tuple(machine.spec.disks.values()),
        )

    def _floating(self) -> None:
        for change in self._of(floating.KIND):
            ports = {each.name: each.id for each in self._cloud.ports(self._network_id())}
            port_id = ports.get(in_cloud(self._site, BASTION), "")
            if change.action == "create":
                self._cloud.create_floating_address(self._facts.external, port_id, mark(self._site))
            floating.apply(self._cloud, change, self._facts.floating, port_id)

    def _wait_or_replace(self, vm: str) -> None:
        """A VM that a reboot did not mend is given up, where nothing on it would be missed."""
        machine, server = self._machine(vm), self._facts.server(vm)
        rebooted = any(each.vm == vm and each.kind == "server" and each.action == "reboot" for each in self._changes)
        if not (rebooted and server and machine.spec.disposable):
            self._wait_for_login(vm, BOOT)
            return
        try:
            self._wait_for_login(vm, REBOOT)
        except StageError:
            self._context.check_cancelled()
            self._context.report(STAGE, vm, "replace server, which the reboot did not mend")
            self._delete_server(server.id)
            self._create(machine)
            self._wait_for_login(vm, BOOT)

    def _wait_for_login(self, vm: str, limit: float) -> None:
        clock = self._context.clock
        end, patience = clock.monotonic() + limit, FIRST_LOGIN
        while True:
            self._context.check_cancelled()
            try:
                self._context.ssh.login(vm, patience, root=True)
            except Unreachable as error:
                if clock.monotonic() >= end:
                    raise StageError(f"{STAGE}: {vm}: {error.message}", hint=self._last_words(vm, error)) from error
            else:
                self._context.report(STAGE, vm, "lets us log in")
                return
            patience = min(LOGIN, patience * 1.5)
            clock.sleep(0.2)

    def _last_words(self, vm: str, error: Unreachable) -> str:
        """Save the console log, and say where."""
        path = self._context.state.logs / f"console-{vm}.log"
        try:
            server = next(each for each in self._cloud.servers() if each.name == vm)
            path.write_text(self._cloud.console(server.id, 200))
        except (ChaosJCError, OSError, StopIteration):
            return error.hint
        return f"{error.hint}; console log: {path}"


def _with_id(rule: RuleSpec, ids: dict[str, str]) -> RuleSpec:
    remote = ids.get(rule.remote_group, rule.remote_group)
    return RuleSpec(rule.direction, rule.ethertype, rule.protocol, rule.port_min, rule.port_max, rule.remote, remote)
