"""What Keystone tells of credentials, and what is made of it: never more than is sure."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from keystoneauth1 import access as keystone
from keystoneauth1.exceptions import Unauthorized
from openstack import exceptions

from chaosjc.drivers.openstack import Cloud
from chaosjc.drivers.openstack_access import CloudAccess
from chaosjc.errors import RemoteError
from tests.unit.fakes import FakeClock

END = datetime.datetime(2027, 1, 1, 12, tzinfo=datetime.UTC)
ACTION = ("POST", "/servers/0c1f/action")


def access(kind: str = "password", made: Any = None, user: dict[str, Any] | None = None, *roles: str) -> CloudAccess:
    """Of a login of that `auth_type`; `made` is its application credential."""
    said = {
        "expires_at": "2027-01-01T12:00:00.000000Z",
        "roles": [{"id": each, "name": each} for each in roles or ("member", "reader")],
        "user": {"id": "u", "name": "ada", **(user or {})},
        **({"application_credential": made.told} if made else {}),
    }
    token = cast("Any", keystone).create(body={"token": said}, auth_token="secret")
    return logged_in(token, made and made.get, kind).access()


def logged_in(token: Any, get_credential: Any, kind: str = "") -> Cloud:
    def get_access(_: object) -> Any:
        return token

    connection = SimpleNamespace(
        session=SimpleNamespace(auth=SimpleNamespace(get_access=get_access)),
        config=SimpleNamespace(config={"auth_type": kind}),
        identity=SimpleNamespace(get_application_credential=get_credential),
    )
    return Cloud(connection, "academic", FakeClock())


class Application:
    """A credential: what the token tells of it, and how it is read, for which its own rules hold too."""

    def __init__(
        self, expires: str | None = None, rules: list[dict[str, str]] | None = None, refusal: Exception | None = None
    ) -> None:
        self.told = {"id": "ac", "name": "chaosjc", "restricted": True} | ({"access_rules": rules} if rules else {})
        self._expires, self._refusal = expires, refusal

    def get(self, user: str, credential: str) -> SimpleNamespace:
        assert (user, credential) == ("u", "ac")
        if self._refusal:
            raise self._refusal
        return SimpleNamespace(expires_at=self._expires)


def rules(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"service": "compute", "method": method, "path": path} for method, path in pairs]


def test_a_token_that_was_handed_over_ends_when_it_does() -> None:
    assert (access("v3token").name, access("token").until) == ("the token", END.timestamp())


def test_one_that_is_fetched_anew_does_not_count() -> None:
    assert access("password").until is None


def test_a_password_may_have_to_be_changed() -> None:
    assert access(user={"password_expires_at": "2027-01-01T12:00:00.000000"}).until == END.timestamp()
    assert access(user={"password_expires_at": None}).until is None


@pytest.mark.parametrize("expires", ["2027-01-01T12:00:00.000000", "2027-01-01T12:00:00Z"])
def test_an_application_credential_may_end(expires: str) -> None:
    found = access("v3applicationcredential", Application(expires))
    assert (found.name, found.until) == ("application credential chaosjc", END.timestamp())
    assert access("v3applicationcredential", Application()).until is None


def test_who_may_only_look_cannot_put_anything_back() -> None:
    assert access("password", None, None, "reader").lacks([ACTION]) == ("its only role is reader",)
    assert access("password", None, None, "reader", "operators-of-ours").lacks([ACTION]) == ()


@pytest.mark.parametrize(
    ("pairs", "lacking"),
    [
        (None, False),
        ([("POST", "/v2.1/servers/*/action")], False),
        ([("POST", "/v2.1/servers/{server_id}/action")], False),
        ([("POST", "/v2.1/**")], False),
        ([("POST", "/servers/0c1f/action")], False),
        ([("GET", "/v2.1/servers/*/action")], True),
        ([("POST", "/v2.1/servers/*")], True),
        ([("POST", "/v2.1/servers"), ("DELETE", "/v2.1/servers/*")], True),
    ],
)
def test_access_rules_are_all_that_is_allowed(pairs: list[tuple[str, str]] | None, lacking: bool) -> None:
    found = access("v3applicationcredential", Application(rules=rules(*pairs or ()))).lacks([ACTION])
    assert found == (("its access rules have no POST /servers/0c1f/action",) if lacking else ())


@pytest.mark.parametrize(
    "refusal", [exceptions.ForbiddenException("no"), exceptions.HttpException("401"), Unauthorized("no")]
)
def test_a_credential_that_may_not_read_itself_is_known_by_its_token(refusal: Exception) -> None:
    """Its own rules are what forbids it: of all credentials, that one must not pass unseen."""
    limited = Application(END.isoformat(), rules(("GET", "/v2.1/servers"), ("DELETE", "/v2.1/servers/*")), refusal)
    found = access("v3applicationcredential", limited)
    assert (found.name, found.until) == ("application credential chaosjc", None)
    assert found.lacks([ACTION]) == ("its access rules have no POST /servers/0c1f/action",)
    may_look = access("v3applicationcredential", Application(refusal=refusal), None, "reader")
    assert may_look.lacks([ACTION]) == ("its only role is reader",)


def test_a_keystone_that_gives_no_token_is_told() -> None:
    def refuse(_: object) -> None:
        raise Unauthorized("no")

    cloud = Cloud(SimpleNamespace(session=SimpleNamespace(auth=SimpleNamespace(get_access=refuse))), "academic")
    with pytest.raises(RemoteError, match="cloud academic: its credentials"):
        cloud.access()
