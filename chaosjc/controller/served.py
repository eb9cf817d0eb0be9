"""The schedules that a controller serves, as their files are now."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from chaosjc.controller.controller import Due
from chaosjc.controller.model import Loaded, load
from chaosjc.errors import UsageError

Stamp = tuple[int, int]
"""Time of the last change, and size."""


class Served:
    """Schedule files that are read anew when they, their site or their calendar files have changed.

    What cannot be followed any more is shown as it was last, with its `trouble`: nothing of it begins.
    """

    def __init__(self, loaded: Sequence[Loaded]) -> None:
        self._files = [_File(each) for each in loaded]
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Due]:
        """Every entry, as of the last look."""
        return (Due(each.loaded, entry, each.trouble) for each in self._files for entry in each.loaded.schedule.entries)

    def find(self, identity: str) -> Due | None:
        """The entry of that `id`; None where no file has it any more."""
        return next((due for due in self if due.id == identity), None)

    def look(self, *, anew: bool = False) -> bool:
        """Read what has changed since the last look, or all of it; returns whether there is anything new to tell."""
        with self._lock:
            return any([each.look(anew=anew) for each in self._files])


class _File:
    def __init__(self, loaded: Loaded) -> None:
        self.loaded, self.trouble = loaded, ""
        self._belongs = _belongs(loaded)
        self._seen: dict[Path, Stamp | None] = {}  # nothing: what changes between a load and a look must not be missed

    def look(self, *, anew: bool) -> bool:
        seen = {path: _stamp(path) for path in self.loaded.files}  # before they are read, so that no change is missed
        if seen == self._seen and not self.trouble and not anew:
            return False
        before, self._seen = self.trouble, seen
        try:
            self.loaded, self.trouble = self._read(), ""
        except UsageError as error:  # in trouble it is tried at each look: what is to be mended may be any other file
            self.trouble = error.message.replace("\n", "; ")
        return not self.trouble or self.trouble != before

    def _read(self) -> Loaded:
        [loaded] = load([self.loaded.path])
        if _belongs(loaded) != self._belongs:
            raise UsageError(f"{loaded.path}: it has another name, or another site, than when this controller began")
        return loaded


def _belongs(loaded: Loaded) -> tuple[str, ...]:
    """What claims and journal go by: the controller that has begun with it cannot follow another."""
    return (loaded.schedule.name, *((loaded.site.name, loaded.site.state) if loaded.site else ()))


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
