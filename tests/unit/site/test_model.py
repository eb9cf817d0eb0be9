from __future__ import annotations

import re
from pathlib import Path

import pytest

from chaosjc.errors import SpecError
from chaosjc.site import model
from chaosjc.site.model import SiteFile
from tests.unit.site.fakes import ROOT, lab_site

SITE = (ROOT / "sites" / "lab.yaml").read_text()


def problems(tmp_path: Path, text: str) -> str:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        model.load(path)
    return str(caught.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize("name", ["lab.yaml", "production.example.yaml"])
def test_the_sites_that_come_with_chaosjc_are_valid(name: str) -> None:
    assert model.load(ROOT / "sites" / name).machines


def test_names_are_numbered_where_there_are_several() -> None:
    bricks, workers = ["brick-001", "brick-002", "brick-003"], ["worker-001", "worker-002"]
    assert [each.name for each in lab_site().machines] == ["bastion", *bricks, *workers, "monitor"]


def test_addresses_count_up_from_the_first() -> None:
    site = lab_site()
    worker = site.roles["worker"].model_copy(update={"address": "10.66.0.21"})
    machines = lab_site(roles={**site.roles, "worker": worker}).machines
    assert [each.address for each in machines if each.role == "worker"] == ["10.66.0.21", "10.66.0.22"]
    assert {each.address for each in machines if each.role != "worker"} == {""}


def test_a_snapshot_is_the_same_site() -> None:
    assert SiteFile.restore(lab_site().snapshot()) == lab_site()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cidr: 10.66.0.0/24", "cidr: 10.66.0.7/24", "host bits set"),
        ("ports: 9100", "ports: 0", "expected a port such as 22"),
        ("{protocol: icmp,", "{protocol: icmp, ports: 1,", "only tcp and udp have ports"),
        ("from: monitor}", "from: monitr}", 'did you mean "monitor"?'),
        (
            "groups: [internal, brick]",
            "groups: [internl, brick]",
            'no security group "internl"; did you mean "internal"?',
        ),
        ("targets: [worker,", "targets: [wrker,", 'no role or VM "wrker"; did you mean "worker"?'),
        ("environment: lab", "environment: production", "a production site has one writer"),
        ("  monitor:\n    image", "  monitor-x:\n    image", "a site needs the role monitor"),
        ("  bastion:\n    image", "  bastion:\n    count: 2\n    image", "there is one bastion"),
        ("    count: 2\n", "    count: 2\n    address: 10.67.0.9\n", "address 10.67.0.9 is outside"),
        ("    count: 2\n", "    count: two\n", "whole number"),
        ("name: lab\n", "name: Lab!\n", "name"),
        ("scrape_interval: 1s", "scrape_interval: 1", "write 1s for seconds"),
        ("/scratch: 1}\n    disposable: false", "/scratch: 1}", "carries bricks: say `disposable: false` of it"),
        ("      disk: /scratch\n", "", "scratch is sacrificial, and shares the disk /data with homes"),
        ("disk: /scratch", "disk: /data", "scratch is sacrificial, and shares the disk /data with homes"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert SITE.count(old) >= 1
    said = problems(tmp_path, SITE.replace(old, new, 1))
    assert message in said
    assert re.match(r"site\.yaml:\d+:\d+: ", said) or said.startswith("site.yaml: ")


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    said = problems(tmp_path, SITE.replace("cidr: 10.66.0.0/24", "cidr: x").replace("ports: 9100", "ports: x"))
    assert len(said.splitlines()) == 2


def test_nothing_is_a_target_by_default() -> None:
    assert not model.Policy().targets
    site = lab_site(policy=model.Policy(targets=("worker",), protected=("worker-002",)))
    assert site.opted_in("worker-002", "worker")
    assert not site.opted_in("monitor", "monitor")
    assert site.protected("worker-002", "worker")
    assert not site.protected("worker-001", "worker")
