"""The configuration of the hub canary, as it lies on its machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from chaosjc.errors import UsageError

OWN = "canary-"
"""How the name of every user begins that the canary may touch; a configuration can only narrow it."""

T = TypeVar("T")


@dataclass(frozen=True)
class Every:
    """Seconds between two of a kind."""

    probe: float = 0.1  # of the proxy through each entry, of hub health and API through front and balancer
    elsewhere: float = 0.5  # of hub health and API through a worker's entry that is not the front
    login: float = 1.0
    ladder: float = 30.0  # from spawn to stop
    cell: float = 1.0  # of each live server


@dataclass(frozen=True)
class Limits:
    """Seconds after which an attempt has failed."""

    probe: float = 2.0
    login: float = 10.0
    spawn: float = 120.0
    kernel: float = 30.0
    cell: float = 30.0
    home: float = 60.0
    stop: float = 60.0
    live: float = 2.0  # for the answer of a live server's cell
    silent: float = 20.0  # without any answer after which a live connection is given up
    broken: float = 300.0  # after which a server that the hub calls ready, and that is not, is stopped


@dataclass(frozen=True)
class Login:
    """A user of a password authenticator; the password is read anew for each login."""

    user: str
    password_file: str

    def password(self) -> str:
        """Raises UsageError where the file has none."""
        return _secret(self.password_file, "it holds the password of the canary's login")


@dataclass(frozen=True)
class Config:
    """One hub.

    `entries` are the ways in, name → URL up to the hub's base path. Proxy (at its root), hub health and API are probed
    through each; logins, servers and kernels go through `front`, by default the first: name one that no experiment
    breaks, the load balancer or a worker that is left alone. `workers` get a live server each; the entry of a worker's
    name is the way in through it. Without `login` its page is enough.
    """

    entries: Mapping[str, str]
    token_file: str
    listen: int
    workers: tuple[str, ...] = ()
    front: str = ""
    login: Login | None = None
    prefix: str = OWN
    proxy: str = "/_chp_healthz"  # a path that the proxy answers by itself
    kernel: str = "python3"
    every: Every = field(default_factory=Every)
    limits: Limits = field(default_factory=Limits)
    last_activity_interval: float = 0.0  # seconds, as the hub has it; 0 where nobody knows

    def period(self, rung: str, entry: str) -> float:
        """Seconds between two probes. Workers lead to one hub: through all but the front it is asked seldom."""
        seldom = rung != "proxy" and entry in self.workers and entry != self.way
        return self.every.elsewhere if seldom else self.every.probe

    @property
    def way(self) -> str:
        """The entry of everything that is not cheap."""
        return self.front or next(iter(self.entries), "")

    def token(self) -> str:
        """The service token. Raises UsageError where it cannot be read."""
        return _secret(self.token_file, "it holds the token of the canary's service").strip()


def _secret(path: str, what: str) -> str:
    try:
        secret = Path(path).read_text(encoding="utf-8").strip("\r\n")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint=f"{what}; a deploy puts it there") from None
    if not secret.strip():
        raise UsageError(f"{path}: empty", hint=what)
    return secret


def read(path: Path) -> Config:
    """Read it. Raises UsageError that says what is wrong with it."""
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        config = Config(**{name: _value(name, value) for name, value in said.items()})
        _check(config)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="--config names the canary's JSON file") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        known = ", ".join(each.name for each in fields(Config))
        raise UsageError(f"{path}: {type(error).__name__}: {error}", hint=f"an object with the keys {known}") from error
    return config


def _value(name: str, value: Any) -> Any:
    if name == "entries":
        return {str(entry): str(url).rstrip("/") for entry, url in value.items()}
    if name == "workers":
        return tuple(map(str, value))
    if name == "last_activity_interval":
        return float(value)
    if name == "login":
        return None if value == "page" else _made(Login, value)
    return _made({"every": Every, "limits": Limits}[name], value) if name in {"every", "limits"} else value


def _made(kind: type[T], value: Mapping[str, Any]) -> T:
    return kind(**value)


def _check(config: Config) -> None:
    for group in (config.every, config.limits):
        for each in fields(group):
            if not float(getattr(group, each.name)) > 0:
                raise ValueError(f"{each.name} must be more than 0 seconds")
    if config.last_activity_interval < 0:
        raise ValueError("last_activity_interval must not be negative")
    for name, url in config.entries.items():
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise ValueError(f"entry {name}: not a URL: {url!r}")
    if config.way not in config.entries:
        raise ValueError(f"front: no entry is called {config.front!r}")
    if not config.prefix.startswith(OWN):
        raise ValueError(f"prefix must begin with {OWN!r}")
    if config.login and not config.login.user.startswith(config.prefix):
        raise ValueError(f"login: the user's name must begin with {config.prefix!r}")
