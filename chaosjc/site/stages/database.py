"""Stage hub database: the database itself, new or from its newest dump, and the key with which dumps are taken.

The hub's account is stage hub's. A database that is new has an account that lets nobody in: so stage hub sees that it
has to make it, and begins the hub anew, which makes its tables, or reads who there is, only when it starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chaosjc.clock import rfc3339
from chaosjc.errors import RemoteError, StageError
from chaosjc.site import secrets
from chaosjc.site.change import Change
from chaosjc.site.context import Context
from chaosjc.site.model import MONITOR, SiteFile
from chaosjc.site.roles import backup, database
from chaosjc.site.sections import Hub
from chaosjc.site.stages import tokens
from chaosjc.site.stages.base import KUBECTL, Stage, run_on
from chaosjc.spec.scalars import format_duration

STAGE = "hub database"
ASK, STEP, READY = 30.0, 120.0, 120.0  # seconds for a question, for a restore, and for a hub that begins anew

_PSQL = ("runuser", "-u", "postgres", "--", "psql", "--host=/run/postgresql", "-qAtX", "-v", "ON_ERROR_STOP=1")
_IS_THERE = "select count(*) from pg_database where datname = 'hub'"
_NEW = """\
select 'create role hub' where not exists (select from pg_roles where rolname = 'hub') \\gexec
alter role hub nologin password null;
drop database if exists hub_new;
create database hub_new owner hub;
"""
_WHOLE = "alter database hub_new rename to hub;"
_RESTORE = f"""\
file=$(mktemp)
trap 'rm -f "$file"' EXIT
base64 -d | gunzip > "$file"
{" ".join(_PSQL)} -d hub_new --single-transaction -c 'set role hub' -f - < "$file" > /dev/null
"""


@dataclass(frozen=True)
class DatabaseFacts:
    """`asked`: monitor and first worker answer. `dump` is when the newest was taken, None where there is none; `key`:
    the first worker has what it needs to take them, if it is to.
    """

    asked: bool = False
    there: bool = False
    dump: float | None = None
    key: bool = True


class HubDatabase(Stage[DatabaseFacts]):
    """Whole or not there: it gets its name last."""

    name = STAGE
    requires = ("mounts", "database")

    def facts(self, context: Context, *, patient: bool) -> DatabaseFacts:
        """Ask the database's server, and the first worker."""
        hub, known = context.site.hub, secrets.load(context.state.secrets)
        if hub is None or known is None or context.only is not None:
            return DatabaseFacts()
        try:
            return _ask(context, hub, known)
        except (RemoteError, StageError):
            if patient:
                raise
            return DatabaseFacts()  # the stages before it have said why

    def plan(self, site: SiteFile, facts: DatabaseFacts) -> tuple[Change, ...]:
        """Pure."""
        if site.hub is None or not facts.asked:
            return ()
        changes: list[Change] = []
        if not facts.there:
            after = "new, and empty" if facts.dump is None else f"from its dump of {rfc3339(facts.dump)}"
            changes.append(Change(STAGE, "database", database.NAME, "create", after=after))
        if not facts.key:
            worker = site.workers[0]
            changes.append(Change(STAGE, "key", f"of dumps on {worker}", "create", vm=worker))
        return tuple(changes)

    def apply(self, context: Context, facts: DatabaseFacts, changes: Sequence[Change]) -> None:
        """Raises StageError with what the database said."""
        hub, known = context.site.hub, secrets.load(context.state.secrets)
        assert hub is not None and known is not None  # noqa: S101 - else nothing was planned
        for change in changes:
            context.report(STAGE, change.name, f"{change.action} {change.kind}")
        kinds = {each.kind for each in changes}
        if "database" in kinds:
            _make(context, hub, facts.dump)
        if "key" in kinds:
            key = database.password(known.database)
            tokens.give(context, STAGE, database.PASSWORD, key, vm=context.site.workers[0])


def restart_hub(context: Context, hub: Hub) -> None:
    """Have a hub that runs begin anew, before its account lets it in: it must not go on with what it remembers."""
    _kubectl(context, hub, "delete", "pods", "-l", "component=hub", "--wait=false")


def settle(context: Context, hub: Hub) -> None:
    """Wait for the hub, which has its tables then, and have the first dump taken."""
    rollout = ("rollout", "status", "deployment", "-l", "component=hub", f"--timeout={READY:.0f}s")
    _kubectl(context, hub, *rollout, timeout=READY + 10)
    if backup.DATABASE in backup.tolerated(context.site):
        _on_worker(context, "systemctl", "start", "--no-block", database.DUMP)


def _ask(context: Context, hub: Hub, known: secrets.Secrets) -> DatabaseFacts:
    there = _psql(context, _IS_THERE).strip() == "1"
    taken = _on_worker(context, "sh", "-c", f"stat -c %Y {database.latest(context.site, hub)} || true").strip()
    key = database.password(known.database)
    wanted = backup.DATABASE in backup.tolerated(context.site)
    given = not wanted or tokens.is_given(context, STAGE, database.PASSWORD, key, context.site.workers[0])
    return DatabaseFacts(True, there, float(taken) if taken else None, given)


def _make(context: Context, hub: Hub, taken: float | None) -> None:
    _psql(context, _NEW)
    if taken is None:
        context.report(STAGE, MONITOR, "new, and empty: there is no dump of one before")
    else:
        dump = _on_worker(context, "base64", "-w0", database.latest(context.site, hub))
        run_on(context, STAGE, MONITOR, ("sh", "-ec", _RESTORE), stdin=dump, timeout=STEP)
        age = format_duration(max(0, round(context.clock.time() - taken)))
        context.report(STAGE, MONITOR, f"restored from its dump of {rfc3339(taken)}, {age} old")
    _psql(context, _WHOLE)


def _psql(context: Context, statements: str) -> str:
    return run_on(context, STAGE, MONITOR, _PSQL, stdin=statements, timeout=ASK)


def _on_worker(context: Context, *argv: str) -> str:
    return run_on(context, STAGE, context.site.workers[0], argv, timeout=ASK)


def _kubectl(context: Context, hub: Hub, *words: str, timeout: float = ASK) -> str:
    argv = (*KUBECTL, "--namespace", hub.namespace, *words)
    return run_on(context, STAGE, context.site.control_plane, argv, timeout=timeout)
