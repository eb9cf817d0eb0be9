"""Secrets of the hub's values: the site file, and so every journal, names where they lie; the hub's Secret has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import StringConstraints

from chaosjc.errors import StageError
from chaosjc.journal import redact
from chaosjc.site.state import write_atomically
from chaosjc.spec.problems import Loc, Problems
from chaosjc.spec.reader import Document
from chaosjc.spec.secret import SecretSource

ValuePath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")]
"""`hub.config.GenericOAuthenticator.client_secret`: the way to a value of the chart."""


_LOGIN = "login of the canary"  # its password among those that are kept: no way to a value has blanks

# How keys of secrets end, without their case, dashes and underscores.
_SECRET = re.compile(r"(?:secret|(?:secret|api|auth|access|bot)token|(?:api|private|secret|crypt)keys?)$")
_PASSWORD = re.compile(r"(?:password|passwd)$")
_NAMES = ("existingsecret", "pullsecret")  # of objects in the cluster: no secrets themselves


def read(sources: Mapping[str, SecretSource], kept: Path) -> dict[str, Any]:
    """All of them as values of the chart. Raises StageError where one is missing.

    What a variable had when the hub was last deployed is in `kept`: an undo may deploy where nobody has set it.
    """
    known = _kept(kept)
    values: dict[str, Any] = {}
    for path, source in sources.items():
        _put(values, path.split("."), _found(path, source, known))
    return values


def password(said: str | SecretSource, kept: Path) -> str:
    """Of the canary's login; empty where it has none. Raises as `read`."""
    return said if isinstance(said, str) else _found(_LOGIN, said, _kept(kept))


def keep_password(said: str | SecretSource, kept: Path) -> None:
    """As `keep`."""
    if not isinstance(said, str):
        keep({_LOGIN: said}, kept)


def keep(sources: Mapping[str, SecretSource], kept: Path) -> None:
    """Remember what variables have, in the site's own directory, which nobody else may read."""
    found = {path: secret for path, source in sources.items() if source.env and (secret := _read(source))}
    if found:
        write_atomically(kept, json.dumps(_kept(kept) | found, indent=1) + "\n")


def hidden(text: str, secrets: Mapping[str, Any]) -> str:
    """What somebody else says, without any of the secrets that `read` gave."""
    return redact.hide(text, {secret: secret for secret in _texts(secrets)})


def refuse_clear(document: Document, problems: Problems, *, passwords: bool) -> None:
    """Add a problem for every secret that section `hub` has in clear; but for a lab's, `passwords` are some too."""
    hub = _mapping(document.data.get("hub"))
    for loc in _in_clear(hub.get("values"), ("hub", "values"), passwords=passwords):
        path = ".".join(map(str, loc[2:]))
        message = (
            f"a secret in clear would be in every journal: name where it lies, `secrets: {{{path}: {{file: PATH}}}}`"
        )
        problems.add(document.problem(loc, message))
    in_clear = _mapping(hub.get("canary")).get("password")
    if passwords and isinstance(in_clear, str) and in_clear:
        message = "a secret in clear would be in every journal: name where it lies, `password: {file: PATH}`"
        problems.add(document.problem(("hub", "canary", "password"), message))


def _mapping(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _in_clear(value: object, loc: Loc, *, passwords: bool) -> Iterator[Loc]:
    if isinstance(value, dict):
        for key, inner in cast("dict[str, object]", value).items():
            yield from _in_clear(inner, (*loc, key), passwords=passwords)
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[object]", value)):
            yield from _in_clear(inner, (*loc, index), passwords=passwords)
    elif isinstance(value, str) and value and _names_secret(loc, passwords=passwords):
        yield loc


def _names_secret(loc: Loc, *, passwords: bool) -> bool:
    key = next((step for step in reversed(loc) if isinstance(step, str)), "")
    name = re.sub(r"[-_]", "", key).lower()
    if name.endswith(_NAMES):
        return False
    return bool(_SECRET.search(name) or (passwords and _PASSWORD.search(name)))


def _found(name: str, source: SecretSource, known: Mapping[str, str]) -> str:
    if secret := _read(source) or known.get(name, ""):
        return secret
    hint = "export it where chaosjc runs, or write `file: PATH` instead"
    raise StageError(f"hub: {name} lies in ${source.env}, which is not set", hint=hint)


def _read(source: SecretSource) -> str:
    try:
        return source.read()
    except ValueError as error:
        raise StageError(f"hub: {error}") from error


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in cast("dict[str, object]", value).values():
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _kept(path: Path) -> dict[str, str]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StageError(f"{path} does not hold this hub's secrets", hint="remove it, and deploy") from error


def _put(values: dict[str, Any], path: list[str], secret: str) -> None:
    for step in path[:-1]:
        values = values.setdefault(step, {})
    values[path[-1]] = secret
