"""The hub's database: made, or made again from its newest dump, and dumped by a worker; the hub begins anew with it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from chaosjc.drivers.ssh import Ssh
from chaosjc.site import secrets
from chaosjc.site.context import Context
from chaosjc.site.keys import PublicKeys
from chaosjc.site.model import SiteFile
from chaosjc.site.roles import Surroundings, database
from chaosjc.site.stages.database import DatabaseFacts, HubDatabase
from chaosjc.site.stages.hub import Hub, HubFacts
from tests.sites import cloud_file
from tests.unit.site.shell import FakeShell

SITE = SiteFile.restore(json.dumps(cloud_file()))
AROUND = Surroundings(PublicKeys("ssh-ed25519 U", "ssh-ed25519 H"), {})
CREATE = "hub database: create database hub"


@pytest.mark.parametrize(
    ("facts", "planned"),
    [
        (DatabaseFacts(), []),
        (DatabaseFacts(asked=True, there=True), []),
        (DatabaseFacts(asked=True), [f"{CREATE} (new, and empty)"]),
        (DatabaseFacts(asked=True, dump=60.0), [f"{CREATE} (from its dump of 1970-01-01T00:01:00.000Z)"]),
        (DatabaseFacts(asked=True, there=True, key=False), ["hub database: create key of dumps on worker-001"]),
    ],
)
def test_plan(facts: DatabaseFacts, planned: list[str]) -> None:
    assert [str(each) for each in HubDatabase().plan(SITE, facts)] == planned


def whole(context: Context, shell: FakeShell) -> Context:
    secrets.create(context.state.secrets)
    return replace(context, site=SITE, ssh=Ssh(context.state.ssh_config, shell))


class TestFacts:
    @pytest.mark.parametrize(
        ("answers", "found"),
        [
            ({"psql": "1\n", "stat -c %Y": "60\n"}, DatabaseFacts(True, True, 60.0, key=False)),
            ({"psql": "0\n"}, DatabaseFacts(True, False, None, key=False)),
            ({"psql": (2, "connection refused")}, DatabaseFacts()),
        ],
    )
    def test_server_and_worker_are_asked(
        self, context: Context, answers: dict[str, str | tuple[int, str]], found: DatabaseFacts
    ) -> None:
        assert HubDatabase().facts(whole(context, FakeShell(answers)), patient=False) == found

    def test_a_worker_that_has_the_key_is_seen(self, context: Context) -> None:
        shell = FakeShell({"psql": "1\n"})
        context = whole(context, shell)
        known = secrets.load(context.state.secrets)
        assert known
        facts = DatabaseFacts(asked=True, there=True, key=False)
        HubDatabase().apply(context, facts, HubDatabase().plan(SITE, facts))
        (gave,) = shell.ran
        assert (gave.host, gave.stdin) == ("worker-001", f"monitor:5432:hub:hub:{known.database}\n")
        assert "/etc/hub-dump/password" in gave.text
        digest = hashlib.sha256(gave.stdin.encode()).hexdigest()
        shell.answers["sha256sum < /etc/hub-dump/password"] = f"{digest}  -\n"
        assert HubDatabase().facts(context, patient=True).key


class TestMaking:
    def made(self, context: Context, dump: float | None) -> FakeShell:
        shell = FakeShell({"base64 -w0": "ZHVtcA=="})
        facts = DatabaseFacts(asked=True, dump=dump)
        HubDatabase().apply(whole(context, shell), facts, HubDatabase().plan(SITE, facts))
        return shell

    def test_it_gets_its_name_once_all_of_the_dump_is_in_it(self, context: Context) -> None:
        shell = self.made(context, 60.0)
        first, read, restored, last = shell.ran
        assert "alter role hub nologin password null" in first.stdin
        assert "create database hub_new owner hub" in first.stdin
        assert (read.host, read.words[-1]) == ("worker-001", "/srv/homes/hub-database/latest.sql.gz")
        assert (restored.host, restored.stdin) == ("monitor", "ZHVtcA==")
        assert "-d hub_new --single-transaction -c 'set role hub'" in restored.text
        assert last.stdin == "alter database hub_new rename to hub;"

    def test_without_a_dump_it_is_empty(self, context: Context) -> None:
        assert [each.host for each in self.made(context, None).ran] == ["monitor", "monitor"]


class TestHub:
    """Its account is what lets it in: it begins anew before that, in case the attempt ends between the two."""

    def test_a_hub_whose_account_is_made_begins_anew(self, context: Context) -> None:
        shell = FakeShell({})
        facts = HubFacts(asked=True, homes="711 root", revision=3)
        Hub().apply(whole(context, shell), facts, Hub().plan(SITE, facts))
        steps = (
            "--namespace jhub delete pods -l component=hub",
            "monitor: runuser -u postgres",
            "--namespace jhub rollout status deployment -l component=hub",
            "worker-001: systemctl start --no-block hub-dump.service",
        )
        assert [shell.position(each) for each in steps] == [0, 1, 2, 3]

    def test_a_hub_that_has_its_account_is_left_alone(self, context: Context) -> None:
        shell = FakeShell({})
        facts = HubFacts(asked=True, account=True, homes="777 root", revision=3)
        Hub().apply(whole(context, shell), facts, Hub().plan(SITE, facts))
        assert not shell.has_run("kubectl")


class TestDumps:
    def contents(self, name: str, site: SiteFile = SITE) -> dict[str, str]:
        machine = next(each for each in site.machines if each.name == name)
        found = database.contents(site, machine, AROUND)
        assert all(each.live for each in found.files if "dump" in each.path), "it is no new VM"
        return {each.path.rpartition("/")[2]: each.content for each in found.files}

    def test_the_first_worker_takes_them(self) -> None:
        assert set(self.contents("worker-001")) == {"hub-dump.service", "hub-dump.timer"}
        assert self.contents("worker-002") == self.contents("master") == {}
        assert "hub-dump.service" not in self.contents("monitor")

    def test_they_are_on_the_homes_volume_or_nowhere(self) -> None:
        unit = self.contents("worker-001")["hub-dump.service"]
        assert "ConditionPathIsMountPoint=/srv/homes\n" in unit
        assert "install -d -m 0700 /srv/homes/hub-database\n" in unit
        assert "--no-password --no-owner --no-acl" in unit

    def test_a_site_without_backups_has_none(self) -> None:
        raw = cloud_file()
        raw["kubernetes"]["backup"] = "0s"
        assert self.contents("worker-001", SiteFile.restore(json.dumps(raw))) == {}
