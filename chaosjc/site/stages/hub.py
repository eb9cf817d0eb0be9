"""Stage hub: JupyterHub by Helm, with its account in the database and the folder of all homes on the volume."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaosjc.drivers import helm
from chaosjc.drivers.helm import Helm, Release
from chaosjc.errors import ChaosJCError, RemoteError, StageError
from chaosjc.site import discover, endpoints, hub_secrets, hub_values, secrets
from chaosjc.site.change import Change
from chaosjc.site.context import Context
from chaosjc.site.model import MONITOR, SiteFile
from chaosjc.site.roles import canary, database, scrapes
from chaosjc.site.sections import Hub as HubSection
from chaosjc.site.stages import database as hub_database
from chaosjc.site.stages import tokens
from chaosjc.site.stages.base import KUBECTL, Stage, ask_program, ports, run_on

STAGE = "hub"
ASK = 30.0  # seconds for one question
ASK_ONE = 3.0  # and for one more object of a release, each compared by itself
HOMES_CLAIM, RELEASE = "homes", "release"  # what is compared with the cluster
SILENT = "the API server is silent"
HOMES = "711 root"  # mode and owner of the folder of all homes: everybody passes, nobody lists

_VERIFIER = "select rolpassword from pg_authid where rolname = 'hub'"
_CREATE = """\
select 'create role hub login' where not exists (select from pg_roles where rolname = 'hub') \\gexec
alter role hub login password :'verifier';
select 'create database hub owner hub' where not exists (select from pg_database where datname = 'hub') \\gexec
"""


@dataclass(frozen=True)
class Token:
    """A secret, and the file on the monitor VM whose owner needs it."""

    path: str
    owner: str
    secret: str


def given(context: Context, hub: HubSection, known: secrets.Secrets) -> dict[str, Token]:
    """All of them, each by what it is."""
    found = {
        "of the hub's canary": Token(canary.HUB_TOKEN, "root", known.canary),
        "of Prometheus at the hub": Token(scrapes.HUB_TOKEN, "prometheus", known.hub),
    }
    if password := hub_secrets.password(hub.canary.password, context.state.hub_secrets):
        found["of the canary's login"] = Token(canary.HUB_PASSWORD, "root", password)
    return found


@dataclass(frozen=True)
class HubFacts:
    """`asked`: there is a cluster to ask. `lacking` are the secrets that the monitor VM does not have. `release` says
    how what is deployed differs, in words, and `claim` how that of the homes does; empty if it does not.

    `revision` is 0 where nothing is deployed.
    """

    asked: bool = False
    account: bool = False
    lacking: tuple[str, ...] = ()
    homes: str = ""
    claim: str = ""
    revision: int = 0
    release: str = ""
    values: dict[str, Any] = field(default_factory=dict[str, Any])


class Hub(Stage[HubFacts]):
    """The database's account, the folder of all homes, the claim by which pods have it, then the release."""

    name = STAGE
    requires = ("cluster", "kubelets", "mounts", "hub database")

    def facts(self, context: Context, *, patient: bool) -> HubFacts:
        """Ask the database, a worker, and the cluster."""
        hub, known = context.site.hub, secrets.load(context.state.secrets)
        if hub is None or context.only is not None:
            return HubFacts()
        private = hub_secrets.read(hub.secrets, context.state.hub_secrets)  # a missing one is said before all else
        if known is None or not context.state.kubeconfig.exists():
            return HubFacts()
        values = hub_values.values(context.site, hub, known, discover.addresses(context.site, ports(context)))
        try:
            return self._ask(context, hub, known, hub_values.merged(values, private))
        except RemoteError:
            if patient:
                raise
            return HubFacts()  # the stages before it have said why

    def plan(self, site: SiteFile, facts: HubFacts) -> tuple[Change, ...]:
        """In the order in which it is done."""
        if site.hub is None or not facts.asked:
            return ()
        changes: list[Change] = []
        if not facts.account:
            changes.append(Change(STAGE, "account", f"{database.NAME} in the database", "create"))
        changes += [Change(STAGE, "token", each, "create", vm=MONITOR) for each in facts.lacking]
        if facts.homes != HOMES:
            action = "update" if facts.homes else "create"
            changes.append(Change(STAGE, "folder", hub_values.homes(site, site.hub), action, facts.homes, HOMES))
        action = "update" if facts.revision else "create"
        if facts.claim:
            changes.append(Change(STAGE, "claim", hub_values.CLAIM, action, facts.claim))
        if facts.release:
            changes.append(Change(STAGE, "release", site.hub.release, action, facts.release))
        return tuple(changes)

    def apply(self, context: Context, facts: HubFacts, changes: Sequence[Change]) -> None:
        """Raises StageError with what Helm or the database said."""
        hub, known = context.site.hub, secrets.load(context.state.secrets)
        assert hub is not None and known is not None  # noqa: S101 - else nothing was planned
        for change in changes:
            context.report(STAGE, change.name, f"{change.action} {change.kind}")
        kinds = {each.kind for each in changes}
        if "account" in kinds:
            hub_database.restart_hub(context, hub)
            _psql(context, f"\\set verifier '{known.verifier()}'\n{_CREATE}")
        if "token" in kinds:
            hub_secrets.keep_password(hub.canary.password, context.state.hub_secrets)
            lacking = {each.name for each in changes if each.kind == "token"}
            for token in (each for name, each in given(context, hub, known).items() if name in lacking):
                tokens.give(context, STAGE, token.path, token.secret, token.owner)
        if "folder" in kinds:
            folder = hub_values.homes(context.site, hub)
            _on_worker(context, hub, "install", "--directory", "--mode=0711", "--owner=root", folder)
        if "claim" in kinds:
            _apply(context, hub, hub_values.homes_manifest(context.site, hub))
        if "release" in kinds:
            hub_secrets.keep(hub.secrets, context.state.hub_secrets)
            if facts.revision:
                _take_over(context, hub, facts.values)
            self._deploy(context, hub, facts.values)
        if "account" in kinds:
            hub_database.settle(context, hub)

    def _ask(self, context: Context, hub: HubSection, known: secrets.Secrets, values: dict[str, Any]) -> HubFacts:
        verifier = _psql(context, _VERIFIER)
        found = _on_worker(context, hub, "sh", "-c", f"stat -c '%a %U' {hub_values.homes(context.site, hub)} || true")
        wanted = given(context, hub, known).items()
        lacking = [name for name, each in wanted if not tokens.is_given(context, STAGE, each.path, each.secret)]
        with _releases(context, hub) as client:
            deployed = client.release(hub.release)
        manifests = {HOMES_CLAIM: hub_values.homes_manifest(context.site, hub)}
        differ = _differ(context, hub, manifests | ({RELEASE: deployed.manifest} if deployed else {}))
        claim = "missing" if "(NotFound)" in differ[HOMES_CLAIM] else differ[HOMES_CLAIM]  # the namespace too
        return HubFacts(
            asked=True,
            account=verifier.strip() == known.verifier(),
            lacking=tuple(lacking),
            homes=found.strip(),
            claim=claim,
            revision=deployed.revision if deployed else 0,
            release=_differs(hub, deployed, values) or differ.get(RELEASE, ""),
            values=values,
        )

    def _deploy(self, context: Context, hub: HubSection, values: dict[str, Any]) -> None:
        try:
            with _releases(context, hub) as client:
                client.deploy(hub.release, hub_values.chart(hub), values, hub.timeout)
        except ChaosJCError as error:
            hint = f"ssh -F {context.state.ssh_config} {context.site.control_plane} sudo {' '.join(KUBECTL)} "
            hint += f"--namespace {hub.namespace} get pods,events"
            private = hub_secrets.read(hub.secrets, context.state.hub_secrets)
            raise StageError(f"{STAGE}: {hub_secrets.hidden(error.message, private)}", hint=hint) from error


