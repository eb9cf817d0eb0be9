"""What the canaries' VMs get, and whether it is enough to run there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import prometheus_client
import pytest

import chaosjc
from chaosjc import names
from chaosjc.drivers import command
from chaosjc.site.keys import HostIdentity, PublicKeys
from chaosjc.site.model import Machine, SiteFile
from chaosjc.site.roles import Contents, Surroundings, canary, monitoring, userdata
from chaosjc.site.roles.canary import MODULES
from chaosjc.site.sections import StorageCanary
from tests.unit.site.fakes import lab_site

AROUND = Surroundings(PublicKeys("ssh-ed25519 U", "ssh-ed25519 H"), {})
CODE = "/usr/lib/chaosjc/"


def contents(vm: str, site: SiteFile | None = None) -> Contents:
    site = site or lab_site()
    return canary.contents(site, machine(site, vm), AROUND)


def machine(site: SiteFile, vm: str) -> Machine:
    return next(each for each in site.machines if each.name == vm)


def text(found: Contents, path: str) -> str:
    return next(each.content for each in found.files if each.path == path)


def with_volume(site: SiteFile, **changes: object) -> SiteFile:
    """The lab, its volume homes made otherwise."""
    assert site.storage
    volumes = site.storage.volumes | {"homes": site.storage.volumes["homes"].model_copy(update=changes)}
    return site.model_copy(update={"storage": site.storage.model_copy(update={"volumes": volumes})})


@pytest.mark.parametrize(("vm", "kind"), [("brick-001", "gluster"), ("worker-001", "storage")])
def test_what_is_put_on_a_vm_runs_there_and_nothing_is_superfluous(tmp_path: Path, vm: str, kind: str) -> None:
    """A clean interpreter with the shipped files, the standard library and prometheus-client, and nothing else."""
    for file in contents(vm).files:
        if file.path.startswith(CODE):
            path = tmp_path / file.path.removeprefix(CODE)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.content)
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "prometheus_client").symlink_to(Path(prometheus_client.__file__).parent)
    assert imported(tmp_path, packages, kind) == shipped(kind)


def test_the_hub_s_canary_runs_with_its_modules_and_aiohttp(tmp_path: Path) -> None:
    """Which brings packages of its own: any may be there, but none of them is chaosjc's or its dependencies'."""
    for module in MODULES["hub"]:
        path = tmp_path / "chaosjc" / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((Path(chaosjc.__file__).parent / f"{module}.py").read_text())
    found = imported(tmp_path, Path(prometheus_client.__file__).parent.parent, "hub")
    assert found == shipped("hub")


def imported(code: Path, packages: Path, kind: str) -> set[str]:
    """The modules of chaosjc that its canary loads, without pydantic, typer or any other of chaosjc's."""
    program = f"""
import sys
sys.path[:0] = {[str(code), str(packages)]!r}
import chaosjc.canary.__main__, chaosjc.canary.{kind}
assert not sys.modules.keys() & {{"pydantic", "typer", "yaml", "httpx", "kubernetes", "openstack"}}
print(*sorted(name for name in sys.modules if name.partition(".")[0] == "chaosjc"))
"""
    return set(command.run([sys.executable, "-I", "-S", "-B", "-c", program]).stdout.split())


def shipped(kind: str) -> set[str]:
    return {("chaosjc/" + each).removesuffix("/__init__").replace("/", ".") for each in MODULES[kind]}


def test_a_brick_vm_tells_of_its_own_bricks() -> None:
    found = contents("brick-002")
    assert [each.name for each in found.units] == ["chaosjc-canary.target", "chaosjc-canary-gluster.service"]
    assert json.loads(text(found, "/etc/chaosjc/canary-gluster.json")) == {
        "vm": "brick-002",
        "listen": 9810,
        "every": 1.0,
        "bricks": {"homes": "/data/homes", "scratch": "/scratch/scratch"},
    }


def test_a_client_has_a_synthetic_user_of_every_volume() -> None:
    found = contents("worker-002")
    assert [each.name for each in found.units] == [
        "chaosjc-canary.target",
        "chaosjc-canary-storage-homes.service",
        "chaosjc-canary-storage-scratch.service",
    ]
    assert json.loads(text(found, "/etc/chaosjc/canary-storage-scratch.json")) == {
        "volume": "scratch",
        "mount": "/srv/scratch",
        "vm": "worker-002",
        "listen": 9812,
        "every": 0.5,
        "keep": 60.0,
        "audit": 5.0,
        "recent": 6.0,  # a scrape interval of 1 s, and 5 s
        "peers": {"worker-001": "http://worker-001:9812"},
        "sets": [{f"brick-00{n}": f"http://brick-00{n}:9810" for n in (1, 2, 3)}],
    }


