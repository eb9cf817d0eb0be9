"""Secrets that a program on a VM needs: they travel over SSH, into a file that this program alone reads."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath

from chaosjc.site.context import Context
from chaosjc.site.model import MONITOR
from chaosjc.site.stages.base import run_on

ASK = 30.0  # seconds


def is_given(context: Context, stage: str, path: str, token: str, vm: str = MONITOR) -> bool:
    """Whether the file holds it. Raises Unreachable, or StageError with what the VM said."""
    found = run_on(context, stage, vm, ("sh", "-c", f"sha256sum < {path} || true"), timeout=ASK).split()
    return found[:1] == [hashlib.sha256(token.encode()).hexdigest()]


def give(context: Context, stage: str, path: str, token: str, owner: str = "root", vm: str = MONITOR) -> None:
    """Put it there, all at once. Raises as `is_given`."""
    install = f"mkdir -p {PurePosixPath(path).parent}; umask 077; cat > {path}.new"
    install += f"; chown {owner} {path}.new; mv {path}.new {path}"
    run_on(context, stage, vm, ("sh", "-ec", install), stdin=token, timeout=ASK)
