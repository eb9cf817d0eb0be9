"""What opens the ways to a site, and until when: SSH certificates, a kubeconfig's user, the cloud's credentials.

Nothing here refuses: where nobody can say when a credential ends, none is told, and who uses it will see.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from chaosjc.drivers import command, kubernetes_api
from chaosjc.drivers.command import Runner
from chaosjc.drivers.openstack_access import CloudAccess
from chaosjc.errors import ChaosJCError, CommandError
from chaosjc.site.keys import Keyring, parse_validity
from chaosjc.site.model import SiteFile
from chaosjc.site.state import SiteState


@dataclass(frozen=True)
class Credential:
    """One that ends, `until` in seconds since 1970 UTC, and what renews it."""

    name: str
    until: float
    renewed_by: str = ""


def ssh(site: SiteFile, state: SiteState, hosts: Iterable[str], runner: Runner = command.run) -> Iterator[Credential]:
    """The operator's certificate; of an adopted site those that its OpenSSH configuration has for these hosts.

    Of several for one host the last to end counts. What an agent holds is not seen.
    """
    if not site.adopted:
        found = Keyring(state, runner).certificate("operator")
        if found:
            yield Credential("the operator's SSH certificate", found.end, "`chaosjc site deploy` renews it")
        return
    for host in sorted({*hosts, site.bastion} - {""}):
        ends = [end for path in _certificates(state, host, runner) if (end := _end(path, runner)) is not None]
        if ends:
            yield Credential(f"the SSH certificate for {host}", max(ends), "have it signed anew")


def kubernetes(kubeconfig: Path) -> Iterator[Credential]:
    """The current user's client certificate, and bearer token where that is a JWT; not what a plugin hands out."""
    with contextlib.suppress(OSError, ChaosJCError, ValueError, KeyError, TypeError):
        user = kubernetes_api.user(kubeconfig.read_text(encoding="utf-8"))
        for until in (_certificate_end(user, kubeconfig.parent), _token_end(str(user.get("token") or ""))):
            if until is not None:
                yield Credential("the kubeconfig's user", until, f"put a new one into {kubeconfig}")


def cloud(access: CloudAccess) -> Iterator[Credential]:
    """What clouds.yaml has, where Keystone tells its end: an application credential, a token, a password."""
    if access.until is not None:
        yield Credential(f"{access.name} of clouds.yaml", access.until, "put a new one into clouds.yaml")


def _certificates(state: SiteState, host: str, runner: Runner) -> list[Path]:
    """Those that OpenSSH would offer: the ones that are named, and those beside each key."""
    with contextlib.suppress(CommandError):
        said = runner(["ssh", "-G", "-F", str(state.ssh_config), "--", host], timeout=10.0, check=False).stdout
        pairs = [line.split(" ", 1) for line in said.splitlines() if " " in line]
        named = [path for key, path in pairs if key == "certificatefile"]
        beside = [f"{path}-cert.pub" for key, path in pairs if key == "identityfile"]
        return [path for each in (*named, *beside) if (path := Path(each).expanduser()).is_file()]
    return []


def _end(path: Path, runner: Runner) -> float | None:
    with contextlib.suppress(CommandError):
        found = parse_validity(runner(["ssh-keygen", "-L", "-f", str(path)]).stdout)
        return found.end if found else None
    return None


def _certificate_end(user: dict[str, Any], directory: Path) -> float | None:
    if inline := user.get("client-certificate-data"):
        return kubernetes_api.certificate_end(base64.b64decode(inline))
    if named := user.get("client-certificate"):
        return kubernetes_api.certificate_end((directory / str(named)).read_bytes())
    return None


def _token_end(token: str) -> float | None:
    """The `exp` of a JWT (RFC 7519); a token of another kind says nothing."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    end = cast("dict[str, Any]", claims).get("exp")
    return float(end) if isinstance(end, int | float) else None
