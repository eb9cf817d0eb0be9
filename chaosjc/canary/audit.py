"""Whether each acknowledged write is where it must be, judged from the bricks' own file systems. Pure.

A write is whole when every brick of exactly one replica set holds it with its bytes (an arbiter: its name). One that is
not may still be healing; lost or corrupt is only what two successive rounds found so, in both of which every brick
answered and none had anything to heal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Harm = Literal["lost", "corrupt"]


@dataclass(frozen=True)
class Brick:
    """What a brick holds: names and digests (None on an arbiter), and how many entries it knows that others miss."""

    pending: int
    arbiter: bool
    files: Mapping[str, str | None]


@dataclass(frozen=True)
class Round:
    """What a round found to which every brick answered; writes by sequence number."""

    began: float
    quiet: bool
    behind: frozenset[int]
    harmed: Mapping[int, Harm]


def name(seq: int) -> str:
    """A write's file."""
    return f"{seq:010d}"


def judge(written: Mapping[int, str], sets: Sequence[Sequence[Brick]], began: float) -> Round:
    """Compare writes (number → digest) acknowledged before `began` with the bricks of each replica set."""
    behind = {seq for seq, digest in written.items() if not _whole(seq, digest, sets)}
    harmed: dict[int, Harm] = {seq: harm for seq in behind if (harm := _harm(seq, written[seq], sets))}
    quiet = not any(brick.pending for each in sets for brick in each)
    return Round(began, quiet, frozenset(behind), harmed)


class Auditor:
    """Remembers the round before, without which no write is called lost."""

    def __init__(self) -> None:
        self._suspects: Collection[int] = ()

    def conclude(self, found: Round | None, kept: Collection[int]) -> dict[int, Harm]:
        """Harm that is certain now; `found` is None where a brick did not answer.

        `kept` are the writes that are in the ledger after the round. One leaves it before its file is unlinked, so that
        what is still in it was on no brick's way out while the round looked.
        """
        if found is None or not found.quiet:
            self._suspects = ()
            return {}
        suspects: dict[int, Harm] = {seq: harm for seq, harm in found.harmed.items() if seq in kept}
        certain: dict[int, Harm] = {seq: harm for seq, harm in suspects.items() if seq in self._suspects}
        self._suspects = suspects.keys()
        return certain


def _whole(seq: int, digest: str, sets: Sequence[Sequence[Brick]]) -> bool:
    holders = _holders(seq, sets)
    return len(holders) == 1 and all(_right(brick, name(seq), digest) for brick in holders[0])


def _harm(seq: int, digest: str, sets: Sequence[Sequence[Brick]]) -> Harm | None:
    """None where the write is whole in one set, and another has it too: a rebalance moves it."""
    holders = _holders(seq, sets)
    if any(all(_right(brick, name(seq), digest) for brick in each) for each in holders):
        return None
    held = [brick.files[name(seq)] for each in holders for brick in each if name(seq) in brick.files]
    return "corrupt" if any(value not in (digest, None) for value in held) else "lost"


def _holders(seq: int, sets: Sequence[Sequence[Brick]]) -> list[Sequence[Brick]]:
    return [each for each in sets if _any_holds(each, name(seq))]


def _any_holds(bricks: Iterable[Brick], file: str) -> bool:
    return any(file in brick.files for brick in bricks)


def _right(brick: Brick, file: str, digest: str) -> bool:
    return file in brick.files and (brick.arbiter or brick.files[file] == digest)
