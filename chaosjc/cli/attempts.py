"""What a verb does to several journals: one that fails is said, and keeps no other from it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable

from chaosjc.cli.say import say
from chaosjc.errors import JournalError


class Attempts:
    """`done` is what each is when it was done ("halted"); `failed` whether one was not."""

    def __init__(self, done: str) -> None:
        self._done = done
        self.failed = False

    @contextlib.contextmanager
    def of(self, where: object) -> Generator[None]:
        """Do it to one; a JournalError ends the block, and nothing else."""
        try:
            yield
        except JournalError as error:
            self.missed([f"{where}: {error}"])

    def missed(self, each: Iterable[str]) -> None:
        """It could not even be tried."""
        for told in each:
            self.failed = True
            say(f"NOT {self._done}: {told}", err=True)
