"""The balancer before the hub: its section, facts → plan as data, and the stage on an Octavia in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from openstack import exceptions
from pydantic import TypeAdapter, ValidationError

from chaosjc.drivers.balancer import NoBalancers
from chaosjc.site import deploy, discover, verify
from chaosjc.site.context import Context
from chaosjc.site.destroy import Destroy
from chaosjc.site.model import SiteFile
from chaosjc.site.roles import canary
from chaosjc.site.sections import FRONT, HealthMonitor, Hub, Kubernetes, Lbaas
from chaosjc.site.stages import balancer_plan
from chaosjc.site.stages.balancer import Balancer
from chaosjc.site.stages.balancer_plan import BalancerFacts
from chaosjc.site.stages.infra import Infra
from tests.sites import cloud_file
from tests.unit.drivers.test_balancer import Missing
from tests.unit.site.fakes import FakeCloud, small_site
from tests.unit.site.test_cases import CASES, put, step

MONITOR: dict[str, Any] = {"every": "2s", "timeout": "1s", "failures": 2}
ADDRESSES = {"worker-001": "10.67.0.21", "worker-002": "10.67.0.22"}


def whole(**lbaas: Any) -> SiteFile:
    section = {"vip": "10.67.0.100", "monitor": MONITOR} | lbaas
    return SiteFile.restore(json.dumps(cloud_file() | {"name": "whole", "lbaas": section}))


def raw_facts() -> dict[str, Any]:
    listener = {"id": "listener-1", "name": "front-80", "protocol": "TCP", "port": 80, "pool_id": "pool-1"}
    return {
        "asked": True,
        "port": {"id": "port-1", "name": "whole-front", "network_id": "n", "address": "10.67.0.100"},
        "addresses": ADDRESSES,
        "balancers": [
            {"id": "lb-1", "name": "whole-front", "description": "", "address": "10.67.0.100", "port_id": "port-1"}
        ],
        "listeners": [listener | {"client": 300.0, "member": 300.0, "connect": 1.0}],
        "pools": [{"id": "pool-1", "name": "front", "protocol": "TCP", "method": "ROUND_ROBIN", "monitor_id": "m"}],
        "monitor": {
            "id": "m", "type": "HTTP", "path": "/_chp_healthz", "codes": "200",
            "every": 2, "timeout": 1, "failures": 2, "successes": 1,
        },
        "members": [
            {"id": f"member-{name}", "name": name, "address": address, "port": 30080, "operating": "ONLINE"}
            for name, address in ADDRESSES.items()
        ],
    }  # fmt: skip


def facts(case: dict[str, Any]) -> BalancerFacts:
    raw = raw_facts()
    for path, value in case.get("set", {}).items():
        put(raw, path.split("."), value)
    for path in case.get("drop", []):
        *way, last = path.split(".")
        del step(raw, way)[int(last)]
    return TypeAdapter(BalancerFacts).validate_python(raw)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(each, id=each["name"])
        for each in yaml.safe_load((CASES / "balancer" / "cases.yaml").read_text(encoding="utf-8"))
    ],
)
def test_plan(case: dict[str, Any]) -> None:
    assert [str(each) for each in balancer_plan.plan(whole(), facts(case))] == case["plan"]


def test_a_change_of_a_member_is_about_its_vm() -> None:
    (change,) = balancer_plan.plan(whole(), facts({"drop": ["members.1"]}))
    assert change.vm == "worker-002"


class TestSection:
    def test_the_health_check_does_not_go_through_to_the_hub(self) -> None:
        assert not HealthMonitor().path.startswith("/hub")

    def test_connections_may_be_silent_for_longer_than_kernels_ever_are(self) -> None:
        wanted = balancer_plan.wanted_listener(Lbaas(), "p")
        assert min(wanted.client, wanted.member) > 2 * 30

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"vip": "10.1.2.3"}, "vip 10.1.2.3 is outside 10.67.0.0/24"),
            ({"vip": "front"}, "4 octets"),
            ({"listen": 0}, "greater than or equal to 1"),
            ({"idle": "30s"}, "greater than or equal to 60"),
            ({"monitor": {"every": "1500ms", "timeout": "1s"}}, "Octavia counts in whole seconds"),
            ({"monitor": {"every": "2s", "timeout": "3s"}}, "`timeout` is longer than `every`"),
            ({"monitor": {"failures": 11}}, "less than or equal to 10"),
            ({"monitor": {"path": "hub"}}, "should match pattern"),
            ({"monitor": None}, "should be an object"),
            ({"floating": True}, "a floating address is one of `network.external`"),
        ],
    )
    def test_what_is_wrong_is_said(self, changed: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            whole(**changed)

    def test_it_needs_a_hub(self) -> None:
        raw: dict[str, Any] = {name: value for name, value in cloud_file().items() if name != "hub"}
        raw["lbaas"] = {}
        with pytest.raises(ValidationError, match="it stands in front of a `hub`"):
            SiteFile.restore(json.dumps(raw))

    def test_its_address_is_its_own(self) -> None:
        raw: dict[str, Any] = {**cloud_file(), "lbaas": {"vip": "10.67.0.22"}}
        raw["roles"]["worker"]["address"] = "10.67.0.21"
        with pytest.raises(ValidationError, match=r"vip 10\.67\.0\.22 is the address of a VM"):
            SiteFile.restore(json.dumps(raw))

    def test_no_vm_has_its_name(self) -> None:
        raw: dict[str, Any] = {**cloud_file(), "lbaas": {}}
        raw["roles"][FRONT] = raw["roles"]["bastion"]
        with pytest.raises(ValidationError, match="the VIP is called front, and so is a VM"):
            SiteFile.restore(json.dumps(raw))


def canary_config(site: SiteFile) -> dict[str, Any]:
    monitor = next(each for each in site.machines if each.name == "monitor")
    contents = canary.hub_contents(site, monitor, None)  # type: ignore[arg-type]
    return json.loads(next(each.content for each in contents.files if each.path.endswith("canary-hub.json")))


class TestCanary:
    def test_people_come_in_by_the_balancer_and_so_does_the_canary(self) -> None:
        raw: dict[str, Any] = {**cloud_file(), "lbaas": {"listen": 8000}}
        raw["hub"]["canary"].pop("front", None)
        config = canary_config(SiteFile.restore(json.dumps(raw)))
        assert config["entries"]["front"] == "http://front:8000"
        assert config["front"] == "front"
        assert {"worker-001", "worker-002"} < config["entries"].keys()

    def test_the_file_may_name_another_way_in(self) -> None:
        raw: dict[str, Any] = {**cloud_file(), "lbaas": {}}
        raw["hub"]["canary"]["front"] = "worker-001"
        assert canary_config(SiteFile.restore(json.dumps(raw)))["front"] == "worker-001"

    def test_without_a_balancer_there_is_no_such_entry(self) -> None:
        raw = {name: value for name, value in cloud_file().items() if name != "lbaas"}
        raw["hub"]["canary"].pop("front", None)
        config = canary_config(SiteFile.restore(json.dumps(raw)))
        assert (config["entries"].keys(), config["front"]) == ({"worker-001", "worker-002"}, "worker-001")


# ------------------------------------------------------------------ the stage, on a cloud in memory


def fronted(**lbaas: Any) -> SiteFile:
    """The lab's workers with a balancer before them; what would run there is not part of this test."""
    section = Lbaas(**lbaas)
    return small_site().model_copy(update={"hub": Hub.model_validate({}), "kubernetes": Kubernetes(), "lbaas": section})


