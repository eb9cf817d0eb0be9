"""Secrets in clear: every journal has the site file as it is, so that one names where they lie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

from chaosjc.drivers.prometheus import PASSWORD, USER
from chaosjc.journal import clear
from chaosjc.spec.problems import Loc, Problems
from chaosjc.spec.reader import Document

# How keys of secrets end, without their case, dashes and underscores.
_SECRET = re.compile(r"(?:secret|token|(?:access|api|private|secret|crypt)keys?)$")
_PASSWORD = re.compile(r"(?:password|passwd)$")
_NAMES = ("existingsecret", "pullsecret")  # of objects in the cluster: no secrets themselves

# What is one by itself, whatever its key: a private key, and the password of a URL, unless something else puts it in.
_PRIVATE_KEY = "PRIVATE KEY-----"
_LOGIN = re.compile(r"://[^\s/?#@:]*:(?!\$?[({]\w+[)}]@)[^\s/?#@]+@")


def refuse(document: Document, problems: Problems, environment: str) -> None:
    """Add a problem for every secret that a site file has in clear; in a lab a password is none."""
    hub, adopted = (_mapping(document.data.get(each)) for each in ("hub", "adopted"))
    variables = _mapping(document.data.get("vars"))
    for loc, instead in (*_of_adopted(adopted), *_of_hub(hub, passwords=environment != "lab"), *_of_vars(variables)):
        problems.add(document.problem(loc, f"a secret in clear would be in every journal: {instead}"))


def _of_adopted(adopted: dict[str, object]) -> Iterator[tuple[Loc, str]]:
    """In a lab too: there are variables for it."""
    url = adopted.get("prometheus")
    if isinstance(url, str) and "@" in url:
        yield ("adopted", "prometheus"), f"write the URL without a login, and export {USER} and {PASSWORD}"


def _of_vars(variables: dict[str, object]) -> Iterator[tuple[Loc, str]]:
    for name, value in variables.items():
        if clear.variable(name, value):
            yield ("vars", name), "have a check or a command read it where it lies"


def _of_hub(hub: dict[str, object], *, passwords: bool) -> Iterator[tuple[Loc, str]]:
    for loc, name, text in _texts(hub.get("values"), ("hub", "values"), ""):
        if text and _is_secret(name, text, passwords=passwords):
            yield loc, _instead(loc)
    login = _mapping(hub.get("canary")).get("password")
    if passwords and isinstance(login, str) and login:
        yield ("hub", "canary", "password"), "name where it lies, `password: {file: PATH}`"


def _instead(loc: Loc) -> str:
    if any(isinstance(step, int) for step in loc):
        return "give a variable `valueFrom`, or write a mapping instead of the list: `secrets` can name what is in one"
    return f"name where it lies, `secrets: {{{'.'.join(map(str, loc[2:]))}: {{file: PATH}}}}`"


def _texts(value: object, loc: Loc, name: str) -> Iterator[tuple[Loc, str, str]]:
    """Each with its place, and what it is called, which need not be its key; numbers too, as one writes them."""
    if isinstance(value, dict):
        inside = cast("dict[str, object]", value)
        for key, inner in inside.items():
            yield from _texts(inner, (*loc, key), _called(key, inside, name))
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[object]", value)):
            yield from _texts(inner, (*loc, index), name)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield loc, name, str(value)


def _called(key: str, siblings: dict[str, object], above: str) -> str:
    """A variable of a container is `{name: A_TOKEN, value: …}`, or `A_TOKEN: {value: …}`."""
    name = siblings.get("name", above)
    return str(name) if key == "value" else key


def _is_secret(name: str, text: str, *, passwords: bool) -> bool:
    plain = re.sub(r"[-_]", "", name).lower()
    if _PRIVATE_KEY in text or (passwords and _LOGIN.search(text)):
        return True
    if plain.endswith(_NAMES):
        return False
    return bool(_SECRET.search(plain) or (passwords and _PASSWORD.search(plain)))


def _mapping(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
