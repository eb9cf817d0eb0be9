"""Secrets of the hub's values: the site file, and so every journal, names where they lie; the hub's Secret has them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import StringConstraints

from chaosjc.errors import StageError
from chaosjc.journal import redact
from chaosjc.site.state import write_atomically
from chaosjc.spec.secret import SecretSource

ValuePath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")]
"""`hub.config.GenericOAuthenticator.client_secret`: the way to a value of the chart."""


_LOGIN = "login of the canary"  # its password among those that are kept: no way to a value has blanks


def read(sources: Mapping[str, SecretSource], kept: Path) -> dict[str, Any]:
    """All of them as values of the chart. Raises StageError where one is missing.

    What a variable had when the hub was last deployed is in `kept`: an undo may deploy where nobody has set it.
    """
    known = _kept(kept)
    return placed({path: _found(path, source, known) for path, source in sources.items()})


def placed(secrets: Mapping[str, str]) -> dict[str, Any]:
    """As values of the chart."""
    values: dict[str, Any] = {}
    for path, secret in secrets.items():
        _put(values, path.split("."), secret)
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
