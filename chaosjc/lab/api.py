"""The few calls of OpenStack's API that the lab makes for itself, as the administrator; standard library alone."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosjc.errors import RemoteError

_TIMEOUT = 60.0


@dataclass(frozen=True)
class Session:
    """A token and the URLs of the services, by type."""

    token: str
    urls: Mapping[str, str]

    @classmethod
    def login(cls, urls: Mapping[str, str], project: str, user: str, password: str) -> Session:
        """Raises RemoteError if keystone refuses or is away."""
        domain = {"id": "default"}
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": user, "password": password, "domain": domain}},
        }
        body = {"auth": {"identity": identity, "scope": {"project": {"name": project, "domain": domain}}}}
        request = _request(f"{urls['identity']}/auth/tokens", "POST", json.dumps(body).encode(), {})
        with _open(request) as answer:
            return cls(answer.headers["X-Subject-Token"], urls)

    def call(self, service: str, path: str, body: object = None, method: str = "") -> Any:
        """GET, or with a body POST; the answer's JSON, None when it has none."""
        data = None if body is None else json.dumps(body).encode()
        request = self._request(service, path, method or ("GET" if data is None else "POST"), data)
        with _open(request) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def upload(self, image: str, file: Path) -> None:
        """Put an image's data, with its length."""
        with file.open("rb") as data:
            request = self._request("image", f"/v2/images/{image}/file", "PUT", data)
            request.add_header("Content-Type", "application/octet-stream")
            request.add_header("Content-Length", str(file.stat().st_size))
            with _open(request, timeout=600):
                pass

    def hide(self, image: str) -> None:
        """Keep an image usable by its id, but out of lists; glance wants a media type of its own for changes."""
        change = [{"op": "replace", "path": "/os_hidden", "value": True}]
        request = self._request("image", f"/v2/images/{image}", "PATCH", json.dumps(change).encode())
        request.add_header("Content-Type", "application/openstack-images-v2.1-json-patch")
        with _open(request):
            pass

    def _request(self, service: str, path: str, method: str, data: object) -> urllib.request.Request:
        return _request(f"{self.urls[service]}{path}", method, data, {"X-Auth-Token": self.token})


def _request(url: str, method: str, data: object, headers: dict[str, str]) -> urllib.request.Request:
    headers = {"Content-Type": "application/json", **headers}
    return urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - the lab's own URLs  # pyright: ignore


def _open(request: urllib.request.Request, timeout: float = _TIMEOUT) -> Any:
    """Never through a proxy: the lab listens on loopback."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        said = error.read()[:500].decode(errors="replace")
        raise RemoteError(f"{request.method} {request.full_url}: {error.code} {said}") from error
    except OSError as error:
        raise RemoteError(f"{request.method} {request.full_url}: {error}") from error
