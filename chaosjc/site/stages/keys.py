"""Stage keys: the site's certificate authorities, and certificates for those who run chaosjc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaosjc.clock import rfc3339
from chaosjc.site import secrets
from chaosjc.site.change import Change
from chaosjc.site.context import Context
from chaosjc.site.keys import PRINCIPALS, Validity
from chaosjc.site.model import SiteFile
from chaosjc.site.stages.base import Stage


@dataclass(frozen=True)
class KeyFacts:
    """Whether both authorities and the secrets are there, each user's certificate, the time in seconds since 1970."""

    authorities: bool
    certificates: Mapping[str, Validity | None]
    now: float
    secrets: bool = False


class Keys(Stage[KeyFacts]):
    """Everything is local; a certificate is renewed when less than half of its life is left."""

    name = "keys"

    def facts(self, context: Context, *, patient: bool) -> KeyFacts:
        """Read the state directory."""
        del patient
        certificates = {user: context.keyring.certificate(user) for user in PRINCIPALS}
        authorities, there = context.keyring.public_keys() is not None, secrets.load(context.state.secrets) is not None
        return KeyFacts(authorities, certificates, context.clock.time(), there)

    def plan(self, site: SiteFile, facts: KeyFacts) -> tuple[Change, ...]:
        """Authorities first: what one signs depends on it."""
        changes: list[Change] = []
        if not facts.authorities:
            changes.append(Change(self.name, "authority", f"{site.name} users and hosts", "create"))
        if site.hub and not facts.secrets:
            changes.append(Change(self.name, "secrets", site.name, "create"))
        for user, validity in facts.certificates.items():
            if validity is None or not facts.authorities:
                changes.append(Change(self.name, "certificate", user, "create"))
            elif not validity.fresh(facts.now) or _promises_other(validity, site.ssh.user_certificates):
                changes.append(Change(self.name, "certificate", user, "renew", f"ends {rfc3339(validity.end)}"))
        return tuple(changes)

    def apply(self, context: Context, facts: KeyFacts, changes: Sequence[Change]) -> None:
        """Make and sign keys."""
        del facts
        for change in changes:
            context.report(self.name, change.name, f"{change.action} {change.kind}")
            if change.kind == "authority":
                context.keyring.create_authorities()
            elif change.kind == "secrets":
                secrets.create(context.state.secrets)
            else:
                context.keyring.certify_user(change.name, context.site.ssh.user_certificates)


def _promises_other(validity: Validity, lifetime: float) -> bool:
    """Whether the file asks for another lifetime than the one signed; ten minutes are rounding and backdating."""
    return abs(validity.end - validity.begin - lifetime) > 600
