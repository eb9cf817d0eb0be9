"""What a plan consists of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Action = Literal["create", "update", "replace", "delete", "start", "unpause", "resume", "reboot", "renew"]


@dataclass(frozen=True)
class Change:
    """One difference between what is and what the file says; `before` and `after` in words, empty for nothing.

    `name` is what a person would call the thing; `vm` is the VM that it concerns, if it is one's alone.
    """

    stage: str
    kind: str
    name: str
    action: Action
    before: str = ""
    after: str = ""
    vm: str = ""

    def __str__(self) -> str:
        detail = " → ".join(part for part in (self.before, self.after) if part)
        return f"{self.stage}: {self.action} {self.kind} {self.name}" + (f" ({detail})" if detail else "")

    def to_dict(self) -> dict[str, str]:
        """For --json."""
        return asdict(self)


def concerning(changes: Iterable[Change], only: frozenset[str] | None) -> tuple[Change, ...]:
    """Those about the VMs in `only`; all where it is None."""
    return tuple(each for each in changes if only is None or each.vm in only)
