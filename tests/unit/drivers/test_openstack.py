"""Errors, waiting and reading; what real clouds answer is tested in tests/contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from keystoneauth1.exceptions import ConnectFailure
from openstack import exceptions

from chaosjc.drivers import openstack_values as values
from chaosjc.drivers.openstack import Cloud, NotFound
from chaosjc.drivers.openstack_files import CloudFiles
from chaosjc.drivers.openstack_sightings import Sightings
from chaosjc.drivers.openstack_values import RuleSpec, Server
from chaosjc.errors import RemoteError
from tests.unit.fakes import FakeClock
from tests.unit.site.fakes import FakeCloud


class Refusing:
    """A service proxy whose every call raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def call(*_: object, **__: object) -> None:
            raise self._error

        return call


def cloud(error: Exception) -> Cloud:
    service = Refusing(error)
    return Cloud(SimpleNamespace(compute=service, network=service, image=service), "academic", FakeClock())


def test_what_is_gone_is_told_apart() -> None:
    with pytest.raises(NotFound, match="cloud academic: server 1234: No such instance"):
        cloud(exceptions.NotFoundException("No such instance")).server("1234")


@pytest.mark.parametrize("error", [exceptions.HttpException("quota exceeded"), ConnectFailure("quota exceeded")])
def test_errors_say_which_cloud_was_asked_for_what(error: Exception) -> None:
    with pytest.raises(RemoteError, match="cloud academic: pause server 1234: quota exceeded") as caught:
        cloud(error).pause_server("1234")
    assert not isinstance(caught.value, NotFound)
    assert "openstack --os-cloud academic" in caught.value.hint


def test_a_cloud_without_routers_has_none() -> None:
    empty = cloud(exceptions.NotFoundException("The resource could not be found."))
    assert (empty.routers(), empty.floating_addresses()) == ((), ())


def test_an_unknown_cloud_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clouds.yaml").write_text("clouds: {}\n")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    with pytest.raises(RemoteError, match="cloud nowhere") as caught:
        Cloud.connect("nowhere")
    assert caught.value.hint == f"clouds.yaml: {tmp_path / 'clouds.yaml'}"
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
    with pytest.raises(RemoteError) as caught:
        Cloud.connect("nowhere")
    assert caught.value.hint == "clouds.yaml: $OS_CLIENT_CONFIG_FILE, ., or ~/.config/openstack"


def test_a_cloud_that_is_all_variables_is_still_read_from_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in no file, whatever its journal says of files."""
    for key, value in {
        "auth_url": "https://x:5000",
        "username": "ada",
        "password": "p",
        "project_name": "ours",
    }.items():
        monkeypatch.setenv(f"OS_{key.upper()}", value)
    found = CloudFiles({"OS_CLIENT_CONFIG_FILE": "/nowhere"}, "/srv").entry("envvars", 5.0)
    assert found.config["auth"]["project_name"] == "ours"


class Changing(FakeCloud):
    """A cloud in which the server goes from one given state to the next with each look."""

    def __init__(self, *states: Server) -> None:
        super().__init__(FakeClock())
        self._states = list(states)

    def server(self, uuid: str) -> Server:
        found = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if found.status == "gone":
            raise NotFound(uuid)
        return found


ONE = Server("1", "worker-001", "ACTIVE")


def test_waiting_ends_when_no_task_is_under_way() -> None:
    pausing = replace(ONE, status="PAUSED", task_state="pausing")
    paused = replace(ONE, status="PAUSED")
    assert Changing(ONE, pausing, paused).wait_server("1", lambda now: now.status == "PAUSED") == paused


def test_waiting_is_bounded_and_says_what_it_saw() -> None:
    stopping = replace(ONE, task_state="powering-off")
    with pytest.raises(RemoteError, match=r"worker-001: still ACTIVE, powering-off after 60 s"):
        Changing(stopping).wait_server("1", lambda now: now.status == "SHUTOFF", timeout=60)


def test_a_server_that_nova_gave_up_is_not_waited_for() -> None:
    with pytest.raises(RemoteError, match="worker-001 is in ERROR: No valid host"):
        Changing(replace(ONE, status="ERROR", fault="No valid host")).wait_server("1", lambda now: False)


def test_waiting_for_the_end_is_right_when_it_is_over() -> None:
    Changing(replace(ONE, task_state="deleting"), replace(ONE, status="gone")).wait_gone("1")
    Changing(replace(ONE, status="gone")).wait_gone("1")


class Busy(FakeCloud):
    """A cloud that counts what it is asked; of two servers, both are ACTIVE from the third look on."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.asked: list[str] = []

    def seen(self, question: str) -> str:
        self.asked.append(question)
        return "ACTIVE" if len(self.asked) > 2 else "BUILD"

    def server(self, uuid: str) -> Server:
        return replace(ONE, id=uuid, status=self.seen(uuid))

    def servers(self) -> tuple[Server, ...]:
        status = self.seen("all")
        return tuple(replace(ONE, id=uuid, status=status) for uuid in "12")


def test_several_that_wait_share_one_list_and_one_alone_asks_for_his() -> None:
    cloud = Busy()
    with cloud._sightings.waiting():  # pyright: ignore[reportPrivateUsage] - another one
        assert cloud.wait_server("2", lambda now: now.status == "ACTIVE").id == "2"
    assert cloud.asked == ["all", "all", "all"]
    cloud.asked.clear()
    cloud.wait_server("1", lambda now: now.status == "ACTIVE")
    assert cloud.asked == ["1", "1", "1"]


def test_nothing_is_believed_that_was_seen_before_the_wait() -> None:
    """A server that was asked to reboot a moment ago may have been listed a moment before that."""
    clock, states = FakeClock(), ["ACTIVE", "REBOOT"]
    sightings = Sightings(lambda uuid: ONE, lambda: (replace(ONE, status=states.pop(0)),), clock)
    with sightings.waiting() as first, sightings.waiting():
        assert first("1", 5.0).status == "ACTIVE"
        clock.sleep(0.1)
        with sightings.waiting() as later:
            assert later("1", 5.0).status == "REBOOT"
        assert first("1", 5.0).status == "REBOOT", "what was seen for another is as good"
        assert states == []


def test_one_that_the_list_does_not_have_is_asked_for() -> None:
    def gone(uuid: str) -> Server:
        raise NotFound(uuid)

    sightings = Sightings(gone, tuple, FakeClock())
    with sightings.waiting(), sightings.waiting() as look, pytest.raises(NotFound):
        look("1", 1.0)


def test_everywhere_has_one_spelling() -> None:
    raw = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    rules = {values.rule(raw | {"remote_ip_prefix": each}) for each in (None, "0.0.0.0/0")}
    assert rules == {RuleSpec("ingress", "IPv4", "tcp", 22, 22)}


def test_a_flavor_is_known_by_name_or_by_id() -> None:
    raw: dict[str, Any] = dict.fromkeys(("addresses", "fault", "image", "metadata", "created_at", "task_state"))
    raw |= {"id": "1", "name": "x", "status": "ACTIVE"}
    assert values.server(SimpleNamespace(**raw, flavor={"original_name": "m1"})).flavor == "m1"
    assert values.server(SimpleNamespace(**raw, flavor={"id": "42"})).flavor == "42"


def test_the_fake_cloud_never_falls_back_on_the_real_one() -> None:
    inherited = {"connect", "find_servers", "wait_server", "wait_gone"}
    public = {name for name in vars(Cloud) if not name.startswith("_")}
    assert public - inherited == {name for name in vars(FakeCloud) if not name.startswith("_")} & public
