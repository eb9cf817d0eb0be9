from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from chaosjc import names
from chaosjc.canary import gluster, glusterd
from chaosjc.canary.brick import LocalBrick
from chaosjc.canary.gluster import Config, watches_of
from chaosjc.canary.glusterd import SplitBrain
from chaosjc.canary.watch import STALE, Sample, Unknown
from chaosjc.drivers.command import Completed
from chaosjc.errors import CommandError, CommandTimeout, UsageError
from tests.unit.canary import bricks
from tests.unit.canary.bricks import CASES
from tests.unit.fakes import FakeClock

SUMMARY = ["gluster", "--mode=script", "volume", "heal", "homes", "info", "summary", "--xml"]
BRICK = ("homes", "brick-001")


class FakeGluster:
    """Knows three commands of the captured GlusterFS, and no other."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fails: CommandError | None = None
        self.state = (CASES / "get-state-10.3.txt").read_text()
        self.summary = "heal-split-brain.xml"

    def __call__(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 60.0,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        assert (stdin, check, env, cwd) == (None, True, None, None)
        assert timeout <= 25
        self.calls.append(" ".join(argv))
        if self.fails:
            raise self.fails
        return Completed(tuple(argv), 0, self._answer(list(argv)), "", 0.05)

    def _answer(self, argv: list[str]) -> str:
        match argv:
            case ["gluster", "--version"]:
                return "glusterfs 10.3\nRepository revision: git://git.gluster.org/glusterfs.git\n"
            case ["gluster", "get-state", "glusterd", "odir", directory, "file", name]:
                (Path(directory) / name).write_text(self.state)
                return f"glusterd state dumped to {directory}/{name}\n"
            case _ if argv == SUMMARY:
                return (CASES.parent / "gluster" / self.summary).read_text()
            case _:
                raise AssertionError(argv)


@pytest.fixture
def brick(tmp_path: Path) -> LocalBrick:
    return bricks.make(tmp_path)


def test_peers_go_by_name_and_those_that_are_away_are_0(tmp_path: Path) -> None:
    samples = list(gluster.glusterd_samples(FakeGluster(), ["homes", "gone"], tmp_path))
    assert samples == [
        Sample(names.PEER_CONNECTED, ("brick-002",), 1),
        Sample(names.PEER_CONNECTED, ("brick-003",), 0),
        Sample(names.PING_TIMEOUT, ("homes",), 5),
    ]


def test_without_an_option_gluster_s_own_ping_timeout_is_in_force(tmp_path: Path) -> None:
    run = FakeGluster()
    run.state = re.sub(r"Volume1\.options\.network.*\n", "", run.state)
    assert Sample(names.PING_TIMEOUT, ("homes",), 42) in gluster.glusterd_samples(run, ["homes"], tmp_path)


def test_a_cut_off_state_has_no_half_peers() -> None:
    text = (CASES / "get-state-10.3.txt").read_text()
    cut = text[: text.index("Peer2.connected")]
    assert glusterd.parse_state(cut).peers == {"brick-002": True}


def test_nothing_pending_is_no_split_brain_and_asks_nobody() -> None:
    run = FakeGluster()
    assert SplitBrain(run, FakeClock(), "homes", "brick-001:/data/homes").count(0) == 0
    assert run.calls == []


def test_split_brain_is_asked_for_every_30_seconds_at_most() -> None:
    run, clock = FakeGluster(), FakeClock()
    split = SplitBrain(run, clock, "homes", "brick-001:/data/homes")
    for _ in range(30):
        assert split.count(3) == 1
        clock.sleep(1)
    assert len(run.calls) == 1
    split.count(3)
    assert len(run.calls) == 2


@pytest.mark.parametrize(("brick", "summary"), [("brick-004", "split-brain"), ("brick-003", "dead")])
def test_a_brick_that_was_not_reached_has_no_count(brick: str, summary: str) -> None:
    run = FakeGluster()
    run.summary = f"heal-{summary}.xml"
    with pytest.raises(Unknown):
        SplitBrain(run, FakeClock(), "homes", f"{brick}:/data/homes").count(3)


def test_a_large_backlog_is_not_asked_about() -> None:
    run = FakeGluster()
    split = SplitBrain(run, FakeClock(), "homes", "brick-001:/data/homes")
    with pytest.raises(Unknown, match="101 entries"):
        split.count(glusterd.MOST_PENDING + 1)
    assert run.calls == []
    assert split.count(glusterd.MOST_PENDING) == 1


def test_an_old_count_does_not_outlive_a_tool_that_fails() -> None:
    run, clock = FakeGluster(), FakeClock()
    split = SplitBrain(run, clock, "homes", "brick-001:/data/homes")
    assert split.count(3) == 1
    clock.sleep(30)
    run.fails = CommandTimeout("killed")
    with pytest.raises(CommandTimeout):
        split.count(3)
    clock.sleep(1)
    with pytest.raises(Unknown):
        split.count(3)
    assert split.count(0) == 0
    run.fails = None
    assert split.count(1) == 1, "after a pause it asks at once"


def test_a_dead_brick_is_0_with_no_clients(brick: LocalBrick) -> None:
    assert list(gluster.process_samples(brick)) == [
        Sample(names.BRICK_CLIENTS, BRICK, 0),
        Sample(names.BRICK_UP, BRICK, 0),
    ]


def test_a_frozen_bricks_account_grows_old(brick: LocalBrick) -> None:
    clock = FakeClock()
    plain = re.sub(r"\W", "_", brick.path)
    dump = brick.places.state / "stats" / f"glusterfsd_{plain}.dump"
    dump.write_text((CASES / "dump-10.3.json").read_text())
    clock.now = dump.stat().st_mtime + STALE
    samples = list(gluster.fop_samples(brick, (10, 3), clock))
    assert Sample(names.BRICK_FOPS, (*BRICK, "release"), 80) in samples
    assert {each.labels[2] for each in samples if each.metric is names.BRICK_FOP} == {"create", "fsync", "write"}
    clock.sleep(0.1)
    with pytest.raises(Unknown, match="old"):
        list(gluster.fop_samples(brick, (10, 3), clock))


def test_one_look_at_everything_tells_every_series_of_the_register(brick: LocalBrick, tmp_path: Path) -> None:
    clock = FakeClock()
    plain = re.sub(r"\W", "_", brick.path)
    dump = brick.places.state / "stats" / f"glusterfsd_{plain}.dump"
    dump.write_text((CASES / "dump-10.3.json").read_text())
    clock.now = dump.stat().st_mtime
    config = Config("brick-001", 0, 1.0, {"homes": brick.path})
    watches = watches_of([brick], config, FakeGluster(), clock, tmp_path)
    for watch in watches:
        watch.look()
    told = {sample.metric.name for watch in watches for sample in watch.fresh()}
    assert told == {each.name for each in names.METRICS if each.name.startswith("chaosjc_gluster_")}


def test_a_dead_glusterd_silences_what_it_alone_knows(brick: LocalBrick, tmp_path: Path) -> None:
    run = FakeGluster()
    watches = watches_of([brick], Config("brick-001", 0, 1.0, {}), run, FakeClock(), tmp_path)
    run.fails = CommandError("Connection failed. Please check if gluster daemon is operational.")
    for watch in watches:
        watch.look()
    told = {sample.metric for watch in watches for sample in watch.fresh()}
    assert names.PEER_CONNECTED not in told
    assert names.BRICK_UP in told


def test_a_configuration_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "gluster.json"
    with pytest.raises(UsageError, match="No such file"):
        gluster.load(path)
    path.write_text("{")
    with pytest.raises(UsageError, match=str(path)):
        gluster.load(path)
    path.write_text(json.dumps({"vm": "brick-001", "listen": 1, "every": 0, "bricks": {}}))
    with pytest.raises(UsageError, match="every"):
        gluster.load(path)
    path.write_text(json.dumps({"vm": "brick-001", "listen": 9810, "every": 1, "bricks": {"homes": "/data/homes"}}))
    assert gluster.load(path).bricks == {"homes": "/data/homes"}
