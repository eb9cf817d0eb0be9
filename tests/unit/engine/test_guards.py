"""Each guard, and the list of them: without any one of them, one of these tests fails."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Sequence

import pytest

from chaosjc.engine import guards
from chaosjc.engine.guards import GUARDS, Facts, Guard, first_refusal
from chaosjc.faults.target import Chosen, Refusal
from chaosjc.journal.events import Closed, Halted, Planned, Refused, StepPlan, Target
from chaosjc.journal.live import Steady
from chaosjc.journal.state import RunState, StepState
from chaosjc.journal.store import View
from chaosjc.site.calendar import Calendar
from chaosjc.site.model import SiteFile
from chaosjc.site.sections import Kubernetes, Lbaas, Policy
from chaosjc.site.topology import Topology
from tests.unit.engine import storage
from tests.unit.engine.fakes import RUN, planned, step
from tests.unit.engine.storage import breaks, clustered, fronted, other_run, user_pod, volume
from tests.unit.site.adopted_site import adopted_site

CALM = View(halted=None, runs=())


def open_run(name: str, target: str, *, owes: bool, closed: bool = False) -> RunState:
    plan = planned(step(target))
    state = StepState(plan.steps[0], intent_at=1.0 if owes else None)
    over = Closed(verdict="UNDO-FAILED", code="undo-failed", reason="") if closed else None
    return RunState(name, plan, 0.0, {state.plan.id: state}, closed=over)


def local() -> StepPlan:
    return step("a", fault="command", target=Target(id="local", name="this machine", kind="command"))


def facts(**changes: object) -> Facts:
    plain = Facts(run=RUN, planned=planned(step("a")), view=CALM, steady=Steady(True))
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def site(*, disposable: bool, stored: bool = False, users: int | None = None) -> SiteFile:
    def role(**more: object) -> dict[str, object]:
        return {"image": "i", "flavor": "f", "groups": [], **more}

    return SiteFile.model_validate_json(
        json.dumps(
            {
                "apiVersion": "chaosjc/v1",
                "kind": "Site",
                "name": "s",
                "environment": "lab",
                "cloud": "c",
                "network": {"cidr": "10.0.0.0/24"},
                "security_groups": {},
                "roles": {
                    "bastion": role(),
                    "monitor": role(),
                    "worker": role(),
                    "brick": role(count=3, disposable=disposable, disks={"/data": 1}),
                },
                "storage": {"volumes": {"homes": {"mount": "/srv/homes"}}} if stored else None,
                "kubernetes": {"control_plane": "monitor"} if users is not None else None,
                "policy": {"users": users or 0},
            }
        )
    )


def deletion(role: str) -> Planned:
    return planned(step("brick-001", fault="vm.delete", target=Target(id="u", name="brick-001", role=role)))


ONE_PAUSED = storage.site(volume(), statuses={"brick-002": "PAUSED"})
UNHEALED = storage.site(volume(backlog=("worker-001 is not connected to brick-002", "2 entries to heal")))
PAUSES_WORKER = planned(breaks("worker-001", role="worker"))
IN_USE = clustered(user_pod("ada"), user_pod("canary-1"))
BALANCED = site(disposable=True, users=0).model_copy(update={"lbaas": Lbaas()})
SHORT = Chosen((), (), (Refusal("a", "protected", "the site's policy protects it"),), 1)

WITH_BASTION = Topology((storage.vm("bastion", role="bastion"), storage.vm("brick-001")))
CUT = planned(breaks("brick-001", "brick.freeze"), breaks("bastion", role="bastion"))
ORDER = (
    *("halted", "undo_debt", "calendar", "targets", "undo_path", "lost_data"),
    *("blast_radius", "users", "last_member", "related_run", "backlog", "steady_state"),
)


def stamp(text: str) -> float:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()


def closed_on(*days: str, **said: object) -> SiteFile:
    calendar = Calendar.model_validate_json(json.dumps({"closed": days, **said}))
    return site(disposable=True).model_copy(update={"policy": Policy(calendar=calendar)})


REFUSED: dict[str, tuple[Facts, str]] = {
    "halted": (facts(view=View(Halted(who="ada", why="exam"), ())), "halted"),
    "undo_debt": (facts(view=View(None, (open_run("old", "b", owes=True, closed=True),))), "undo-debt"),
    "calendar": (facts(site=closed_on("2027-03-22"), now=stamp("2027-03-22T09:00")), "calendar"),
    "targets": (facts(chosen=(SHORT,)), "protected"),
    "undo_path": (facts(planned=CUT, site=site(disposable=True), topology=WITH_BASTION), "undo-path"),
    "lost_data": (facts(planned=deletion("brick"), site=site(disposable=False)), "lost-data"),
    "blast_radius": (facts(planned=planned(breaks("brick-001")), topology=ONE_PAUSED), "blast-radius"),
    "users": (facts(planned=PAUSES_WORKER, topology=IN_USE, site=site(disposable=True, users=0)), "users"),
    "last_member": (
        facts(planned=planned(breaks("worker-001", role="worker")), topology=fronted("worker-001"), site=BALANCED),
        "last-member",
    ),
    "related_run": (facts(view=View(None, (open_run("now", "a", owes=True),)), alive={"now"}), "busy"),
    "backlog": (facts(planned=planned(breaks("brick-001")), topology=UNHEALED), "backlog"),
    "steady_state": (facts(steady=Steady(False, "steady-state-broken", "hub is down")), "steady-state-broken"),
}


def refusal_of_deletion(topology: Topology, *more: StepPlan) -> str:
    plan = planned(*deletion("brick").steps, *more)
    found = guards.lost_data(facts(planned=plan, site=site(disposable=False), topology=topology))
    return found.reason if found else ""


def test_what_others_deployed_is_not_deleted() -> None:
    gone = guards.lost_data(facts(planned=deletion("worker"), site=adopted_site()))
    assert gone is not None
    assert gone.code == "not-deployed-here"
    assert "brick-001 would not come back" in gone.reason
    assert guards.lost_data(facts(planned=PAUSES_WORKER, site=adopted_site())) is None


def test_every_guard_has_a_case() -> None:
    assert [guard.__name__ for guard in GUARDS] == list(REFUSED)


def test_the_order_is_that_of_the_design() -> None:
    """Its \"not opted in\" and \"protected target\" are both `targets`; what is ours stands beside the blast radius."""
    assert [guard.__name__ for guard in GUARDS] == list(ORDER)


