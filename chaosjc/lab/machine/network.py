"""Links of machines: one bridge a network, one veth pair a port, one network namespace a machine.

The host owns each network's gateway address, so it reaches every machine and routes between networks as the host is
set up to. A bridge port in state disabled passes nothing while the machine still sees its carrier: that is how a
machine that hangs, or whose power was cut, falls silent at once (a frozen container's kernel would go on answering
ping, ARP and TCP).
"""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosjc.drivers.command import run
from chaosjc.errors import LabError
from chaosjc.lab.machine.disks import locked

_NET = Path("/sys/class/net")
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


@dataclass(frozen=True)
class Nic:
    """A port as Neutron describes it; addresses and gateways as `10.0.0.5/24`."""

    port: str
    network: str
    mac: str
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Nic:
        """From JSON."""
        lists: dict[str, Any] = {key: tuple(raw[key]) for key in ("addresses", "gateways")}
        return cls(**{**raw, **lists})


@dataclass(frozen=True)
class Names:
    """What one lab calls its things on the host."""

    tag: str

    @property
    def cgroup(self) -> str:
        """Parent of the groups of all machines and of the control plane."""
        return f"chaosjc.{self.tag}"

    @property
    def table(self) -> str:
        """The nftables table (family bridge) of the security groups."""
        return f"chaosjc_{self.tag}"

    @property
    def lock(self) -> Path:
        """Serialises changes of bridges."""
        return Path("/run/chaosjc") / f"{self.tag}.net.lock"

    def port(self, port: str) -> str:
        """The host's end of a port: the tag and ten hex digits, 15 characters."""
        return self.tag + port.replace("-", "")[:10]

    def bridge(self, network: str) -> str:
        """A network's bridge: the tag, a dash and eight hex digits, 14 characters."""
        return f"{self.tag}-{network[:8]}"

    def namespace(self, machine: str) -> str:
        """A machine's network namespace."""
        return f"{self.tag}-{machine[:8]}"

    def is_link(self, link: str) -> bool:
        """Whether a link of the host is this lab's."""
        return link.startswith(self.tag)


def clash(wanted: Interface, device: str, addresses: list[tuple[str, Interface]]) -> str | None:
    """The link, other than `device`, whose network overlaps the wanted address's; addresses as (link, address)."""
    for link, address in addresses:
        if link != device and address.version == wanted.version and address.network.overlaps(wanted.network):
            return f"{link} ({address})"
    return None


def host_addresses() -> list[tuple[str, Interface]]:
    """Every address of the host with its link."""
    links = json.loads(run(["ip", "-j", "addr", "show"]).stdout)
    return [
        (str(link["ifname"]), ipaddress.ip_interface(f"{a['local']}/{a['prefixlen']}"))
        for link in links
        for a in link.get("addr_info", [])
        if "local" in a
    ]


def ensure_bridge(names: Names, nic: Nic) -> None:
    """The network's bridge with the gateway's address on the host. Raises LabError if the range is taken."""
    bridge = names.bridge(nic.network)
    with locked(names.lock):
        addresses = host_addresses()
        for gateway in nic.gateways:
            if taken := clash(ipaddress.ip_interface(gateway), bridge, addresses):
                raise LabError(
                    f"network {gateway} overlaps {taken} on this host",
                    hint="give the subnet another range: the host can route each range to one network only",
                )
        if not (_NET / bridge).exists():
            _add_bridge(bridge, nic.network)
        present = {str(address) for link, address in addresses if link == bridge}
        for gateway in nic.gateways:
            if gateway not in present:
                run(["ip", "addr", "replace", gateway, "dev", bridge])
        run(["ip", "link", "set", bridge, "up"])


def _add_bridge(bridge: str, network: str) -> None:
    """Its MAC is fixed: else it changes as ports come and go, and the machines' ARP entries for it go stale."""
    digits = network.replace("-", "")
    mac = ":".join(["02", *(digits[i : i + 2] for i in range(0, 10, 2))])
    run(["ip", "link", "add", bridge, "address", mac, "type", "bridge", "stp_state", "0", "forward_delay", "0"])
    Path(f"/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6").write_text("1")


def drop_bridge(names: Names, network: str) -> None:
    """Remove a network's bridge when no port is left on it."""
    bridge = names.bridge(network)
    with locked(names.lock):
        ports = _NET / bridge / "brif"
        if ports.is_dir() and not os.listdir(ports):
            run(["ip", "link", "del", bridge], check=False)


def plug_commands(names: Names, namespace: str, nic: Nic, index: int) -> list[str]:
    """Shell lines that make one port of a machine: the supervisor of a machine runs them again at each reboot."""
    port = names.port(nic.port)
    return [
        f"ip link add {port} type veth peer name eth{index} netns {namespace} address {nic.mac}",
        f"echo 1 > /proc/sys/net/ipv6/conf/{port}/disable_ipv6",
        f"ip link set {port} master {names.bridge(nic.network)} up",
    ]


def unplug(names: Names, nic: Nic) -> None:
    """Take one port away, and the bridge with the last one."""
    run(["ip", "link", "del", names.port(nic.port)], check=False)
    drop_bridge(names, nic.network)


def silence(names: Names, nics: tuple[Nic, ...], silent: bool) -> None:
    """Let the ports pass nothing, or everything again."""
    for nic in nics:
        run(["bridge", "link", "set", "dev", names.port(nic.port), "state", "0" if silent else "3"], check=False)
