"""Audits: whatever order acknowledgements, unlinks and answers come in, harm is found and nothing else is called so."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosjc.canary.audit import Auditor, Brick, Harm, Round, judge, name

GOOD, BAD = "a" * 64, "b" * 64
WRITTEN = {1: GOOD, 2: GOOD}


def brick(*seqs: int, bad: tuple[int, ...] = (), pending: int = 0, arbiter: bool = False) -> Brick:
    files: dict[str, str | None] = {name(seq): None if arbiter else GOOD for seq in seqs}
    return Brick(pending, arbiter, files | {name(seq): BAD for seq in bad})


def test_a_write_is_whole_on_all_bricks_of_one_set() -> None:
    found = judge(WRITTEN, [[brick(1), brick(1)], [brick(2), brick(2)]], 7.0)
    assert found == Round(7.0, True, frozenset(), {})


def test_an_arbiter_holds_names_only() -> None:
    assert not judge(WRITTEN, [[brick(1, 2), brick(1, 2), brick(1, 2, arbiter=True)]], 0.0).behind
    assert judge(WRITTEN, [[brick(1, 2), brick(1, 2), brick(1, arbiter=True)]], 0.0).harmed == {2: "lost"}


@pytest.mark.parametrize(
    ("second", "harmed"),
    [
        (brick(1), {2: "lost"}),
        (brick(1, bad=(2,)), {2: "corrupt"}),
        (brick(), {1: "lost", 2: "lost"}),
    ],
)
def test_what_one_brick_of_the_set_does_not_hold_is_behind(second: Brick, harmed: dict[int, Harm]) -> None:
    found = judge(WRITTEN, [[brick(1, 2), second]], 0.0)
    assert (found.behind, found.harmed) == (frozenset(harmed), harmed)


def test_two_sets_that_hold_it_are_a_rebalance_and_no_loss() -> None:
    found = judge({1: GOOD}, [[brick(1), brick(1)], [brick(1)]], 0.0)
    assert (found.behind, found.harmed) == ({1}, {})


def test_one_brick_with_something_to_heal_makes_the_round_unquiet() -> None:
    assert not judge({}, [[brick(), brick(pending=1)]], 0.0).quiet


def rounds(*each: Round | None) -> list[dict[int, Harm]]:
    auditor = Auditor()
    return [auditor.conclude(found, {1, 2}) for found in each]


HARMED = Round(0.0, True, frozenset({1}), {1: "lost"})


def test_harm_is_certain_in_the_second_round_that_finds_it() -> None:
    assert rounds(HARMED, HARMED) == [{}, {1: "lost"}]


@pytest.mark.parametrize(
    "between", [None, Round(0.0, False, frozenset({1}), {1: "lost"}), Round(0.0, True, frozenset(), {})]
)
def test_the_two_rounds_must_follow_each_other(between: Round | None) -> None:
    assert rounds(HARMED, between, HARMED) == [{}, {}, {}]


def test_what_left_the_ledger_meanwhile_is_not_lost() -> None:
    auditor = Auditor()
    auditor.conclude(HARMED, {1})
    assert auditor.conclude(HARMED, {2}) == {}


@dataclass
class World:
    """One volume of 2 sets of 2 bricks, a ledger, and a canary that may be interrupted between any two of its acts."""

    bricks: list[list[dict[str, str]]] = field(default_factory=lambda: [[{}, {}], [{}, {}]])
    ledger: dict[int, str] = field(default_factory=dict[int, str])
    harmed: dict[int, Harm] = field(default_factory=dict[int, Harm])
    dropped: list[int] = field(default_factory=list[int])
    healing: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    found: dict[int, Harm] = field(default_factory=dict[int, Harm])
    next: int = 0

    def write(self, dice: random.Random) -> None:
        """Acknowledged by a quorum: a brick that is away gets it later, and its neighbour knows that."""
        place, away = self.next % 2, dice.random() < 0.2
        for number, held in enumerate(self.bricks[place]):
            if away and number:
                self.healing.add((place, self.next))
            else:
                held[name(self.next)] = GOOD
        self.ledger[self.next] = GOOD
        self.next += 1

    def heal(self, dice: random.Random) -> None:
        for place, seq in list(self.healing):
            if dice.random() < 0.5:
                self.healing.remove((place, seq))
                if name(seq) in self.bricks[place][0]:
                    self.bricks[place][1][name(seq)] = GOOD

    def drop(self, dice: random.Random) -> None:
        gone = [seq for seq in self.ledger if dice.random() < 0.3 and seq not in self.harmed]
        self.dropped += gone
        for seq in gone:
            del self.ledger[seq]

    def unlink(self, dice: random.Random) -> None:
        while self.dropped and dice.random() < 0.7:
            seq = self.dropped.pop()
            for held in self.bricks[seq % 2]:
                held.pop(name(seq), None)
            self.healing.discard((seq % 2, seq))

    def harm(self, dice: random.Random) -> None:
        healthy = [seq for seq in self.ledger if seq not in self.harmed and (seq % 2, seq) not in self.healing]
        if healthy and dice.random() < 0.2:
            seq = dice.choice(healthy)
            held = self.bricks[seq % 2][dice.randrange(2)]
            if dice.random() < 0.5:
                del held[name(seq)]
                self.harmed[seq] = "lost"
            else:
                held[name(seq)] = BAD
                self.harmed[seq] = "corrupt"

    def step(self, dice: random.Random) -> None:
        dice.choice([self.write, self.write, self.heal, self.drop, self.unlink, self.harm])(dice)

    def look(self, place: int, number: int) -> Brick:
        """Its answer now; what it has to heal is known from before its files were listed."""
        return Brick(sum(each == place for each, _ in self.healing), False, dict(self.bricks[place][number]))

    def audit(self, auditor: Auditor, dice: random.Random) -> None:
        """One round, the world going on between the answers."""
        written, answers = dict(self.ledger), dict[tuple[int, int], Brick | None]()
        places = [(0, 0), (0, 1), (1, 0), (1, 1)]
        dice.shuffle(places)
        for place in places:
            for _ in range(dice.randrange(4)):
                self.step(dice)
            answers[place] = None if dice.random() < 0.1 else self.look(*place)
        sets = [[answers[0, 0], answers[0, 1]], [answers[1, 0], answers[1, 1]]]
        whole = [[each for each in bricks if each] for bricks in sets]
        complete = all(None not in bricks for bricks in sets)
        found = judge(written, whole, 0.0) if complete else None
        certain = auditor.conclude(found, self.ledger.keys() - self.found.keys())
        assert not certain.keys() & self.found.keys()
        self.found |= certain


@given(st.integers(0, 2**32))
def test_only_harm_is_found_and_all_of_it_in_the_end(seed: int) -> None:
    dice, world, auditor = random.Random(seed), World(), Auditor()
    for _ in range(12):
        for _ in range(6):
            world.step(dice)
        world.audit(auditor, dice)
        assert world.found.items() <= world.harmed.items()
    while world.healing:
        world.heal(dice)
    for _ in range(2):
        sets = [[world.look(place, number) for number in (0, 1)] for place in (0, 1)]
        world.found |= auditor.conclude(judge(world.ledger, sets, 0.0), world.ledger.keys() - world.found.keys())
    assert world.found == {seq: what for seq, what in world.harmed.items() if seq in world.ledger or seq in world.found}
