"""The parts of a report about the site: whom and what the plan reached, how the site was found, what it is."""

from __future__ import annotations

from pydantic import JsonValue

from chaosjc.journal.events import Context, Entry, Fact, Reached
from chaosjc.report.data import run_object
from chaosjc.report.html import html
from chaosjc.report.words import NONE
from tests.unit.report import journals
from tests.unit.report.test_html import Page
from tests.unit.report.test_observed import section

REACHED = (
    Reached(kind="users", count=3),
    Reached(kind="pods", count=5, names=("jhub/hub", "jhub/proxy")),
    Reached(kind="replica sets", unknown="the site does not tell"),
)
FACTS = (
    Fact(name="VMs of role worker", expected="2 ACTIVE", observed="2 ACTIVE"),
    Fact(name="volume homes: network.ping-timeout", expected="2", observed="42"),
    Fact(name="nodes of role worker", expected="2 Ready"),
)


def run(**changes: object) -> list[Entry]:
    journal = journals.measured(journals.begin(journals.planned(**changes)))
    return journals.recover(journals.undo(journal)).closed(42.5)


def shown(id: str, **changes: object) -> Page:
    return Page(section(html(run(**changes)), id))


def test_blast_radius() -> None:
    text = shown("reached", reached=REACHED).text
    assert "targets1 of 2worker-001" in text
    assert "users3not named" in text
    assert "pods5jhub/hub, jhub/proxy, 3 more" in text
    assert f"replica sets{NONE}not known: the site does not tell" in text
    assert not section(html(run()), "reached")


def test_what_differs_comes_first_and_is_marked_not_by_colour_alone() -> None:
    page = shown("facts", facts=FACTS)
    assert "1 of 3 are not as the site file says; 1 could not be looked at." in page.text
    assert "✗ differsvolume homes: network.ping-timeout242? not known" in page.text
    assert page.text.rstrip().endswith("✓ VMs of role worker2 ACTIVE")
    assert not section(html(run()), "facts")


def test_all_as_it_should_be() -> None:
    more = [Fact(name=f"volume homes: {name}", expected="1", observed="1") for name in ("a", "b")]
    page = shown("facts", facts=(FACTS[0], *more))
    assert page.text.startswith("The site as it was foundAll is as the site file says.")
    assert page.text.endswith("✓ VMs of role worker2 ACTIVE✓ volume homesa 1; b 1")
    assert page.count("span", "violated") == 0


def test_both_are_in_the_run_as_data() -> None:
    found = run_object(run(reached=REACHED, facts=FACTS))
    assert found["reached"][0] == {"kind": "users", "count": 3, "names": [], "unknown": None}
    assert found["reached"][2]["count"] is None
    assert [each["as_expected"] for each in found["facts"]] == [True, False, None]
    assert found["facts"][2]["observed"] is None
    old = run_object(run())
    assert (old["reached"], old["facts"]) == ([], []), "as of a journal from before there were any"


SITE: JsonValue = {
    "environment": "lab", "cloud": "chaosjc-lab", "kubernetes": {"version": "v1.34.4"},
    "hub": {"chart": "", "values": {"DummyAuthenticator": {"password": "swordfish"}}},
    "storage": {"volumes": {"homes": {"replica": 3, "arbiter": 1, "distribute": 2}, "scratch": {"replica": 3}}},
}  # fmt: skip


def test_environment() -> None:
    context = Context(
        version="1.2.3", python="3.11.2", kernel="Linux 6.1", commit="c0ffee", directory="/srv/x", site=SITE,
        environment={"OS_CLIENT_CONFIG_FILE": "/etc/clouds.yaml"},
    )  # fmt: skip
    page = shown("repeat", context=context)
    for told in (
        "Python3.11.2", "KernelLinux 6.1", "Directory/srv/x", "Commitc0ffee", "Environmentlab", "Cloudchaosjc-lab",
        "Kubernetesv1.34.4", "Chartchaosjc's own", "OS_CLIENT_CONFIG_FILE/etc/clouds.yaml",
        "Volumeshomes (replica 3, arbiter 1, distributed over 2), scratch (replica 3)",
    ):  # fmt: skip
        assert told in page.text
    assert "cd /srv/x && OS_CLIENT_CONFIG_FILE=/etc/clouds.yaml chaosjc run" in page.text
    assert "it may draw others" in page.text
    assert "swordfish" not in html(run(context=context)), "the site file may hold secrets"


def test_of_a_run_without_a_site_there_is_no_site() -> None:
    text = shown("repeat", context=Context(version="1.2.3"), site="").text
    assert "chaosjc1.2.3" in text
    assert "Volumes" not in text
    assert "Chart" not in text
