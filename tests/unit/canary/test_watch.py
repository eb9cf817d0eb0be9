from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest

from chaosjc import names
from chaosjc.canary.watch import STALE, Sample, Seen, Unknown, Watch
from tests.unit.fakes import FakeClock

UP = Sample(names.BRICK_UP, ("homes", "brick-001"), 1)


class Looker:
    """Sees what it is told to, and takes its time."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.takes, self.error = clock, 0.0, None
        self.error: Exception | None

    def __call__(self) -> Iterator[Sample]:
        self.clock.sleep(self.takes)
        if self.error:
            raise self.error
        yield UP


def test_what_is_older_than_10_seconds_is_absent() -> None:
    clock = FakeClock()
    watch = Watch("brick", Looker(clock), 1, clock)
    assert watch.fresh() == ()
    watch.look()
    clock.sleep(STALE)
    assert watch.fresh() == (UP,)
    clock.sleep(0.1)
    assert watch.fresh() == ()


def test_a_look_is_as_old_as_its_beginning() -> None:
    clock = FakeClock()
    looker = Looker(clock)
    looker.takes = STALE + 1
    watch = Watch("brick", looker, 1, clock)
    watch.look()
    assert watch.fresh() == ()


def test_who_cannot_tell_says_nothing_at_once() -> None:
    clock = FakeClock()
    looker = Looker(clock)
    watch = Watch("brick", looker, 1, clock)
    for error in (Unknown("no brick"), OSError("disk")):
        looker.error = None
        watch.look()
        assert watch.fresh()
        looker.error = error
        watch.look()
        assert watch.fresh() == ()


def test_families_have_the_registers_help_and_kind_and_none_is_empty() -> None:
    clock = FakeClock()
    seen = [UP, Sample(names.BRICK_FOPS, ("homes", "brick-001", "write"), 40)]
    watch = Watch("brick", lambda: seen, 1, clock)
    registry = CollectorRegistry()
    registry.register(Seen([watch]))
    watch.look()
    text = generate_latest(registry).decode()
    assert text.splitlines() == [
        f"# HELP chaosjc_gluster_brick_up {names.BRICK_UP.help}",
        "# TYPE chaosjc_gluster_brick_up gauge",
        'chaosjc_gluster_brick_up{brick="brick-001",volume="homes"} 1.0',
        f"# HELP chaosjc_gluster_fops_total {names.BRICK_FOPS.help}",
        "# TYPE chaosjc_gluster_fops_total counter",
        'chaosjc_gluster_fops_total{brick="brick-001",fop="write",volume="homes"} 40.0',
    ]
    clock.sleep(STALE + 1)
    assert generate_latest(registry) == b""
