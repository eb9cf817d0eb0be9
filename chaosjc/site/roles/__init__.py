"""What is on a VM because of its role: files, units and accounts, as data.

One source for two readers: cloud-init writes it into a new VM (`userdata`), and the stages compare it with what a VM
has (`stages.hosts`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chaosjc.site.keys import PublicKeys
from chaosjc.site.model import Machine, SiteFile


@dataclass(frozen=True)
class File:
    """A file that the plan owns; `owner` is user:group, `mode` four octal digits.

    `live` ones say something about other VMs and change while their VM lives; a change of any other is a new VM.
    `reloads` and `restarts` name the unit that must be told when the file was mended. Without those that `leads_in`
    nobody could come and mend anything: every boot writes them again.
    """

    path: str
    content: str
    mode: str = "0644"
    owner: str = "root:root"
    live: bool = False
    reloads: str = ""
    restarts: str = ""
    leads_in: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the content, hex."""
        return hashlib.sha256(self.content.encode()).hexdigest()


@dataclass(frozen=True)
class Unit:
    """A systemd unit that is enabled and runs, with no drop-ins but the plan's own.

    A `patient` one tries until it succeeds, and nobody waits for its first success: it needs other VMs.
    """

    name: str
    patient: bool = False


@dataclass(frozen=True)
class Account:
    """A user that logs in with a certificate only."""

    name: str
    shell: str = "/bin/bash"
    groups: tuple[str, ...] = ()

    @property
    def memberships(self) -> tuple[str, ...]:
        """All its groups in order of their names; one is its own, called as it is."""
        return tuple(sorted((self.name, *self.groups)))


@dataclass(frozen=True)
class Contents:
    """Everything that one stage puts on one VM."""

    files: tuple[File, ...] = ()
    units: tuple[Unit, ...] = ()
    accounts: tuple[Account, ...] = ()

    def __add__(self, other: Contents) -> Contents:
        return Contents(self.files + other.files, self.units + other.units, self.accounts + other.accounts)


@dataclass(frozen=True)
class Surroundings:
    """What the contents of a VM depend on beside the file: the authorities, and the addresses known so far."""

    keys: PublicKeys
    addresses: Mapping[str, str]


ContentsOf = Callable[[SiteFile, Machine, Surroundings], Contents]