def check_case(name: str, guards: Sequence[Guard]) -> None:
    facts, code = REFUSED[name]
    found = first_refusal(facts, guards)
    assert found is not None, f"nobody refuses what {name} is there for"
    assert found.code == code
    assert found.guard == name.replace("_", " ")
    assert found.reason


@pytest.mark.parametrize("name", REFUSED)
def test_it_refuses_with_its_code_and_a_reason(name: str) -> None:
    check_case(name, GUARDS)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_without_this_guard_the_case_of_its_name_fails(guard: Guard) -> None:
    """Every guard is removed from the list, one after another: then the run is let through, and the check says so."""
    without = [each for each in GUARDS if each is not guard]
    with pytest.raises(AssertionError, match=f"nobody refuses what {guard.__name__} is there for"):
        check_case(guard.__name__, without)
    for other in REFUSED.keys() - {guard.__name__}:
        check_case(other, without)


def test_all_agree_when_nothing_is_wrong() -> None:
    assert first_refusal(facts()) is None


def test_the_first_one_wins() -> None:
    found = first_refusal(facts(view=View(Halted(who="ada", why="exam"), ()), chosen=(SHORT,)))
    assert found is not None and found.code == "halted"


def test_a_guard_that_fails_refuses() -> None:
    def broken(_: Facts) -> Refused | None:
        raise KeyError("x")

    guard: Guard = broken
    found = first_refusal(facts(), [guard])
    assert found is not None and found.code == "guard-error" and "KeyError" in found.reason


