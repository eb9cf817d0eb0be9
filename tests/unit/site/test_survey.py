"""What is asked over SSH for a draft, by OpenSSH's own reading of a configuration that others wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from chaosjc.drivers.command import Completed
from chaosjc.drivers.openstack import Cloud
from chaosjc.drivers.ssh import Ssh
from chaosjc.site import survey
from chaosjc.site.draft import Facts
from tests.unit.site.adopted_site import SERVERS
from tests.unit.site.fakes import FakeCloud

THEIRS = """\
Host gw
  HostName 192.0.2.9
  User ada
  ControlPath ~/.ssh/mine-%C
Host k8s-* gluster*
  ProxyJump ops@gw:2222
"""


def test_the_jump_host_is_known_by_its_address_and_left_without_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    def ssh(argv: Sequence[str], **_: Any) -> Completed:
        if "-O" in argv:
            closed.append(argv[-1])
        return Completed(tuple(argv), 255, "", "no route", 0.0)

    def connected(config: Path) -> Ssh:
        return Ssh(config, ssh)

    monkeypatch.setattr(survey, "Ssh", connected)
    theirs = tmp_path / "config"
    theirs.write_text(THEIRS)
    cloud = FakeCloud()
    cloud.server_table = {each.id: each for each in SERVERS}
    found = survey.survey(Facts("campus", "campus", "/srv/state", ()), cast("Cloud", cloud), str(theirs))
    assert (found.bastion, found.jump) == ("gw", "jump")
    assert sorted(closed) == sorted([*(each.name for each in SERVERS), "ssh://ops@gw:2222"])