def test_a_volume_has_a_pace_of_its_own_or_that_of_the_storage() -> None:
    site = lab_site()
    assert site.storage
    storage = site.storage.model_copy(update={"canary": StorageCanary(every=0.2, keep=60, audit=7)})
    site = with_volume(site.model_copy(update={"storage": storage}), canary=StorageCanary(audit=3))
    assert pace(site, "homes") == (0.1, 600, 3)
    assert pace(with_volume(site, canary=None), "homes") == (0.2, 60, 7)


def pace(site: SiteFile, volume: str) -> tuple[float, ...]:
    config = json.loads(text(contents("worker-001", site), f"/etc/chaosjc/canary-storage-{volume}.json"))
    return config["every"], config["keep"], config["audit"]


def test_others_have_none_and_neither_has_a_site_without_storage() -> None:
    assert contents("monitor") == contents("bastion") == Contents()
    assert contents("brick-001", lab_site(storage=None)) == Contents()


def test_a_vm_of_the_role_without_a_brick_tells_nothing() -> None:
    site = lab_site()
    roles = site.roles | {"brick": site.roles["brick"].model_copy(update={"count": 4})}
    assert contents("brick-004", site.model_copy(update={"roles": roles})) == Contents()


def test_replica_sets_follow_each_other() -> None:
    site = lab_site()
    roles = site.roles | {"brick": site.roles["brick"].model_copy(update={"count": 6})}
    site = with_volume(site.model_copy(update={"roles": roles}), replica=3, distribute=2)
    sets = json.loads(text(contents("worker-001", site), "/etc/chaosjc/canary-storage-homes.json"))["sets"]
    assert [list(each) for each in sets] == [
        ["brick-001", "brick-002", "brick-003"],
        ["brick-004", "brick-005", "brick-006"],
    ]
    assert json.loads(text(contents("brick-005", site), "/etc/chaosjc/canary-gluster.json"))["bricks"] == {
        "homes": "/data/homes"
    }


def test_a_change_restarts_what_it_concerns_and_makes_no_new_vm() -> None:
    files = contents("worker-001").files
    assert all(each.live for each in files)
    restarts = {each.path: each.restarts for each in files}
    assert restarts[f"{CODE}chaosjc/names.py"] == "chaosjc-canary.target"
    assert restarts["/etc/chaosjc/canary-storage-homes.json"] == "chaosjc-canary-storage-homes.service"
    units = [each for each in files if each.path.endswith(".service")]
    assert len(units) == 2
    assert all("PartOf=chaosjc-canary.target\n" in each.content for each in units)


def test_they_fit_into_user_data() -> None:
    site = lab_site()
    for each in site.machines:
        everything = userdata.everything(site, each, AROUND)
        data = userdata.compressed(userdata.render(everything, HostIdentity("K" * 400, "P" * 100, "C" * 800)))
        assert len(data) * 4 / 3 < 50_000, f"{each.name}: Nova takes 64 KiB of base64"


def scrape_config(site: SiteFile) -> dict[str, object]:
    return json.loads(
        text(monitoring.contents(site, machine(site, "monitor"), AROUND), "/etc/prometheus/prometheus.yml")
    )


def test_prometheus_scrapes_every_canary_and_says_whose_it_is() -> None:
    jobs = {each["job_name"]: each["static_configs"] for each in scrape_config(lab_site())["scrape_configs"]}  # type: ignore[index]
    assert jobs["gluster"] == [
        {"targets": [f"brick-00{n}:9810"], "labels": {"vm": f"brick-00{n}", "role": "brick"}} for n in (1, 2, 3)
    ]
    assert jobs["storage"] == [
        {"targets": [f"worker-00{n}:{port}"], "labels": {"vm": f"worker-00{n}", "role": "worker"}}
        for n in (1, 2)
        for port in (9811, 9812)
    ]


def test_a_site_without_storage_has_neither_job_nor_rules() -> None:
    config = scrape_config(lab_site(storage=None))
    assert [each["job_name"] for each in config["scrape_configs"]] == ["node", "prometheus"]  # type: ignore[index]
    assert config["rule_files"] == []


def test_rules_lie_where_prometheus_reads_them_and_reload_it() -> None:
    site = lab_site()
    found = monitoring.contents(site, machine(site, "monitor"), AROUND)
    rules = [each for each in found.files if each.path.startswith("/etc/prometheus/rules/")]
    assert [each.path for each in rules] == scrape_config(site)["rule_files"]
    assert {"/etc/prometheus/rules/storage.yml"} <= {each.path for each in rules}
    assert all(each.live and each.reloads == "prometheus.service" for each in rules)


def test_labels_of_the_scrape_do_not_hide_the_metrics_own() -> None:
    taken = {label for each in names.METRICS for label in each.labels}
    assert not taken & {"vm", "role", "job", "instance"}
