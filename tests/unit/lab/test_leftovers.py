"""What the host shows -> what is taken away, in which order."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chaosjc.lab.leftovers import Removal, Seen, plan

P = Path
BUSY = Seen(
    processes=(11, 12),
    groups=(P("/sys/fs/cgroup/unified/chaosjc.jcabc"),),
    links=("jcabc-0f1e2d3c", "jcabc0f1e2d3c4b"),
    namespaces=("jcabc-11111111",),
    tables=("chaosjc_jcabc",),
    mounts=(P("/s/images/i"), P("/s/machines/m/disk"), P("/s/machines/m/root")),
    loops=(P("/dev/loop7"),),
    files=(P("/run/chaosjc/jcabc.net.lock"),),
)


def test_a_clean_host_needs_nothing() -> None:
    assert plan(Seen()) == []
    assert not Seen()


def test_everything_goes_in_the_order_in_which_it_can() -> None:
    assert [f"{removal.what} {removal.name}" for removal in plan(BUSY)] == [
        "processes 11",
        "processes 12",
        "links jcabc0f1e2d3c4b",
        "links jcabc-0f1e2d3c",
        "namespaces jcabc-11111111",
        "tables chaosjc_jcabc",
        "mounts /s/machines/m/root",
        "mounts /s/machines/m/disk",
        "mounts /s/images/i",
        "loops /dev/loop7",
        "groups /sys/fs/cgroup/unified/chaosjc.jcabc",
        "files /run/chaosjc/jcabc.net.lock",
    ]


def test_what_an_interrupted_reset_left_is_enough() -> None:
    assert plan(Seen(loops=(P("/dev/loop7"),))) == [Removal("loops", "/dev/loop7")]


@given(st.permutations(BUSY.links), st.sets(st.integers(1, 9)))
def test_nothing_that_is_seen_is_forgotten(links: list[str], loops: set[int]) -> None:
    seen = Seen(links=tuple(links), loops=tuple(P(f"/dev/loop{n}") for n in loops))
    assert {r.name for r in plan(seen)} == {*links, *(f"/dev/loop{n}" for n in loops)}
