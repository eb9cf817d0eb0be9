"""Prometheus' HTTP API: what a query answers, what is scraped, and how often."""

from __future__ import annotations

import itertools
import json
import os
import ssl
import statistics
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

from chaosjc.clock import Clock, SystemClock
from chaosjc.errors import RemoteError, UsageError
from chaosjc.journal.redact import hide

T = TypeVar("T")

MAX_BYTES = 32 * 1024 * 1024  # of one answer: more is a query that nobody can judge
MAX_POINTS = 10_000  # of one series in a range; Prometheus refuses more than 11,000
REMEMBER = 60.0  # seconds for which the list of targets is believed
TOKEN, USER, PASSWORD = "CHAOSJC_PROMETHEUS_TOKEN", "CHAOSJC_PROMETHEUS_USER", "CHAOSJC_PROMETHEUS_PASSWORD"
"""Environment variables with a bearer token, or a name and password; the URL may carry the latter two as well."""


@dataclass(frozen=True)
class Series:
    """A series of an answer: all its labels, and (time, value) in order; values may be NaN or infinite."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def name(self) -> str:
        """`up{instance="a",job="b"}`: sorted by label, so that one series always has one name."""
        pairs = (f"{key}={json.dumps(value)}" for key, value in sorted(self.labels.items()) if key != "__name__")
        inside = ",".join(pairs)
        return self.labels.get("__name__", "") + (f"{{{inside}}}" if inside else "")


@dataclass(frozen=True)
class ScrapeTarget:
    """What Prometheus scrapes, every `interval` seconds; its labels are those that all of its series carry."""

    labels: Mapping[str, str]
    interval: float
    health: str


class Prometheus:
    """One server. Safe to share between threads. Raises RemoteError where it does not answer, or with an error."""

    def __init__(self, client: Any, url: str, clock: Clock) -> None:
        self._http = client
        self.url = url
        self._clock = clock
        self._lock = threading.Lock()
        self._memory: dict[str, tuple[float, Any]] = {}

    @classmethod
    def connect(cls, url: str, *, clock: Clock | None = None, transport: Any = None) -> Self:
        """A client for `http(s)://[user:password@]host[:port][/prefix]`; nothing is asked yet. Raises UsageError."""
        import httpx

        shown, login = _split(url)
        token = os.environ.get(TOKEN)
        user = os.environ.get(USER)
        client = httpx.Client(
            base_url=shown.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            auth=login or ((user, os.environ.get(PASSWORD, "")) if user and not token else None),
            transport=transport,
            trust_env=False,  # a proxy for the world outside is no way to the site
            verify=ssl.create_default_context(),
        )
        return cls(client, shown, clock or SystemClock())

    def ready(self, timeout: float = 5.0) -> bool:
        """Whether it serves queries now; False also where it does not answer."""
        try:
            self._read("GET", "-/ready", {}, timeout)
        except RemoteError:
            return False
        return True

    def query(self, promql: str, *, at: float, timeout: float = 5.0) -> tuple[Series, ...]:
        """The value at one time: a vector, a range's raw samples, or a scalar as one series without labels."""
        return self._series("api/v1/query", {"query": promql, "time": f"{at:.3f}"}, timeout)

    def query_range(
        self, promql: str, start: float, end: float, *, step: float, timeout: float = 5.0
    ) -> tuple[Series, ...]:
        """The values at start, start + step, … up to end; at most MAX_POINTS, seconds."""
        parameters = {"query": promql, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return self._series("api/v1/query_range", parameters, timeout)

    def targets(self, timeout: float = 5.0) -> tuple[ScrapeTarget, ...]:
        """What is scraped, as known for up to REMEMBER seconds, or since the last answer where none comes now."""
        return self._remembered(
            "targets", lambda: self._ask("GET", "api/v1/targets", {"state": "active"}, timeout, _targets)
        )

    def recorded(self, timeout: float = 5.0) -> Mapping[str, float]:
        """The metrics that recording rules make, each with its interval in seconds; known for as long as `targets`."""
        return self._remembered(
            "rules", lambda: self._ask("GET", "api/v1/rules", {"type": "record"}, timeout, _recorded)
        )

    def spacing(self, selector: str, *, at: float, timeout: float = 5.0) -> float:
        """The median time between samples of a selector in the five minutes before `at`; 0.0 if there are not two."""
        found = self.query(f"{selector}[5m]", at=at, timeout=timeout)
        gaps = [after[0] - before[0] for each in found for before, after in itertools.pairwise(each.points)]
        return statistics.median(gaps) if gaps else 0.0

    def close(self) -> None:
        """End its connections."""
        self._http.close()

    def _remembered(self, what: str, ask: Callable[[], T]) -> T:
        """What was answered less than REMEMBER ago, or now, or ever; RemoteError where nothing was."""
        with self._lock:
            known = self._memory.get(what)
        if known and self._clock.monotonic() - known[0] < REMEMBER:
            return known[1]
        try:
            answer = ask()
        except RemoteError:
            if known:
                return known[1]
            raise
        with self._lock:
            self._memory[what] = self._clock.monotonic(), answer
        return answer

    def _series(self, path: str, parameters: Mapping[str, str], timeout: float) -> tuple[Series, ...]:
        return self._ask("POST", path, {**parameters, "timeout": f"{max(timeout, 0.001):.3f}"}, timeout, _series)

    def _ask(
        self, method: str, path: str, parameters: Mapping[str, str], timeout: float, read: Callable[[Any], T]
    ) -> T:
        """What `read` makes of the data of a good answer."""
        body = self._read(method, path, parameters, timeout)
        try:
            return read(json.loads(body)["data"])
        except _NotNumbers as error:
            raise RemoteError(f"{self.url}: {parameters['query']!r} answers with a {error}, not with numbers") from None
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise RemoteError(f"{self.url}: /{path} answered with something that is not Prometheus' JSON") from error

    def _read(self, method: str, path: str, parameters: Mapping[str, str], timeout: float) -> bytes:
        """The body of a good answer, bounded in time as a whole and in size."""
        import httpx

        until = self._clock.monotonic() + timeout
        asked = {"params": parameters} if method == "GET" else {"data": parameters}
        try:
            with self._http.stream(method, path, timeout=max(timeout, 0.001), **asked) as answer:
                body = bytearray()
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise RemoteError(f"{self.url}: an answer of more than {MAX_BYTES >> 20} MiB; narrow the query")
                    if self._clock.monotonic() > until:
                        raise RemoteError(f"{self.url}: timeout: no whole answer within {timeout:g} s")
        except httpx.TimeoutException as error:
            raise RemoteError(f"{self.url}: timeout: no answer within {timeout:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise RemoteError(f"{self.url}: {error or type(error).__name__}") from error
        if answer.status_code != 200:
            sent = {"login": answer.request.headers.get("Authorization", "").rpartition(" ")[2]}
            told = hide(_refusal(answer.status_code, bytes(body)), sent)  # the page of an error may repeat the request
            raise RemoteError(f"{self.url}: {told}")
        return bytes(body)


def without_login(url: str) -> str:
    """The URL as it may be shown and kept. Raises UsageError."""
    return _split(url)[0]


def _split(url: str) -> tuple[str, tuple[str, str] | None]:
    """The URL without its login, which must not be shown, and the login."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"Prometheus URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"Prometheus URL: expected http://HOST[:PORT], found {parts.scheme}://{host or ''}")
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    login = (parts.username, parts.password or "") if parts.username else None
    return urlunsplit((parts.scheme, place, parts.path, "", "")), login


def _refusal(status: int, body: bytes) -> str:
    try:
        error = json.loads(body)
        return f"{error['errorType']}: {error['error']}"
    except (ValueError, KeyError, TypeError):
        said = body[:200].decode(errors="replace").strip()
        return f"HTTP {status}{': ' if said else ''}{said}"


class _NotNumbers(Exception):
    """A query's answer is of a type that has none."""


def _series(data: Any) -> tuple[Series, ...]:
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        return (Series({}, (_point(result),)),)
    if kind == "vector":
        return tuple(Series(each["metric"], (_point(each["value"]),)) for each in result)
    if kind == "matrix":
        return tuple(Series(each["metric"], tuple(map(_point, each["values"]))) for each in result)
    raise _NotNumbers(kind)


def _point(pair: Any) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])  # float() reads NaN, +Inf and -Inf as Prometheus writes them


def _targets(data: Any) -> tuple[ScrapeTarget, ...]:
    return tuple(
        ScrapeTarget(each["labels"], parse_seconds(each.get("scrapeInterval", "")), each.get("health", ""))
        for each in data["activeTargets"]
    )


def _recorded(data: Any) -> Mapping[str, float]:
    return {rule["name"]: float(group["interval"]) for group in data["groups"] for rule in group["rules"]}


def parse_seconds(text: str) -> float:
    """Seconds of `1m30s` or `500ms` as Prometheus writes them; 0.0 of anything else."""
    import promql_parser

    try:
        return promql_parser.parse_duration(text).total_seconds()
    except ValueError:
        return 0.0
