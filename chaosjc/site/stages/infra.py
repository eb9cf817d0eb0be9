"""Stage infra: network, security groups, ports and servers; it ends when every VM lets us log in."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace

from chaosjc.drivers.openstack_values import Server
from chaosjc.drivers.ssh import Unreachable
from chaosjc.errors import StageError
from chaosjc.site import discover, sshconfig
from chaosjc.site.change import Change
from chaosjc.site.context import Context, in_parallel
from chaosjc.site.model import BASTION, SiteFile
from chaosjc.site.stages import infra_plan
from chaosjc.site.stages.base import Stage, external_network
from chaosjc.site.stages.infra_apply import Apply, Rebuild
from chaosjc.site.stages.infra_plan import InfraFacts, Login

YOUNG = 120.0  # seconds after its creation in which a VM may still be starting
PATIENCE = 20.0  # seconds that an older one gets before it counts as silent


class Infra(Stage[InfraFacts]):
    """See infra_plan for what is compared, infra_apply for how it is mended."""

    name = infra_plan.STAGE
    requires = ("keys",)

    def __init__(self, finish: Rebuild) -> None:
        self._finish = finish

    def facts(self, context: Context, *, patient: bool) -> InfraFacts:
        """Logins are tried only where the network is right: else their failure would say nothing about the VM."""
        facts = gather(context)
        if facts.keys is None or infra_plan.plan_network(context.site, facts):
            return facts
        write_ssh_config(context, facts)
        return replace(facts, logins=_logins(context, facts, patient=patient))

    def plan(self, site: SiteFile, facts: InfraFacts) -> tuple[Change, ...]:
        """Pure; see infra_plan."""
        return infra_plan.plan(site, facts)

    def apply(self, context: Context, facts: InfraFacts, changes: Sequence[Change]) -> None:
        """In order: network, groups, servers; see infra_apply."""
        apply = Apply(context, facts, changes, self._rebuild)
        apply.network()
        apply.groups()
        apply.ports_and_servers()
        apply.leftovers()
        write_ssh_config(context, gather(context))
        apply.wait_for_logins()

    def _rebuild(self, context: Context, vm: str) -> None:
        """A new brick VM: from its first login to the last of its files."""
        facts = gather(context)
        write_ssh_config(context, facts)
        server = facts.server(vm)
        if server is None or _login(context, server, patient=True) != "ok":
            raise StageError(f"{self.name}: {vm}: the new VM lets nobody in", hint="deploy again; it goes on from here")
        self._finish(context, vm)


def gather(context: Context) -> InfraFacts:
    """Everything but logins. Raises StageError where the file names what the cloud does not have."""
    site, cloud = context.site, context.cloud
    marked = discover.mark(site)
    networks = cloud.networks(site.name)
    for network in networks:
        if network.description != marked:
            raise StageError(
                f"infra: network {network.name} of cloud {cloud.name} belongs to somebody else",
                hint="give the site another name",
            )
    servers = _servers(context)  # before the ports that they hold
    return InfraFacts(
        networks=networks,
        subnets=tuple(each for network in networks for each in cloud.subnets(network.id)),
        routers=tuple(each for each in cloud.routers() if each.description == marked),
        floating=tuple(each for each in cloud.floating_addresses() if each.description == marked),
        groups=cloud.groups(),
        ports=tuple(each for network in networks for each in cloud.ports(network.id)),
        servers=servers,
        images=_images(context),
        flavors=_flavors(context),
        external=external_network(context),
        keys=context.keyring.public_keys(),
    )


def write_ssh_config(context: Context, facts: InfraFacts) -> None:
    """So that every VM that has an address can be reached by its name."""
    assert facts.keys is not None  # noqa: S101 - stage keys has run
    addresses = discover.addresses(context.site, facts.ports)
    hosts = [
        sshconfig.Host(each.name, each.id, _seen_from_here(each.name, facts) or addresses[each.name])
        for each in facts.servers
        if each.name in addresses
    ]
    sshconfig.write(context.state, facts.keys, hosts)


def _seen_from_here(vm: str, facts: InfraFacts) -> str:
    return facts.floating[0].address if vm == BASTION and facts.floating else ""


def _servers(context: Context) -> tuple[Server, ...]:
    """Those that stay: what is on its way out is waited for, since it holds the name's port until it is gone."""
    found = context.cloud.find_servers({discover.SITE: context.site.name})
    leaving = [each for each in found if each.task_state == "deleting"]
    in_parallel(lambda each: context.cloud.wait_gone(each.id), leaving)
    return tuple(each for each in found if each not in leaving)


def _images(context: Context) -> dict[str, str]:
    wanted = {each.spec.image for each in context.site.machines}
    found = {name: context.cloud.images(name) for name in sorted(wanted)}
    for name, images in found.items():
        if not images:
            raise StageError(
                f"infra: no image {name} in cloud {context.cloud.name}",
                hint=f"openstack --os-cloud {context.cloud.name} image list",
            )
    return {name: images[0].id for name, images in found.items()}


def _flavors(context: Context) -> dict[str, str]:
    found = {each.name: each.id for each in context.cloud.flavors()}
    missing = {each.spec.flavor for each in context.site.machines} - found.keys()
    if missing:
        raise StageError(
            f"infra: no flavor {', '.join(sorted(missing))} in cloud {context.cloud.name}",
            hint=f"it has: {', '.join(sorted(found))}",
        )
    return found


def _logins(context: Context, facts: InfraFacts, *, patient: bool) -> dict[str, Login]:
    """The bastion first: where it does not let us through, nothing is known of the others.

    Where none of several others lets us in, that is believed of the way through it, and of none of them.
    """

    def ask(server: Server) -> tuple[str, Login]:
        return server.name, _login(context, server, patient=patient)

    names = {each.name for each in context.machines}
    active = [each for each in facts.servers if each.status == "ACTIVE"]
    bastion = [ask(each) for each in active if each.name == BASTION]
    if not any(login == "ok" for _, login in bastion):
        return dict(bastion)
    others = in_parallel(ask, [each for each in active if each.name in names - {BASTION}])
    if len(others) > 1 and not any(login == "ok" for _, login in others):
        seen = ", ".join(f"{name} {login}" for name, login in sorted(others))
        context.report(infra_plan.STAGE, BASTION, f"lets us in, and none behind it does: {seen}; they are not judged")
        return dict(bastion)
    return dict(bastion + others)


def _login(context: Context, server: Server, *, patient: bool) -> Login:
    created = datetime.datetime.fromisoformat(server.created).timestamp() if server.created else 0.0
    left = YOUNG - (context.clock.time() - created)
    young = left > 0
    end = context.clock.monotonic() + (max(left, PATIENCE) if patient else 0.0)
    while True:
        try:
            context.ssh.login(server.name, root=True)
        except Unreachable as error:
            if context.clock.monotonic() >= end:
                return "starting" if young and not patient else _kept_out(error)
        else:
            return "ok"
        context.check_cancelled()
        context.clock.sleep(0.3)


def _kept_out(error: Unreachable) -> Login:
    return "refused" if error.refused else "without sudo" if error.without_sudo else "silent"
