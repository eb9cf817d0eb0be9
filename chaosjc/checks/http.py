"""`http`: what a web service answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from chaosjc.checks.entry import CheckEntry, Names, mapping, text
from chaosjc.checks.sources import Sources, need
from chaosjc.journal.events import CheckPlan, Reading
from chaosjc.spec import expect
from chaosjc.spec.expect import Expectation

BODY = 2000  # characters of a body that are kept as a value


class HttpCheck(CheckEntry):
    """The status code, or with a text expectation (`matches RE`) the body; redirects are answers, not followed."""

    http: str = Field(pattern=r"^https?://[^/\s]+")
    """The URL."""
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] = "GET"
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    """Written to the journal as they are: no place for secrets."""
    expect: Expectation = expect.parse("== 200")

    @property
    def kind(self) -> str:
        """See CheckEntry."""
        return "http"

    def title(self, names: Names) -> str:
        """See CheckEntry."""
        return f"{self.method} {names.fill(self.http)}"

    def options(self, names: Names) -> dict[str, JsonValue]:
        """See CheckEntry."""
        return {"url": names.fill(self.http), "method": self.method, "headers": dict(self.headers)}


def ask(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """One reading, at the time of the answer: what was asked before a fault may be answered by it."""
    client, headers = need(sources.http, "HTTP client"), mapping(plan, "headers")
    answer = client.fetch(text(plan, "method"), text(plan, "url"), headers, plan.timeout)
    by_body = expect.of_plan(plan.expect).kind == "text"
    return (Reading(time=sources.clock.time(), value=answer.body[:BODY] if by_body else float(answer.status)),)
