"""Secrets of a site that its parts share; they are made once and stay in its state directory."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets as random
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from chaosjc.errors import StageError
from chaosjc.site.state import write_atomically

_ROUNDS = 4096  # PostgreSQL's own default


@dataclass(frozen=True)
class Secrets:
    """`database` is the hub's password, `salt` that of its verifier; `proxy`, `hub` and `canary` are tokens."""

    database: str
    salt: str
    proxy: str
    hub: str
    canary: str

    def verifier(self) -> str:
        """By which PostgreSQL knows the password without having it: SCRAM-SHA-256 (RFC 5803), always the same."""
        salt = bytes.fromhex(self.salt)
        salted = hashlib.pbkdf2_hmac("sha256", self.database.encode(), salt, _ROUNDS)
        stored = hashlib.sha256(_sign(salted, b"Client Key")).digest()
        parts = [base64.b64encode(each).decode() for each in (salt, stored, _sign(salted, b"Server Key"))]
        return f"SCRAM-SHA-256${_ROUNDS}:{parts[0]}${parts[1]}:{parts[2]}"


def load(path: Path) -> Secrets | None:
    """None where there are none yet. Raises StageError for a file that does not hold them."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        return Secrets(**json.loads(text))
    except (ValueError, TypeError) as error:
        hint = "put it back from a backup; without it hub and database need new passwords: remove it and deploy"
        raise StageError(f"{path} does not hold this site's secrets", hint=hint) from error


def create(path: Path) -> None:
    """All of them, at random."""
    made = Secrets(**{each.name: random.token_hex(32) for each in fields(Secrets)})
    write_atomically(path, json.dumps(asdict(made), indent=1) + "\n")


def _sign(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")
