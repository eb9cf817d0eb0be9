"""What a stage is: it reads facts, plans from them and the file alone, and applies what it planned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from chaosjc.site.change import Change
from chaosjc.site.context import Context
from chaosjc.site.model import SiteFile

F = TypeVar("F")


class Stage(ABC, Generic[F]):
    """One part of a site; `F` is what its facts look like."""

    name: str
    requires: tuple[str, ...] = ()

    @abstractmethod
    def facts(self, context: Context, *, patient: bool) -> F:
        """Ask the cloud and the VMs; `patient` waits for VMs that are still starting."""

    @abstractmethod
    def plan(self, site: SiteFile, facts: F) -> tuple[Change, ...]:
        """What is to be done, in order. Pure."""

    @abstractmethod
    def apply(self, context: Context, facts: F, changes: Sequence[Change]) -> None:
        """Do it. Raises StageError, which names stage, host, command and log."""
