"""Programs that a fault's target runs, one file a family. Standard library only: chaosjc is not there.

Each is sent as `python3 -c PROGRAM REQUEST` with the request as JSON, `verb` among it. `hold` runs as the main process of
a unit: it brings the fault about, tells systemd so, and lasts until it is ended. All others answer with JSON on stdout.
"""

from __future__ import annotations

from importlib import resources
from typing import Literal

Family = Literal["brick", "net"]


def program(family: Family) -> str:
    """The text of one."""
    return (resources.files("chaosjc.faults.remote") / f"{family}.py").read_text(encoding="utf-8")