class TestCalendar:
    def refusal(self, at: str, **said: object) -> str:
        found = guards.calendar(facts(site=closed_on("2027-03-22", **said), now=stamp(at), steady=None))
        return found.reason if found else ""

    def test_by_hand_too_and_it_says_when_it_opens(self) -> None:
        said: dict[str, object] = {"timezone": "Europe/Paris", "hours": "09:00-16:00"}
        assert self.refusal("2027-03-21T23:00", **said) == (
            "the site's calendar says only mon, tue, wed, thu, fri, sat, sun, 09:00-16:00 Europe/Paris; "
            "it could begin again at Tue 2027-03-23 09:00 CET"
        )
        assert self.refusal("2027-03-28T06:00", **said).endswith("at Sun 2027-03-28 09:00 CEST")
        assert self.refusal("2027-03-23T08:00", **said) == ""

    def test_what_could_last_into_it_is_refused_before(self) -> None:
        """The deadline of the plan is 10 minutes, and it counts from the end of the baseline of 5 s."""
        late = self.refusal("2027-03-21T23:55")
        assert late.startswith("it may last until Mon 2027-03-22 00:05 UTC, and from Mon 2027-03-22 00:00 UTC on ")
        assert late.endswith("never closed 2027-03-22; it could begin again at Tue 2027-03-23 00:00 UTC")
        assert self.refusal("2027-03-21T23:49") == ""

    def test_what_never_opens_is_said_not_to(self) -> None:
        assert self.refusal("2027-03-23T09:00", only=[{"dates": ["2020-01-01"]}]).endswith("within five years")

    def test_nobody_begins_who_has_no_clock(self) -> None:
        found = first_refusal(facts(site=closed_on("2027-03-22")))
        assert found is not None and (found.guard, found.code) == ("calendar", "guard-error")

    def test_a_site_without_a_calendar_has_no_hours(self) -> None:
        assert guards.calendar(facts(site=site(disposable=True))) is None


class TestUsers:
    def refusal(self, planned: Planned, topology: Topology, users: int = 0) -> Refused | None:
        return guards.users(facts(planned=planned, topology=topology, site=site(disposable=True, users=users)))

    def test_who_is_reached_is_named(self) -> None:
        found = self.refusal(PAUSES_WORKER, IN_USE)
        assert found is not None
        assert found.reason == ("the servers of 1 people are behind what it breaks (ada); the site's policy allows 0")

    def test_as_many_as_the_policy_allows(self) -> None:
        both = clustered(user_pod("ada"), user_pod("bob"), user_pod("eve", "worker-002"))
        assert self.refusal(PAUSES_WORKER, both, users=2) is None
        assert self.refusal(PAUSES_WORKER, both, users=1) is not None

    def test_canaries_are_nobody(self) -> None:
        assert self.refusal(PAUSES_WORKER, clustered(user_pod("canary-1"))) is None

    def test_of_an_unknown_cluster_no_node_is_broken_and_no_pod(self) -> None:
        unknown = Topology((), cluster=None)
        found = self.refusal(PAUSES_WORKER, unknown)
        assert found is not None and found.code == "users-unknown"
        pod = planned(step("hub", target=Target(id="u", name="hub-1", kind="pod", role="hub")))
        assert self.refusal(pod, unknown) is not None
        assert self.refusal(planned(breaks("brick-001")), unknown) is None

    def test_of_an_adopted_site_any_vm_may_be_a_node(self) -> None:
        adopted = adopted_site(adopted={"kubeconfig": "/k"}, kubernetes={"control_plane": "worker"})
        about = {"topology": Topology((), cluster=None), "site": adopted}
        found = guards.users(facts(planned=planned(breaks("k8s-node-b", role="gpu")), **about))
        assert found is not None and found.code == "users-unknown" and "k8s-node-b" in found.reason
        assert guards.users(facts(planned=planned(local()), **about)) is None

    def test_a_site_without_a_cluster_has_none(self) -> None:
        assert guards.users(facts(planned=PAUSES_WORKER, topology=IN_USE, site=site(disposable=True))) is None


