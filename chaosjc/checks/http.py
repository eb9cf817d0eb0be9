"""`http`: what a web service answers."""

from __future__ import annotations

from typing import Literal, cast
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, field_validator

from chaosjc.checks.entry import CheckEntry, Names, mapping, text
from chaosjc.checks.sources import Sources, need
from chaosjc.errors import RemoteError
from chaosjc.journal import clear
from chaosjc.journal.events import CheckPlan, Reading
from chaosjc.journal.redact import hide
from chaosjc.spec import expect
from chaosjc.spec.expect import Expectation
from chaosjc.spec.secret import SecretSource

BODY = 2000  # characters of a body that are kept as a value


class SecretHeader(SecretSource):
    """No more than where a header's secret lies is kept of it."""

    prefix: str = ""
    """What stands before it, such as `Bearer ` with its space."""


class HttpCheck(CheckEntry):
    """The status code, or with a text expectation (`matches RE`) the body; redirects are answers, not followed."""

    http: str = Field(pattern=r"^https?://[^/\s]+")
    """The URL."""
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] = "GET"
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    """Kept in the journal as they are."""
    secret_headers: dict[str, SecretHeader] = Field(default_factory=dict[str, SecretHeader])
    """Such as nobody may read later: of each only where its secret lies is kept."""
    expect: Expectation = expect.parse("== 200")

    @field_validator("http")
    @classmethod
    def _a_url(cls, url: str) -> str:
        try:
            _ = urlsplit(url).port
        except ValueError as error:
            raise ValueError(f"no URL: {error}") from None
        return url

    @field_validator("http")
    @classmethod
    def _no_secret(cls, url: str) -> str:
        if what := clear.in_url(url):
            raise ValueError(f"{what} would be kept in the journal: send it by `secret_headers`")
        return url

    @field_validator("headers")
    @classmethod
    def _no_secrets(cls, headers: dict[str, str]) -> dict[str, str]:
        if wrong := next((name for name, value in headers.items() if clear.header(name, value)), ""):
            raise ValueError(f"{wrong} would be kept in the journal: say where it lies, under `secret_headers`")
        return headers

    @property
    def kind(self) -> str:
        """See CheckEntry."""
        return "http"

    def title(self, names: Names) -> str:
        """See CheckEntry."""
        return f"{self.method} {names.fill(self.http)}"

    def options(self, names: Names) -> dict[str, JsonValue]:
        """See CheckEntry."""
        found: dict[str, JsonValue] = {
            "url": names.fill(self.http),
            "method": self.method,
            "headers": dict(self.headers),
        }
        if self.secret_headers:
            found["secret_headers"] = {name: each.model_dump() for name, each in self.secret_headers.items()}
        return found


def ask(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """One reading, at the time of the answer: what was asked before a fault may be answered by it."""
    client, secrets, sent = need(sources.http, "HTTP client"), dict[str, str](), mapping(plan, "headers")
    for name, source in cast("dict[str, object]", plan.options.get("secret_headers") or {}).items():
        header = SecretHeader.model_validate(source)
        secrets[name] = _read(header)
        sent[name] = header.prefix + secrets[name]
    try:
        answer = client.fetch(text(plan, "method"), text(plan, "url"), sent, plan.timeout)
    except RemoteError as error:
        raise RemoteError(hide(error.message, secrets)) from None
    by_body = expect.of_plan(plan.expect).kind == "text"
    value = hide(answer.body, secrets)[:BODY] if by_body else float(answer.status)
    return (Reading(time=sources.clock.time(), value=value),)


def _read(header: SecretHeader) -> str:
    """Raises RemoteError where there is none."""
    try:
        found = header.read()
    except ValueError as error:
        raise RemoteError(str(error)) from None
    if not found.strip():
        raise RemoteError(f"no secret is in ${header.env}")
    return found
