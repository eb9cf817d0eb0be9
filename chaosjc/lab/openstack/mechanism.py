"""ML2 mechanism driver: binds every port at once and keeps the host's nftables equal to Neutron's security groups.

No agent: any change of a port, group or rule marks the table stale; one thread rebuilds it whole and loads it in one
transaction. Level triggered, so a missed event is mended by the next one or by the ten-second round, and a restart
needs no history. The last table is also kept in a file, for `lab up` to load before it boots the first machine.
"""

import ipaddress
import re
import threading
import time
from pathlib import Path

from neutron_lib import constants, context, exceptions
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api
from oslo_config import cfg
from oslo_log import log as logging

from chaosjc.drivers.command import run
from chaosjc.lab.machine import firewall, network
from chaosjc.lab.machine.disks import write_atomically

LOG = logging.getLogger(__name__)
OPTIONS = [cfg.StrOpt("tag"), cfg.StrOpt("firewall")]
_ROUND = 10.0
_BALANCER = "Octavia"
_OWNERS = ("compute:", _BALANCER)  # of ports that the host has


class RangeTaken(exceptions.Conflict):
    message = "%(cidr)s overlaps %(taken)s on the lab's host, which can route a range to one network only."


class LabMechanismDriver(api.MechanismDriver):
    def initialize(self):
        cfg.CONF.register_opts(OPTIONS, "lab")
        self.names = network.Names(cfg.CONF.lab.tag)
        self.copy = Path(cfg.CONF.lab.firewall)
        self.stale = threading.Event()
        self.loaded = None
        for resource in (resources.SECURITY_GROUP, resources.SECURITY_GROUP_RULE, resources.PORT):
            for moment in (events.AFTER_CREATE, events.AFTER_UPDATE, events.AFTER_DELETE):
                registry.subscribe(self._changed, resource, moment)
        threading.Thread(target=self._loop, daemon=True, name="firewall").start()

    @property
    def connectivity(self):
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context):
        for segment in context.segments_to_bind:
            details = {portbindings.CAP_PORT_FILTER: True}
            context.set_binding(
                segment[api.ID], portbindings.VIF_TYPE_BRIDGE, details, status=constants.PORT_STATUS_ACTIVE
            )
            return

    def create_subnet_precommit(self, context):
        subnet = context.current
        wanted = ipaddress.ip_interface(subnet["cidr"])
        others = [
            ("another network of this lab", ipaddress.ip_interface(other["cidr"]))
            for other in context._plugin.get_subnets(context._plugin_context.elevated())
            if other["id"] != subnet["id"]
        ]
        host = [(link, a) for link, a in network.host_addresses() if not self.names.is_link(link)]
        if taken := network.clash(wanted, "", others + host):
            raise RangeTaken(cidr=subnet["cidr"], taken=taken)

    def update_port_postcommit(self, context):
        self.stale.set()

    def _changed(self, *args, **kwargs):
        self.stale.set()

    def _loop(self):
        self.stale.set()
        while True:
            self.stale.wait(_ROUND)
            time.sleep(0.03)  # let a burst settle
            self.stale.clear()
            try:
                self._apply()
            except Exception:
                LOG.exception("security groups not applied")
                time.sleep(1)
                self.stale.set()

    def _apply(self):
        plugin = directory.get_plugin()
        if plugin is None:  # still starting
            time.sleep(0.2)
            self.stale.set()
            return
        admin = context.get_admin_context()
        ports = [_port(p) for p in plugin.get_ports(admin) if p["device_owner"].startswith(_OWNERS)]
        rules = [_rule(r) for r in plugin.get_security_group_rules(admin)]
        text = firewall.ruleset(self.names, ports, rules)
        shown = run(["nft", "-t", "list", "table", "bridge", self.names.table], check=False)
        if text == self.loaded and shown.returncode == 0:
            return
        load(self.names, text, shown.stdout if shown.returncode == 0 else None)
        write_atomically(self.copy, text)
        self.loaded = text
        LOG.info("security groups: %d ports", len(ports))


def load(names, text, shown):
    """Replace the table in one transaction; the sets of known flows stay, so open connections go on."""
    script = text
    if shown is not None:
        chain = re.compile(r"^\s*chain (\S+) \{", re.MULTILINE)
        gone = sorted(set(chain.findall(shown)) - set(chain.findall(text)))
        deletes = "".join(f"delete chain bridge {names.table} {name}\n" for name in gone)
        script = f"flush table bridge {names.table}\n{deletes}{text}"
    run(["nft", "-f", "-"], stdin=script, timeout=20)


def _port(port):
    pairs = port.get("allowed_address_pairs") or []
    mac = port["mac_address"]
    addresses = [a["ip_address"] for a in [*port["fixed_ips"], *pairs] if ":" not in a["ip_address"]]
    return firewall.Port(
        id=port["id"],
        macs=(mac, *(pair.get("mac_address") or mac for pair in pairs)),
        addresses=tuple(addresses),
        groups=tuple(port["security_groups"]),
        # A balancer listens where its listeners say; Octavia opens its group for them, which comes to the same
        secured=port.get("port_security_enabled", True) and port["device_owner"] != _BALANCER,
    )


def _rule(rule):
    return firewall.Rule(
        group=rule["security_group_id"],
        direction=rule["direction"],
        ethertype=rule["ethertype"],
        protocol=rule["protocol"],
        low=rule["port_range_min"],
        high=rule["port_range_max"],
        remote=rule["remote_ip_prefix"],
        remote_group=rule["remote_group_id"],
    )