class TestDetails:
    def test_the_run_itself_is_no_debt(self) -> None:
        assert guards.undo_debt(facts(view=View(None, (open_run(RUN, "a", owes=True),)))) is None

    def test_a_run_that_has_just_ended_well_is_no_debt(self) -> None:
        assert guards.undo_debt(facts(view=View(None, (open_run("over", "b", owes=False, closed=True),)))) is None

    def test_a_living_run_is_no_debt(self) -> None:
        assert guards.undo_debt(facts(view=View(None, (open_run("now", "b", owes=True),)), alive={"now"})) is None

    def test_a_dead_run_is_one_even_without_an_intent(self) -> None:
        found = guards.undo_debt(facts(view=View(None, (open_run("dead", "b", owes=False),))))
        assert found is not None and "recover" in found.reason

    def test_another_target_is_unrelated(self) -> None:
        assert guards.related_run(facts(view=View(None, (open_run("now", "b", owes=True),)), alive={"now"})) is None

    def test_a_disposable_role_may_be_deleted(self) -> None:
        assert guards.lost_data(facts(planned=deletion("brick"), site=site(disposable=True))) is None

    @pytest.mark.parametrize(("backup", "refused"), [(30.0, False), (0.0, True)])
    def test_a_control_plane_whose_snapshots_are_kept_may_be_deleted(self, backup: float, refused: bool) -> None:
        cluster = Kubernetes(control_plane="brick", backup=backup)
        of_cluster = site(disposable=False).model_copy(update={"kubernetes": cluster})
        found = guards.lost_data(facts(planned=deletion("brick"), site=of_cluster))
        assert (found is not None) is refused

    def test_bricks_on_a_control_plane_are_lost_with_it_all_the_same(self) -> None:
        of_cluster = site(disposable=False).model_copy(update={"kubernetes": Kubernetes(control_plane="brick")})
        found = guards.lost_data(facts(planned=deletion("brick"), site=of_cluster, topology=UNHEALED))
        assert found is not None and "2 entries to heal" in found.reason

    def test_a_brick_may_be_deleted_while_another_holds_its_data(self) -> None:
        assert refusal_of_deletion(storage.site(volume())) == ""

    def test_an_arbiter_holds_none(self) -> None:
        arbiter = volume(arbiter="brick-002", offline="brick-003", sacrificial=True)
        assert "holds what no brick of homes/0 does" in refusal_of_deletion(storage.site(arbiter))

    def test_nor_does_one_that_the_same_run_breaks(self) -> None:
        pauses = [breaks(name) for name in ("brick-002", "brick-003")]
        found = refusal_of_deletion(storage.site(volume(sacrificial=True)), *pauses)
        assert "holds what no brick of homes/0 does" in found

    def test_nor_surely_one_that_is_not_healed(self) -> None:
        assert "2 entries to heal" in refusal_of_deletion(UNHEALED)

    def test_of_an_unknown_layout_nothing_is_deleted(self) -> None:
        unknown = dataclasses.replace(storage.site(volume()), volumes=None)
        assert "is not disposable" in refusal_of_deletion(unknown)

    def test_every_volume_counts(self) -> None:
        alone = volume("exams", ("brick-001",), 1, sacrificial=True)
        assert "exams/0" in refusal_of_deletion(storage.site(volume(), alone))

    def test_a_sacrificial_volume_may_lose_its_quorum(self) -> None:
        two = planned(breaks("brick-001", volume="scratch"), breaks("brick-002", volume="scratch"))
        both = storage.site(volume(), volume("scratch", sacrificial=True))
        assert guards.blast_radius(facts(planned=two, topology=both)) is None

    def test_one_that_shares_its_machines_may_not(self) -> None:
        two = planned(breaks("brick-001"), breaks("brick-002"))
        both = storage.site(volume(), volume("scratch", sacrificial=True))
        found = guards.blast_radius(facts(planned=two, topology=both))
        assert found is not None
        assert found.reason == (
            "homes/0 would keep 1 of 3 bricks, 2 are needed: brick-001 (this run), brick-002 (this run)"
        )

    def test_of_a_sacrificial_volume_the_backlog_counts_all_the_same(self) -> None:
        scratch = storage.site(volume("scratch", sacrificial=True, backlog=("1 entry to heal",)))
        found = guards.backlog(facts(planned=planned(breaks("brick-001")), topology=scratch))
        assert found is not None
        assert found.reason == "volume scratch has not recovered yet: 1 entry to heal"

    def test_what_another_run_has_reserved_is_down(self) -> None:
        view = View(None, (storage.other_run(breaks("brick-002"), name="now"),))
        about = facts(planned=planned(breaks("brick-001")), topology=storage.site(volume()), view=view)
        found = guards.blast_radius(about)
        assert found is not None and "brick-002 (run now)" in found.reason

    def test_so_is_what_was_seen_whole_since_the_site_was_looked_at(self) -> None:
        view = View(None, (storage.other_run(breaks("brick-002"), whole=True),))  # verified at 1.0
        about = facts(planned=planned(breaks("brick-001")), topology=storage.site(volume()), view=view)
        assert guards.blast_radius(dataclasses.replace(about, looked_at=2.0)) is None
        assert guards.blast_radius(dataclasses.replace(about, looked_at=0.5)) is not None

    def test_what_this_run_has_reserved_is_not_another_s(self) -> None:
        view = View(None, (storage.other_run(breaks("brick-001"), breaks("brick-002"), name=RUN),))
        about = facts(planned=planned(breaks("brick-001")), topology=storage.site(volume()), view=view)
        assert guards.blast_radius(about) is None

    def test_a_volume_that_is_not_touched_may_heal(self) -> None:
        both = storage.site(volume(backlog=("1 entry to heal",)), volume("scratch", sacrificial=True))
        assert guards.backlog(facts(planned=planned(breaks("brick-001", volume="scratch")), topology=both)) is None

    @pytest.mark.parametrize("guard", [guards.blast_radius, guards.backlog])
    @pytest.mark.parametrize(
        "topology",
        [ONE_PAUSED, storage.site(volume(offline="brick-001", unknown="brick-002", backlog=("much",)))],
    )
    def test_a_vm_without_bricks_is_not_their_business(self, guard: Guard, topology: Topology) -> None:
        worker = planned(breaks("worker-001", role="worker"))
        assert guard(facts(planned=worker, topology=topology, site=site(disposable=False, stored=True))) is None

    def test_of_an_unknown_layout_no_machine_that_may_carry_bricks_is_broken(self) -> None:
        unknown = dataclasses.replace(storage.site(volume()), volumes=None)
        about = {"topology": unknown, "site": site(disposable=False, stored=True)}
        found = guards.blast_radius(facts(planned=planned(breaks("brick-001")), **about))
        assert found is not None and found.code == "blast-radius-unknown" and "brick-001" in found.reason
        assert guards.blast_radius(facts(planned=planned(breaks("worker-001", role="worker")), **about)) is None
        cut = breaks("worker-001", "net.partition", role="worker").model_copy(update={"options": {"everyone": True}})
        with_bricks = dataclasses.replace(facts(planned=planned(cut)), **about)
        found = guards.blast_radius(with_bricks)
        assert found is not None and "brick-001 may carry bricks" in found.reason
        assert guards.blast_radius(facts(**about)) is None, "what is broken is no machine of the site"

    def test_of_an_adopted_site_any_vm_may_carry_bricks(self) -> None:
        unknown = dataclasses.replace(storage.site(volume()), volumes=None)
        about = {"topology": unknown, "site": adopted_site()}
        found = guards.blast_radius(facts(planned=planned(breaks("gluster03", role="archive")), **about))
        assert found is not None and found.code == "blast-radius-unknown" and "gluster03" in found.reason
        pod = step("hub", target=Target(id="u", name="hub-1", kind="pod", role="hub"))
        assert guards.blast_radius(facts(planned=planned(pod, local()), **about)) is None

    def test_at_admission_the_site_is_looked_at_again(self) -> None:
        early = facts(planned=planned(breaks("brick-001")), topology=storage.site(volume()), steady=None)
        assert first_refusal(early) is None
        found = first_refusal(early.at_admission(Steady(True), UNHEALED, 0.0))
        assert found is not None and found.code == "backlog"

    def test_before_the_baseline_the_steady_state_is_no_question(self) -> None:
        assert guards.steady_state(facts(steady=None)) is None

    def test_no_data_is_no_steady_state(self) -> None:
        found = guards.steady_state(facts(steady=Steady(None, "steady-state-unknown", "nothing answers")))
        assert found is not None and found.code == "steady-state-unknown"

    def test_too_few(self) -> None:
        target = Target(id="a", name="a")
        found = guards.targets(facts(chosen=(Chosen((target,), (), (), 2),)))
        assert found is not None and found.code == "too-few-targets"


