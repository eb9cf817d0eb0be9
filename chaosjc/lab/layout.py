"""Where one lab lives and what its things on the host are called.

Everything that a lab makes on the host carries its tag, so that two labs never touch each other's things and `lab
reset` knows what is its own without any database. Interface names have 15 characters at most, hence a tag of five.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from chaosjc.errors import UsageError

DEFAULT_NAME = "lab"
REGISTRY = Path("/run/chaosjc")  # which labs this boot of the host knows; shared by all of them
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


def default_state() -> Path:
    """The root of all state: $CHAOSJC_STATE, else chaosjc below $XDG_STATE_HOME or ~/.local/state."""
    if chosen := os.environ.get("CHAOSJC_STATE"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base).absolute() / "chaosjc"


def default_cache() -> Path:
    """What can be made again: chaosjc below $XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "chaosjc"


def tag_of(directory: Path) -> str:
    """Five characters that stand for a lab's directory on this host: `jc` and 15 bits of the path's digest."""
    bits = int.from_bytes(hashlib.sha256(str(directory).encode()).digest()[:2], "big")
    return "jc" + "".join(_ALPHABET[bits >> shift & 31] for shift in (0, 5, 10))


@dataclass(frozen=True)
class Lab:
    """The paths of one lab. Only `public` may be read by others than root."""

    name: str
    directory: Path
    cache: Path

    @classmethod
    def of(cls, name: str = DEFAULT_NAME, state: Path | None = None, cache: Path | None = None) -> Lab:
        """The lab `name` below the state root `state`. Raises UsageError for a name that cannot be a cloud's name."""
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"lab name {name!r}: lower-case letters, digits and dashes, a letter first, 31 at most",
                hint="choose another --name",
            )
        directory = (state.absolute() if state else default_state()) / "lab" / name
        return cls(name, Path(os.path.realpath(directory)), cache or default_cache())

    @property
    def tag(self) -> str:
        """What the names of its cgroups, links, namespaces and tables begin with."""
        return tag_of(self.directory)

    @property
    def cloud(self) -> str:
        """The project user's cloud in clouds.yaml."""
        return f"chaosjc-{self.name}"

    @property
    def public(self) -> Path:
        """The one directory that every user of the host may read."""
        return self.directory / "public"

    @property
    def clouds(self) -> Path:
        """clouds.yaml of the project user."""
        return self.public / "clouds.yaml"

    @property
    def private(self) -> Path:
        """Everything else, mode 0700."""
        return self.directory / "private"

    @property
    def etc(self) -> Path:
        """OpenStack's configuration files."""
        return self.private / "etc"

    @property
    def databases(self) -> Path:
        """SQLite files of the services."""
        return self.private / "db"

    @property
    def logs(self) -> Path:
        """One log a service."""
        return self.private / "log"

    @property
    def run(self) -> Path:
        """What the processes of the control plane tell about themselves."""
        return self.private / "run"

    @property
    def machines(self) -> Path:
        """The compute driver's files: disks, consoles, cached images."""
        return self.private / "compute"

    @property
    def balancers(self) -> Path:
        """The load balancers' files."""
        return self.private / "balancers"

    @property
    def plugins(self) -> Path:
        """What OpenStack's interpreter finds our code through."""
        return self.private / "plugins"
