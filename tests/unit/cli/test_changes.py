"""How `site plan` and `site deploy` tell changes."""

from __future__ import annotations

import io

from rich.console import Console

from chaosjc.cli.changes import counted, listed
from chaosjc.report.safe import Safe
from chaosjc.site.change import Change

LONG = "worker-001:/etc/systemd/system/prometheus-node-exporter.service.d/override.conf"
CHANGES = (
    Change("keys", "secrets", "jupytercloud", "create"),
    Change("infra", "server", "worker-001", "replace", "m1.small", "m1.large"),
    Change("infra", "rule", "ingress tcp 1 from [/path]", "delete", "ingress"),
    Change("vms", "file", LONG, "update", "0644 root", "0600 root"),
)


def told(width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(Safe(listed(CHANGES)))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_each_change_stands_under_its_stage_with_what_was_and_what_will_be() -> None:
    assert told(120) == [
        "keys",
        "  create  secrets jupytercloud",
        "infra",
        "  replace  server worker-001  m1.small → m1.large",
        "  delete   rule ingress tcp 1 from [/path]  ingress",
        "vms",
        f"  update  file {LONG}  0644 root → 0600 root",
    ]


def test_a_long_name_is_folded_and_whole() -> None:
    assert LONG in "".join(line.strip() for line in told(60))


def test_they_are_counted_by_stage() -> None:
    assert counted(CHANGES) == "4 changes: keys 1, infra 2, vms 1"
    assert counted(CHANGES[:1]) == "1 change: keys 1"