def test_answers_names_every_guard() -> None:
    assert [name for name, _ in guards.answers(facts())] == [g.__name__.replace("_", " ") for g in GUARDS]


FROZEN = breaks("worker-001", role="worker")


class TestLastMember:
    def refusal(self, plan: Planned | None = None, **changes: object) -> Refused | None:
        return guards.last_member(facts(**{"planned": plan or planned(FROZEN), "site": BALANCED} | changes))

    def test_another_that_answers_is_enough(self) -> None:
        assert self.refusal(topology=fronted("worker-001", "worker-002")) is None

    @pytest.mark.parametrize("fault", ["lb.member", "vm.pause", "vm.stop", "vm.delete"])
    def test_whatever_takes_it_away(self, fault: str) -> None:
        taken = breaks("worker-001", fault=fault, role="worker")
        found = self.refusal(planned(taken), topology=fronted("worker-001", worker_002="ERROR"))
        assert found and "worker-001 (this run)" in found.reason

    def test_a_drained_node_still_passes_users_on(self) -> None:
        drained = planned(breaks("worker-001", fault="node.drain", role="worker"))
        assert self.refusal(drained, topology=fronted("worker-001")) is None

    def test_all_of_its_own_targets_count(self) -> None:
        both = planned(FROZEN, breaks("worker-002", fault="lb.member", role="worker"))
        assert self.refusal(both, topology=fronted("worker-001", "worker-002"))

    def test_what_another_run_holds_counts_until_it_is_whole(self) -> None:
        around = fronted("worker-001", "worker-002")
        held = breaks("worker-002", fault="lb.member", role="worker")
        assert self.refusal(topology=around, view=View(None, (other_run(held),)))
        assert self.refusal(topology=around, view=View(None, (other_run(held, admitted=False),))) is None
        assert self.refusal(topology=around, view=View(None, (other_run(held, whole=True),))) is None

    def test_a_member_whose_vm_does_not_run_is_none(self) -> None:
        around = fronted("worker-001", "worker-002")
        paused = dataclasses.replace(
            around, vms=tuple(dataclasses.replace(vm, status="PAUSED") if vm.name == "worker-002" else vm
                              for vm in around.vms),
        )  # fmt: skip
        assert self.refusal(topology=paused)

    def test_what_is_no_member_matters_not(self) -> None:
        assert self.refusal(planned(breaks("brick-001")), topology=fronted("worker-001")) is None
        assert self.refusal(planned(breaks("brick-001")), topology=fronted(worker_001="ERROR")) is None

    def test_a_sacrificial_one_may_lose_it(self) -> None:
        site = BALANCED.model_copy(update={"lbaas": Lbaas(sacrificial=True)})
        assert self.refusal(topology=fronted("worker-001"), site=site) is None

    def test_where_octavia_does_not_answer_no_worker_is_broken(self) -> None:
        unknown = dataclasses.replace(fronted("worker-001"), front=None)
        found = self.refusal(topology=unknown)
        assert found and found.code == "last-member-unknown"
        assert self.refusal(planned(breaks("brick-001")), topology=unknown) is None

    def test_nobody_loses_a_server_by_a_member_that_is_disabled(self) -> None:
        disabled = planned(breaks("worker-001", fault="lb.member", role="worker"))
        assert guards.users(facts(planned=disabled, topology=IN_USE, site=site(disposable=True, users=0))) is None
