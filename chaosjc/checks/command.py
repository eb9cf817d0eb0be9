"""`command`: what a program says, here or on a VM of the site."""

from __future__ import annotations

from pydantic import Field, JsonValue, field_validator

from chaosjc.checks.entry import CheckEntry, Names, text, texts
from chaosjc.checks.sources import Sources, need
from chaosjc.drivers.command import Completed
from chaosjc.errors import RemoteError
from chaosjc.journal import clear
from chaosjc.journal.events import CheckPlan, Reading
from chaosjc.spec import expect
from chaosjc.spec.expect import Expectation

OUTPUT = 2000  # characters of output that are kept as a value


class CommandCheck(CheckEntry):
    """The exit code, or with a text expectation (`matches RE`) the output of a program that ends with 0."""

    command: tuple[str, ...] = Field(min_length=1)
    """Program and arguments; no shell reads them."""
    host: str | None = Field(default=None, min_length=1)
    """A VM of the site to run it on, over SSH; else it runs here."""
    expect: Expectation = expect.parse("== 0")

    @field_validator("command")
    @classmethod
    def _no_secrets(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        return clear.refuse_argv(argv)

    @property
    def kind(self) -> str:
        """See CheckEntry."""
        return "command"

    def title(self, names: Names) -> str:
        """See CheckEntry."""
        where = f" on {self.host}" if self.host else ""
        return " ".join(map(names.fill, self.command))[:100] + where

    def options(self, names: Names) -> dict[str, JsonValue]:
        """See CheckEntry."""
        return {"argv": [names.fill(word) for word in self.command], "host": self.host or ""}


def ask(plan: CheckPlan, sources: Sources) -> tuple[Reading, ...]:
    """One reading, at the time of the answer."""
    argv, host = texts(plan, "argv"), text(plan, "host")
    if host:
        done = need(sources.ssh, "SSH configuration").run(host, argv, timeout=plan.timeout, check=False)
    else:
        done = sources.run(argv, timeout=plan.timeout, check=False)
    return (Reading(time=sources.clock.time(), value=_value(plan, done)),)


def _value(plan: CheckPlan, done: Completed) -> float | str:
    if expect.of_plan(plan.expect).kind == "number":
        return float(done.returncode)
    if done.returncode:
        raise RemoteError(f"exit code {done.returncode}: {(done.stderr or done.stdout).strip()[:200]}")
    return done.stdout.strip()[:OUTPUT]
