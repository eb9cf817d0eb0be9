"""What `gluster --xml` says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """Another machine of the pool, as the one that was asked sees it."""

    uuid: str
    host: str
    state: str  # "Peer in Cluster" when all is well
    connected: bool


@dataclass(frozen=True)
class _OfBrick:
    """What is said of one brick."""

    host: str
    path: str

    @property
    def id(self) -> str:
        """`host:path`, as the CLI writes it."""
        return f"{self.host}:{self.path}"


@dataclass(frozen=True)
class BrickInfo(_OfBrick):
    """A brick in a volume's layout; `uuid` is its machine's."""

    uuid: str = ""
    arbiter: bool = False


@dataclass(frozen=True)
class VolumeInfo:
    """A volume as it was made; `options` are those that were set, by their full names."""

    name: str
    uuid: str
    status: str  # Created, Started, Stopped
    replica: int
    arbiter: int
    bricks: tuple[BrickInfo, ...]
    options: Mapping[str, str]

    @property
    def replica_sets(self) -> tuple[tuple[BrickInfo, ...], ...]:
        """Neighbours in the layout hold the same files."""
        size = max(self.replica, 1)
        return tuple(self.bricks[at : at + size] for at in range(0, len(self.bricks), size))


@dataclass(frozen=True)
class BrickStatus(_OfBrick):
    """Whether a brick serves: its process is there, and not stopped by a signal; `pid` and `port` are 0 if unknown.

    `pending` are the entries in its index of what other bricks miss; None where it did not tell.
    """

    online: bool
    pid: int
    port: int
    pending: int | None = None


@dataclass(frozen=True)
class BrickEntries(_OfBrick):
    """Entries that `heal info` counts on a brick; None where the brick was not reached ("-")."""

    entries: int | None


@dataclass(frozen=True)
class BrickClients(_OfBrick):
    """Addresses, without ports, from which clients are connected to a brick."""

    clients: frozenset[str]
