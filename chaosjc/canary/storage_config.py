"""The configuration of one storage canary, as it lies on its worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from chaosjc.errors import UsageError

LEDGERS = "/var/lib/chaosjc/canary"


@dataclass(frozen=True)
class Config:
    """One volume mounted on one worker; times in seconds.

    `peers` are other workers' canaries of the volume, VM name → URL; `sets` are its replica sets, each VM name → URL of
    that brick's exporter. `ledger` lies on the worker's own disk, VOLUME.ledger in /var/lib/chaosjc/canary by default.
    A long wait is remembered for `recent`: for longer than from one scrape to the next, or nobody would see it.
    `types` are the file system types that count as the volume; a call on the mount is given up after `limit`.
    """

    volume: str
    mount: str
    vm: str
    listen: int
    sets: tuple[Mapping[str, str], ...]
    peers: Mapping[str, str]
    every: float = 0.1
    keep: float = 600.0
    audit: float = 10.0
    recent: float = 20.0
    ledger: str = ""
    types: tuple[str, ...] = ("fuse.glusterfs",)
    limit: float = 120.0

    @property
    def ledger_path(self) -> Path:
        """Where the ledger is."""
        return Path(self.ledger or f"{LEDGERS}/{self.volume}.ledger")


def read(path: Path) -> Config:
    """Read it. Raises UsageError that says what is wrong with it."""
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        values: dict[str, Any] = {**said, "sets": tuple(map(dict, said["sets"])), "peers": dict(said["peers"])}
        if "types" in said:
            values["types"] = tuple(map(str, said["types"]))
        config = Config(**values)
        _check(config)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="--config names the canary's JSON file") from error
    except (KeyError, TypeError, ValueError) as error:
        known = ", ".join(each.name for each in fields(Config))
        raise UsageError(f"{path}: {type(error).__name__}: {error}", hint=f"an object with the keys {known}") from error
    return config


def _check(config: Config) -> None:
    for name in ("every", "keep", "audit", "recent", "limit"):
        if not float(getattr(config, name)) > 0:
            raise ValueError(f"{name} must be more than 0 seconds")
    if not config.mount.startswith("/"):
        raise ValueError(f"mount must be an absolute path, not {config.mount!r}")
    for name in (config.volume, config.vm):
        if not name or "/" in name or name.startswith("."):
            raise ValueError(f"not a name: {name!r}")
