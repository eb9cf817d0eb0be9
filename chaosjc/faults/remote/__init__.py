"""Programs that a fault's target runs, one file a family. Standard library only: chaosjc is not there.

Each takes its request as JSON, its one argument, `verb` among it. `hold` is the main process of a unit, which carries
the program itself (`python3 -c`): it brings the fault about, tells systemd so, and lasts until it is ended. All others
are sent on stdin (`python3 -`), and answer with JSON on stdout.
"""

from __future__ import annotations

from importlib import resources
from typing import Literal

Family = Literal["brick", "net", "pod"]


def program(family: Family) -> str:
    """The text of one."""
    return (resources.files("chaosjc.faults.remote") / f"{family}.py").read_text(encoding="utf-8")