@contextlib.contextmanager
def _releases(context: Context, hub: HubSection) -> Generator[Helm]:
    """Helm in the hub's namespace, until the block ends."""
    with (
        endpoints.kubeconfig(context.state, context.clock) as text,
        contextlib.closing(Helm.connect(text, hub.namespace)) as client,
    ):
        yield client


def _differs(hub: HubSection, found: Release | None, values: dict[str, Any]) -> str:
    """How the release is not what chart and values say, in words."""
    if found is None:
        return "missing"
    if found.digest == helm.digest(hub_values.chart(hub), values):
        return ""
    if found.status != "deployed":
        return f"{found.status}: {found.said}"
    names = helm.altered(values, found.values)
    return f"other values: {', '.join(names)}" if names else "another chart"


def _differ(context: Context, hub: HubSection, manifests: Mapping[str, str]) -> dict[str, str]:
    """What somebody changed in the cluster of each of these, in words."""
    request = {"cluster": {"manifests": manifests, "namespace": hub.namespace}}
    timeout = ASK + ASK_ONE * len(manifests)
    said = ask_program(context, STAGE, context.site.control_plane, "remote_node.py", request, timeout=timeout)
    return said.get("differ", dict.fromkeys(manifests, SILENT))


def _changed(context: Context, hub: HubSection, manifests: Mapping[str, str]) -> list[str]:
    """Those that somebody changed, by name. Raises StageError where nobody says so."""
    differ = _differ(context, hub, manifests)
    if SILENT in differ.values():
        raise StageError(f"{STAGE}: {context.site.control_plane}: {SILENT}")
    return [name for name, words in differ.items() if words]


def _take_over(context: Context, hub: HubSection, values: dict[str, Any]) -> None:
    """Give Helm the fields that somebody else has set meanwhile: it refuses to, and has no switch for it here.

    What is applied is what Helm deployed, where the cluster differs from it, and nothing else: a chart rendered anew
    would bring its hooks, and other secrets. Those that it made at random stay as they are in the cluster, where it
    looks them up; whoever changed one meant it.
    """
    with _releases(context, hub) as client:
        found = client.release(hub.release)
    if found is None or not _changed(context, hub, {RELEASE: found.manifest}):
        return
    kept = helm.generated(hub_values.chart(hub), values, name=hub.release, namespace=hub.namespace)
    deployed = {helm.identity(each): each for each in helm.objects(found.manifest)}
    changed = _changed(context, hub, {name: json.dumps(each) for name, each in deployed.items() if name not in kept})
    if changed:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [deployed[name] for name in changed]})
        _apply(context, hub, text, f"--field-manager={helm.manager()}")


def _apply(context: Context, hub: HubSection, manifest: str, *options: str) -> None:
    """Make it so, whoever set its fields."""
    apply = ("--namespace", hub.namespace, "apply", "--server-side", "--force-conflicts", "-f", "-")
    run_on(context, STAGE, context.site.control_plane, (*KUBECTL, *apply, *options), stdin=manifest, timeout=ASK)


def _psql(context: Context, statements: str) -> str:
    """What the hub's database says, as its administrator."""
    argv = ("runuser", "-u", "postgres", "--", "psql", "--host=/run/postgresql", "-qAtX", "-v", "ON_ERROR_STOP=1")
    return run_on(context, STAGE, MONITOR, argv, stdin=statements, timeout=ASK)


def _on_worker(context: Context, hub: HubSection, *argv: str) -> str:
    """On the first worker: the volume is the same on all."""
    return run_on(context, STAGE, context.site.workers[0], argv, timeout=ASK)
