"""Which labs this boot of the host knows: one file each, that claims the lab's tag and its ports."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from chaosjc.errors import LabError
from chaosjc.lab.config import Ports
from chaosjc.lab.layout import REGISTRY, Lab
from chaosjc.lab.machine.disks import locked_directory, write_atomically

_FIRST, _LAST = 18774, 18974


@dataclass(frozen=True)
class Claim:
    """A lab's directory and its ports."""

    directory: Path
    ports: Ports


def claims(registry: Path = REGISTRY) -> dict[str, Claim]:
    """All claims of the host by tag. One whose directory somebody deleted claims nothing, and is dropped."""
    found: dict[str, Claim] = {}
    for file in sorted(registry.glob("*.json")):
        said = json.loads(file.read_text())
        if not Path(said["directory"]).exists():
            file.unlink(missing_ok=True)
            continue
        found[file.stem] = Claim(Path(said["directory"]), Ports(int(said["ports"][0]), int(said["ports"][1])))
    return found


def claim(lab: Lab, registry: Path = REGISTRY) -> Ports:
    """The lab's ports: those it had before while they are free. Raises LabError if its tag or all ports are taken."""
    kept = lab.private / "ports.json"
    with locked_directory(registry):
        others = claims(registry)
        mine = others.pop(lab.tag, None)
        if mine and mine.directory != lab.directory:
            raise LabError(
                f"the lab in {mine.directory} has the same tag {lab.tag} as this one would",
                hint="choose another --name or --state",
            )
        taken = {port for c in others.values() for port in (c.ports.cloud, c.ports.network)}
        before = _load(kept)
        if (mine and before) or (
            before and not taken & {before.cloud, before.network} and is_free(before.cloud) and is_free(before.network)
        ):
            ports = before
        else:
            ports = choose(taken, is_free)
            write_atomically(kept, json.dumps([ports.cloud, ports.network]))
        text = json.dumps({"directory": str(lab.directory), "ports": [ports.cloud, ports.network]})
        write_atomically(registry / f"{lab.tag}.json", text)
    return ports


def release(lab: Lab, registry: Path = REGISTRY) -> None:
    """Give tag and ports back."""
    with locked_directory(registry):
        (registry / f"{lab.tag}.json").unlink(missing_ok=True)


def _load(file: Path) -> Ports | None:
    if not file.exists():
        return None
    cloud, network = json.loads(file.read_text())
    return Ports(int(cloud), int(network))


def choose(taken: Collection[int], free: Callable[[int], bool]) -> Ports:
    """The first pair of neighbours that nobody claims or listens on."""
    for port in range(_FIRST, _LAST, 2):
        if not {port, port + 1} & set(taken) and free(port) and free(port + 1):
            return Ports(port, port + 1)
    raise LabError(f"no two free TCP ports between {_FIRST} and {_LAST}", hint="end what listens there")


def is_free(port: int) -> bool:
    """Whether nobody listens on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
