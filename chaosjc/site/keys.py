"""The site's SSH certificate authorities and what they sign, by ssh-keygen.

Two authorities: one vouches for users, one for hosts. Their private keys never leave the site's state directory.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaosjc.drivers import command
from chaosjc.drivers.command import Runner
from chaosjc.errors import CommandError
from chaosjc.site.state import SiteState

PRINCIPALS = {"operator": ("operator", "jump"), "reader": ("reader", "jump")}
"""Who a certificate speaks for; `jump` may only pass through the bastion."""

_VALID = re.compile(r"Valid: from (\S+) to (\S+)")
_BACKDATED = 300  # seconds: the clock of a VM may be behind ours


@dataclass(frozen=True)
class PublicKeys:
    """The authorities' public halves, one line each."""

    users: str
    hosts: str


@dataclass(frozen=True)
class HostIdentity:
    """A host's key pair and the certificate that vouches for it."""

    private: str
    public: str
    certificate: str


@dataclass(frozen=True)
class Validity:
    """When a certificate begins and ends, in seconds since 1970 UTC."""

    begin: float
    end: float

    def fresh(self, now: float) -> bool:
        """Whether at least half of its life is left."""
        return self.begin <= now <= (self.begin + self.end) / 2


class Keyring:
    """Keys and certificates in the site's state directory."""

    def __init__(self, state: SiteState, runner: Runner = command.run) -> None:
        self._ssh = state.ssh
        self._runner = runner

    def public_keys(self) -> PublicKeys | None:
        """Both authorities; None unless both are whole."""
        try:
            texts = [(self._ssh / f"{each}_ca.pub").read_text().strip() for each in ("user", "host")]
        except OSError:
            return None
        return PublicKeys(*texts) if all((self._ssh / f"{each}_ca").exists() for each in ("user", "host")) else None

    def create_authorities(self) -> None:
        """Make what is missing of both."""
        for each in ("user", "host"):
            self._create_pair(self._ssh / f"{each}_ca", f"chaosjc {each} authority")

    def certificate(self, user: str) -> Validity | None:
        """That of a user; None where it, or its key, is missing or not signed by the present authority."""
        path = self._ssh / f"{user}-cert.pub"
        if not (path.exists() and (self._ssh / user).exists()):
            return None
        try:
            said = self._runner(["ssh-keygen", "-L", "-f", str(path)]).stdout
            authority = fingerprint((self._ssh / "user_ca.pub").read_text())
        except (CommandError, OSError):
            return None
        return parse_validity(said) if authority in said else None

    def certify_user(self, user: str, seconds: float) -> None:
        """A certificate for `seconds` from now, for a key that is made if missing."""
        self._create_pair(self._ssh / user, f"chaosjc {user}")
        self._sign("user", self._ssh / f"{user}.pub", user, PRINCIPALS[user], seconds)

    def new_host(self, name: str, seconds: float) -> HostIdentity:
        """A key pair that only its VM will hold, certified under the VM's name."""
        with tempfile.TemporaryDirectory() as directory:
            key = Path(directory) / "key"
            self._create_pair(key, name)
            self._sign("host", key.with_suffix(".pub"), name, (name,), seconds)
            texts = [(key.parent / each).read_text() for each in ("key", "key.pub", "key-cert.pub")]
        return HostIdentity(*texts)

    def certify_host(self, name: str, public: str, seconds: float) -> str:
        """A new certificate for the key that a host has."""
        with tempfile.TemporaryDirectory() as directory:
            key = Path(directory) / "key.pub"
            key.write_text(public)
            self._sign("host", key, name, (name,), seconds)
            return (key.parent / "key-cert.pub").read_text()

    def host_certificate(self, text: str) -> Validity | None:
        """When a host's certificate, as a line of text, holds; None if it is none."""
        return validity_of(text, self._runner)

    def _create_pair(self, path: Path, comment: str) -> None:
        public = path.with_name(f"{path.name}.pub")
        if path.exists() and public.exists():
            return
        for each in (path, public):
            each.unlink(missing_ok=True)  # half a pair, of an interrupted run
        self._runner(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])

    def _sign(self, authority: str, public: Path, identity: str, principals: Sequence[str], seconds: float) -> None:
        argv = ["ssh-keygen", "-q", "-s", str(self._ssh / f"{authority}_ca"), "-I", f"chaosjc-{identity}"]
        argv += ["-n", ",".join(principals), "-V", f"-{_BACKDATED}s:+{round(seconds)}s"]
        self._runner([*argv, *(["-h"] if authority == "host" else []), str(public)])


def fingerprint(public: str) -> str:
    """`SHA256:…` of a public key's line, as ssh-keygen writes it."""
    blob = base64.b64decode(public.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def validity_of(text: str, runner: Runner = command.run) -> Validity | None:
    """When a certificate, as a line of text, holds; None if it is none."""
    try:
        return parse_validity(runner(["ssh-keygen", "-L", "-f", "-"], stdin=text).stdout)
    except CommandError:
        return None


def parse_validity(said: str) -> Validity | None:
    """From `ssh-keygen -L`, which speaks in local time; None where there are no two dates."""
    match = _VALID.search(said)
    if not match:
        return None
    begin, end = (datetime.datetime.fromisoformat(each).astimezone().timestamp() for each in match.groups())
    return Validity(begin, end)
