from __future__ import annotations

import dataclasses

from prometheus_client.metrics_core import Metric as Family

from chaosjc import names
from chaosjc.canary.series import Histogram
from chaosjc.canary.storage_metrics import Figures, State, families

QUIET = State(mounted=True, inflight=0, oldest=0.0, stalls=0, stalled=0.0, longest=0.0, kept=0, harm={}, stale=False)
REGISTER = {each.name: each for each in names.METRICS if each.name.startswith("chaosjc_storage_")}


def told(figures: Figures, state: State = QUIET) -> dict[str, Family]:
    found = families("homes", ["worker-002"], figures, state)
    return {each.name + "_total" * (each.type == "counter"): each for each in found if each.samples}


def everything() -> Figures:
    figures = Figures(writes=3, ended_well=True, audited=7.0)
    figures.latency.observe(0.5)
    figures.reads["worker-002"] = Histogram()
    return figures


def test_all_of_the_register_is_exported_with_its_labels() -> None:
    found = told(everything())
    assert found.keys() == REGISTER.keys()
    for name, family in found.items():
        assert family.documentation == REGISTER[name].help
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(REGISTER[name].labels)


def test_what_is_not_known_is_absent() -> None:
    unknown = told(everything()).keys() - told(Figures()).keys()
    assert {name.removeprefix("chaosjc_storage_") for name in unknown} == {
        *("up", "write_seconds", "read_seconds", "audited_timestamp_seconds", "behind", "lost_total", "corrupt_total")
    }


def test_a_first_error_is_an_increase_whatever_it_is() -> None:
    figures = Figures()
    before = errors(figures)
    for error in ("EBADFD", "ESTALE", "ENOENT", "EEXIST", "ETIMEDOUT", "EAGAIN", "killed", "EUCLEAN"):
        figures.failed(error)
    after = errors(figures)
    assert before.keys() == after.keys()
    assert (before["ESTALE"], after["ESTALE"], after["other"], sum(after.values())) == (0, 1, 1, 8)


def errors(figures: Figures) -> dict[str, float]:
    return {each.labels["errno"]: each.value for each in told(figures)["chaosjc_storage_errors_total"].samples}


def test_a_stale_backlog_is_absent() -> None:
    stale = told(everything(), dataclasses.replace(QUIET, stale=True))
    assert told(everything()).keys() - stale.keys() == {"chaosjc_storage_behind"}


def test_findings_of_an_earlier_life_are_told_before_the_first_audit() -> None:
    found = told(Figures(), dataclasses.replace(QUIET, harm={1: "lost", 2: "lost", 3: "corrupt"}))
    assert found["chaosjc_storage_lost_total"].samples[0].value == 2
    assert found["chaosjc_storage_corrupt_total"].samples[0].value == 1


def test_a_volume_that_is_not_mounted_is_not_up() -> None:
    found = told(Figures(), dataclasses.replace(QUIET, mounted=False))
    assert found["chaosjc_storage_up"].samples[0].value == 0


def test_a_latency_counts_in_every_bucket_from_its_own_on() -> None:
    figures = Figures(writes=2)
    for seconds in (0.5, 500.0):
        figures.latency.observe(seconds)
    samples = told(figures)["chaosjc_storage_write_seconds"].samples
    counts = {each.labels["le"]: each.value for each in samples if "le" in each.labels}
    assert (counts["0.2"], counts["0.5"], counts["120.0"], counts["+Inf"]) == (0, 1, 1, 2)
    assert next(each.value for each in samples if each.name.endswith("_sum")) == 500.5
