"""What Keystone says of the credentials in use: what they are, until when they hold, and what they may not do.

No service tells what its policy would allow (oslo.policy is asked by doing). What can be known is the token's roles and
the access rules of an application credential.
"""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TOKENS = ("token", "v2token", "v3token", "admin_token", "v3oidcaccesstoken")
"""Kinds of `auth_type` that hand on a token that they were given: no other can be had with it for longer."""
READER = "reader"
"""Keystone's own role that may look and do nothing (its `secure RBAC` personas)."""


@dataclass(frozen=True)
class CloudAccess:
    """`until` in seconds since 1970 UTC; None where it does not end, or nobody tells. `rules` None where none limit it.

    `rules` are (method, path) pairs of an application credential: nothing but these is allowed.
    """

    name: str
    until: float | None = None
    roles: tuple[str, ...] = ()
    rules: tuple[tuple[str, str], ...] | None = None

    def lacks(self, needed: Sequence[tuple[str, str]]) -> tuple[str, ...]:
        """Which of these requests (`POST`, `/servers/UUID/action`) are surely refused, in words."""
        if self.roles and set(self.roles) == {READER}:
            return ("its only role is reader",)
        rules = self.rules
        if rules is None:
            return ()
        return tuple(
            f"its access rules have no {method} {path}"
            for method, path in needed
            if not any(method == each and _fits(pattern, path) for each, pattern in rules)
        )


def of_connection(connection: Any) -> CloudAccess:
    """Of the project that a connection of openstacksdk is logged in to; raises what that raises."""
    access = connection.session.auth.get_access(connection.session)
    roles = tuple(access.role_names or ())
    if str(connection.config.config.get("auth_type") or "") in TOKENS:
        return CloudAccess("the token", _seconds(access.expires), roles)
    if credential := getattr(access, "application_credential_id", None):
        name = access.application_credential.get("name") or credential
        until = _credential_end(connection, access.user_id, credential)
        return CloudAccess(f"application credential {name}", until, roles, _rules(access))
    return CloudAccess("the password", _seconds(_password_end(access)), roles)


def _rules(access: Any) -> tuple[tuple[str, str], ...] | None:
    """The token has them: a credential that they limit may, most often, not read itself."""
    found = access.application_credential_access_rules
    return None if found is None else tuple((str(each["method"]), str(each["path"])) for each in found)


def _credential_end(connection: Any, user: str, credential: str) -> float | None:
    """The token does not have it, and ends by itself long before. None also where Keystone does not let it be read."""
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException

    with contextlib.suppress(SDKException, ClientException):
        return _seconds(connection.identity.get_application_credential(user, credential).expires_at)
    return None


def _password_end(access: Any) -> Any:
    """keystoneauth has no name for it."""
    token: dict[str, Any] = access._data.get("token") or {}
    user: dict[str, Any] = token.get("user") or {}
    return user.get("password_expires_at")


def _seconds(at: Any) -> float | None:
    """Keystone leaves the zone out, and means UTC."""
    if at is None or at == "":
        return None
    found = at if isinstance(at, datetime.datetime) else datetime.datetime.fromisoformat(str(at).replace("Z", "+00:00"))
    return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp()


def _fits(pattern: str, path: str) -> bool:
    """As keystonemiddleware reads it: `*` and `{name}` are one part of a path, `**` any number.

    A rule says the whole path, and where a cloud has its services is not known here: before it may be a version.
    """
    parts = re.split(r"(\*\*|\*|\{[^}]*\})", pattern)
    words = {"**": ".*", "*": "[^/]+"}
    regex = "".join(words.get(part, "[^/]+" if part.startswith("{") else re.escape(part)) for part in parts)
    return any(re.fullmatch(regex, f"{version}{path}") for version in ("", "/v2.1", "/compute/v2.1"))