class Balanced:
    """The two stages that it takes, and no other."""

    def __init__(self, context: Context, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cloud, self.octavia, self._patch = cloud, cloud.octavia, monkeypatch
        self._plain = context
        self.use(fronted())

    def use(self, site: SiteFile, only: frozenset[str] | None = None) -> None:
        self.context = replace(self._plain, site=site, only=only)
        kept = tuple(each for each in deploy.STAGES if isinstance(each, Balancer | Infra) or each.name == "keys")
        self._patch.setattr(deploy, "STAGES", kept)

    def deploy(self) -> list[str]:
        return [str(each) for each in deploy.deploy(self.context) if each.stage == "balancer"]

    def plan(self) -> list[str]:
        return [str(each) for each in deploy.plan(self.context)]


@pytest.fixture
def balanced(context: Context, cloud: FakeCloud, hosts: object, monkeypatch: pytest.MonkeyPatch) -> Balanced:
    del hosts
    return Balanced(context, cloud, monkeypatch)


def test_from_nothing_to_nothing_to_do(balanced: Balanced) -> None:
    assert "infra: create VIP lab-front" in balanced.plan()
    assert len(balanced.deploy()) == 6
    balancer = balanced.octavia.named("load_balancer", "lab-front")
    vip = next(each for each in balanced.cloud.port_table.values() if each.name == "lab-front")
    assert (balancer.vip_port_id, balancer.description) == (vip.id, "chaosjc site lab")
    assert balanced.octavia.changes[-1] == "create listener front-80", "there is something behind it"
    assert balanced.octavia.monitor().max_retries_down == 3
    assert balanced.plan() == []
    assert balanced.deploy() == []


def test_the_vip_is_known_by_name_on_every_vm(balanced: Balanced) -> None:
    balanced.deploy()
    addresses = discover.addresses(balanced.context.site, discover.ports(balanced.context.site, balanced.cloud))
    assert addresses[FRONT] == balanced.octavia.named("load_balancer", "lab-front").vip_address


def test_what_was_altered_by_hand_is_named_and_mended(balanced: Balanced) -> None:
    balanced.deploy()
    octavia = balanced.octavia
    octavia.named("member", "worker-002").is_admin_state_up = False
    octavia.named("listener", "front-80").timeout_client_data = 50_000
    octavia.named("pool", "front").lb_algorithm = "SOURCE_IP"
    octavia.monitor().delay = 60
    octavia.forget("member", "worker-001")
    planned = [
        "balancer: update pool front (method SOURCE_IP → method ROUND_ROBIN)",
        "balancer: update health monitor front (every 60 → every 5)",
        "balancer: create member worker-001",
        "balancer: update member worker-002 (disabled → enabled)",
        "balancer: update listener front-80 (client 50 → client 300)",
    ]
    assert balanced.plan() == planned
    assert balanced.deploy() == planned
    assert balanced.plan() == []


def test_one_in_error_is_made_anew_on_the_same_address(balanced: Balanced) -> None:
    balanced.deploy()
    before = balanced.octavia.named("load_balancer", "lab-front")
    before.provisioning_status = "ERROR"
    balanced.deploy()
    after = balanced.octavia.named("load_balancer", "lab-front")
    assert (after.id != before.id, after.vip_address) == (True, before.vip_address)
    assert balanced.plan() == []


def test_another_vip_is_another_port(balanced: Balanced) -> None:
    balanced.deploy()
    balanced.use(fronted(vip="10.66.0.200"))
    balanced.deploy()
    assert balanced.octavia.named("load_balancer", "lab-front").vip_address == "10.66.0.200"
    assert [each.address for each in balanced.cloud.port_table.values() if each.name == "lab-front"] == ["10.66.0.200"]
    assert balanced.plan() == []


def test_from_outside_it_is_reached_by_an_address_of_its_own(balanced: Balanced) -> None:
    cloud, network = balanced.cloud, small_site().network.model_copy(update={"external": "public"})

    def reached(**lbaas: Any) -> SiteFile:
        return fronted(floating=True, **lbaas).model_copy(update={"network": network})

    def leads_to_the_vip() -> bool:
        (port,) = [each for each in cloud.port_table.values() if each.name == "lab-front"]
        (address,) = [each for each in cloud.floating_table.values() if each.description.endswith(FRONT)]
        return address.port_id == port.id

    balanced.use(reached())
    assert balanced.deploy()[-1] == "balancer: create floating address front (from public)"
    assert leads_to_the_vip()
    assert len(cloud.floating_table) == 2, "the other one leads to the bastion"
    assert balanced.plan() == []
    (front,) = [each for each in cloud.floating_table.values() if each.description.endswith(FRONT)]
    cloud.point_floating_address(front.id, "")
    assert balanced.plan() == ["balancer: update floating address 192.0.2.10 (to front)"]
    balanced.use(reached(vip="10.66.0.200"))
    balanced.deploy()
    assert leads_to_the_vip()
    assert balanced.plan() == []
    balanced.use(fronted().model_copy(update={"network": network}))
    assert balanced.deploy() == ["balancer: delete floating address 192.0.2.10"]
    balanced.use(reached())
    balanced.deploy()
    Destroy(balanced.context).run()
    assert cloud.floating_table == {}


def test_a_monitor_of_another_type_takes_the_place_of_the_first(balanced: Balanced) -> None:
    balanced.deploy()
    balanced.use(fronted(monitor=HealthMonitor(type="tcp")))
    assert balanced.deploy() == ["balancer: replace health monitor front (HTTP → TCP)"]
    assert balanced.octavia.monitor().type == "TCP"
    assert balanced.plan() == []


def test_a_site_without_one_asks_for_none(balanced: Balanced) -> None:
    balanced.use(small_site())
    balanced.deploy()
    assert discover.with_front(discover.topology(balanced.context.site, balanced.cloud), small_site(), balanced.cloud)
    Destroy(balanced.context).run()
    assert balanced.octavia.requests == 0


def test_one_that_the_file_no_longer_names_goes_with_its_vip(balanced: Balanced) -> None:
    balanced.deploy()
    balanced.use(fronted().model_copy(update={"lbaas": None}))
    assert [each.split(" (")[0] for each in balanced.plan()] == [
        "balancer: delete balancer lab-front",
        "balancer: delete VIP lab-front",
    ]
    balanced.deploy()
    assert balanced.octavia.count() == 0
    assert not [each for each in balanced.cloud.port_table.values() if each.name == "lab-front"]
    requests = balanced.octavia.requests
    assert (balanced.plan(), balanced.octavia.requests) == ([], requests)


def test_a_vm_called_front_keeps_its_port_where_there_never_was_a_balancer(balanced: Balanced) -> None:
    raw = json.loads(small_site().model_dump_json(by_alias=True))
    raw["roles"][FRONT] = {**raw["roles"]["bastion"], "address": ""}
    site = SiteFile.restore(json.dumps(raw))
    assert FRONT in {each.name for each in site.machines}
    balanced.use(site)
    assert balanced.deploy() == []
    assert "lab-front" in {each.name for each in balanced.cloud.port_table.values()}
    assert balanced.plan() == []


def test_a_deploy_of_some_vms_leaves_it_alone(balanced: Balanced) -> None:
    balanced.deploy()
    balanced.octavia.named("member", "worker-002").is_admin_state_up = False
    balanced.use(fronted(), only=frozenset({"worker-002"}))
    assert balanced.deploy() == []


@pytest.mark.parametrize("named", [True, False])
def test_destroy_leaves_nothing_of_it(balanced: Balanced, *, named: bool) -> None:
    balanced.deploy()
    balanced.use(fronted() if named else fronted().model_copy(update={"lbaas": None}))
    done = [str(each) for each in Destroy(balanced.context).run()]
    assert "destroy: delete balancer lab-front" in done
    assert (balanced.octavia.count(), balanced.cloud.port_table) == (0, {})


def test_a_cloud_without_octavia(balanced: Balanced) -> None:
    balanced.cloud._api.load_balancer = Missing(exceptions.ServiceDisabledException("x"))  # pyright: ignore[reportPrivateUsage]
    facts_of = Balancer().facts
    with pytest.raises(NoBalancers, match="cloud fake has no load balancers"):
        facts_of(balanced.context, patient=True)


class TestVerify:
    def rows(self, balanced: Balanced) -> dict[str, str]:
        found = verify._balancer(balanced.context)  # pyright: ignore[reportPrivateUsage]
        return {f"{each.vm} {each.what}": each.why for each in found}

    def test_each_member_is_told(self, balanced: Balanced) -> None:
        balanced.deploy()
        assert self.rows(balanced) == {
            "- balancer lab-front": "",
            "- health monitor front": "",
            "worker-001 member worker-001 ONLINE": "",
            "worker-002 member worker-002 ONLINE": "",
        }

    def test_one_that_does_not_answer_gets_its_time_and_is_told(self, balanced: Balanced) -> None:
        balanced.deploy()
        balanced.octavia.statuses["worker-002"] = "ERROR"
        before = balanced.context.clock.monotonic()
        assert self.rows(balanced)["worker-002 member worker-002 ONLINE"] == "is ERROR"
        monitor = HealthMonitor()
        assert balanced.context.clock.monotonic() - before >= monitor.every * 2 + monitor.timeout

    def test_what_was_altered_is_told(self, balanced: Balanced) -> None:
        balanced.deploy()
        balanced.octavia.named("member", "worker-002").is_admin_state_up = False
        rows = self.rows(balanced)
        assert rows["worker-002 member worker-002"] == "disabled"
        assert rows["worker-002 member worker-002 ONLINE"] == "disabled"


class TestTopology:
    def test_members_are_vms(self, balanced: Balanced) -> None:
        balanced.deploy()
        balanced.octavia.statuses["worker-001"] = "ERROR"
        site, cloud = balanced.context.site, balanced.cloud
        front = discover.with_front(discover.topology(site, cloud), site, cloud).front
        assert front
        assert [(each.vm, each.status, each.answers) for each in front.members] == [
            ("worker-001", "ERROR", False),
            ("worker-002", "ONLINE", True),
        ]
        assert front.port == 80

    def test_an_octavia_that_does_not_answer_is_not_known(self, balanced: Balanced) -> None:
        balanced.deploy()
        site = balanced.context.site

        def down() -> Iterator[SimpleNamespace]:
            raise exceptions.HttpException("503 Service Unavailable")

        balanced.octavia.load_balancers = down  # type: ignore[method-assign]
        assert discover.with_front(discover.topology(site, balanced.cloud), site, balanced.cloud).front is None
