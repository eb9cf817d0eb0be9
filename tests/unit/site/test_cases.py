"""Facts → plan, as data: tests/cases/site."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from chaosjc.site.keys import PublicKeys, Validity
from chaosjc.site.model import Machine
from chaosjc.site.roles import Contents, Surroundings, access, userdata
from chaosjc.site.stages import infra_plan
from chaosjc.site.stages.hosts import AccountFact, Facts, FileFact, HostFacts, Hosts, UnitFact
from chaosjc.site.stages.infra_plan import InfraFacts
from tests.unit.site.fakes import ROOT, small_site

CASES = ROOT / "tests" / "cases" / "site"
SITE = small_site()
AROUND = Surroundings(PublicKeys("ssh-ed25519 U", "ssh-ed25519 H"), {})
NOW = 60.0


def cases(stage: str) -> list[Any]:
    listed: list[dict[str, Any]] = yaml.safe_load((CASES / stage / "cases.yaml").read_text())
    return [pytest.param(each, id=each["name"]) for each in listed]


def digest(machine: Machine) -> str:
    return userdata.digest(userdata.everything(SITE, machine, AROUND))


def infra_facts(case: dict[str, Any]) -> InfraFacts:
    raw: dict[str, Any] = yaml.safe_load((CASES / "infra" / "base.yaml").read_text())
    for server, machine in zip(raw["servers"], SITE.machines, strict=True):
        server["metadata"] = {"chaosjc:digest": digest(machine)}
    for path, value in case.get("set", {}).items():
        put(raw, path.split("."), value)
    for path in case.get("drop", []):
        *way, last = path.split(".")
        del step(raw, way)[int(last)]
    raw["keys"] = {"users": AROUND.keys.users, "hosts": AROUND.keys.hosts}
    return TypeAdapter(InfraFacts).validate_python(raw)


def step(data: Any, way: list[str]) -> Any:
    for each in way:
        data = data[int(each) if each.isdigit() else each]
    return data


def put(raw: Any, way: list[str], value: object) -> None:
    """Also one place past the end of a list."""
    target, last = step(raw, way[:-1]), way[-1]
    if last.isdigit():
        target[int(last) : int(last) + 1] = [value]
    else:
        target[last] = value


@pytest.mark.parametrize("case", cases("infra"))
def test_infra(case: dict[str, Any]) -> None:
    worker = next(each for each in SITE.machines if each.name == "worker-001")
    wanted = [each.replace("$digest", digest(worker)[:8]) for each in case["plan"]]
    assert [str(each) for each in infra_plan.plan(SITE, infra_facts(case))] == wanted


def host_facts(case: dict[str, Any], contents: Contents) -> HostFacts:
    files: dict[str, FileFact | None] = {
        each.path: FileFact(each.digest, each.mode, each.owner) for each in contents.files
    }
    units = {each.name: UnitFact("enabled", "active") for each in contents.units}
    accounts: dict[str, AccountFact | None] = {
        each.name: AccountFact(each.shell, each.memberships) for each in contents.accounts
    }
    if "account" in case:
        altered = dict(case["account"])
        name = altered.pop("name")
        planned = accounts[name]
        assert planned
        groups = tuple(altered.pop("groups", planned.groups))
        accounts[name] = replace(planned, groups=groups, **altered) if altered or groups != planned.groups else None
    if "file" in case:
        altered = dict(case["file"])
        path = altered.pop("path")
        planned = files[path]
        assert planned
        files[path] = replace(planned, **altered) if altered else None
    if "unit" in case:
        altered = dict(case["unit"])
        name, drop_ins = altered.pop("name"), tuple(altered.pop("drop_ins", ()))
        units[name] = replace(units[name], drop_ins=drop_ins, **altered)
    return HostFacts(accounts, files, units, Validity(**case.get("certificate", {"begin": 0, "end": 1000})))


@pytest.mark.parametrize("case", cases("hosts"))
def test_hosts(case: dict[str, Any]) -> None:
    monitor = next(each for each in SITE.machines if each.name == "monitor")
    contents = access.contents(SITE, monitor, AROUND)
    facts = Facts({"monitor": host_facts(case, contents)}, AROUND, NOW)
    hosts_digest = next(each.digest[:8] for each in contents.files if each.path == "/etc/hosts")
    wanted = [each.replace("$digest", hosts_digest) for each in case["plan"]]
    assert [str(each) for each in Hosts("access", access.contents, certifies=True).plan(SITE, facts)] == wanted
