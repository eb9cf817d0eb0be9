"""The benchmark of planning, on a site that can be counted."""

from __future__ import annotations

from pathlib import Path

from benchmarks.planning import EXPERIMENT, Size, measured, planned, site, topology

SMALL = Size(sets=40, workers=10, pods=100)


def test_a_site_has_as_many_targets_as_were_asked_for() -> None:
    assert Size.of(100_000).targets == 100_000
    around = topology(SMALL)
    assert around.volumes is not None
    assert around.cluster is not None
    bricks = sum(len(volume.bricks) for volume in around.volumes)
    assert len(around.vms) + bricks + len(around.cluster.pods) == SMALL.targets == 351


def test_all_families_are_drawn_by_their_percent(tmp_path: Path) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text(EXPERIMENT)
    made, _ = planned(file, topology(SMALL), site())
    assert [len(chosen.targets) for chosen in made.chosen] == [6, 1, 1, 2, 10, 2]
    assert all(not chosen.refused for chosen in made.chosen)


def test_guards_look_at_all_of_it(tmp_path: Path) -> None:
    """With every brick taken down the quorum is lost, and that is found."""
    file = tmp_path / "experiment.yaml"
    file.write_text(EXPERIMENT.replace("percent: 5%", "percent: 100%"))
    _, refusals = planned(file, topology(SMALL), site())
    assert refusals == [("blast radius", "blast-radius")]


def test_a_round_tells_time_and_memory() -> None:
    found = measured(1000)
    assert found["targets"] == 1000
    assert float(found["seconds"]) > 0
    assert float(found["megabytes"]) > 10
