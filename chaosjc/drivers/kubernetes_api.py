"""Requests to a Kubernetes API server: what a kubeconfig says about the way there, errors, and nothing of objects."""

from __future__ import annotations

import json
import ssl
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import yaml

from chaosjc.errors import RemoteError, UsageError

CONNECT = 5.0  # seconds for a connection, of each request's time
HTTPS = 443
_loading = threading.Lock()  # the client's loader shares its table of files between all threads


class Silent(RemoteError):
    """No API server answered: the way there, or the server, is broken."""


class Refused(RemoteError):
    """The API server said no; `status` is that of HTTP."""

    def __init__(self, message: str, status: int, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class NotFound(Refused):
    """There is no such object."""


class Conflict(Refused):
    """The object is another one by now, or was changed meanwhile; or it exists already."""


class Blocked(Refused):
    """A PodDisruptionBudget forbids the eviction, for now."""


@dataclass(frozen=True)
class Request:
    """One request: `body` is sent as JSON, of the type that `kind` names."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Any = None
    kind: str = "application/json"


@dataclass(frozen=True)
class Response:
    """`status` of HTTP, the body as it came, and where a redirect leads."""

    status: int
    body: bytes
    location: str = ""


class Api(Protocol):
    """The way to an API server."""

    def send(self, request: Request, timeout: float) -> Response:
        """Whatever it answers; Silent where it does not within about `timeout` seconds."""
        ...


class Client:
    """That way, by the package `kubernetes`."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def send(self, request: Request, timeout: float) -> Response:
        """See Api."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        method, url, headers, body, form = self._api.param_serialize(
            request.method,
            request.path,
            query_params=list(request.query.items()),
            header_params={"Accept": "application/json", "Content-Type": request.kind},
            body=request.body,
            auth_settings=["BearerToken"],
        )
        try:
            said = self._api.call_api(method, url, headers, body, form, (min(CONNECT, timeout), timeout))
            return Response(said.status, said.read(), said.getheader("Location") or "")
        except ApiException as error:  # without a status: it is TLS that failed
            raise Silent(str(cast("Any", error).reason).rpartition("\n")[2]) from error
        except (HTTPError, OSError) as error:
            raise Silent(str(error) or type(error).__name__) from error

    @classmethod
    def connect(cls, kubeconfig: str, server: str = "") -> Client:
        """By the current context of a kubeconfig's text; asks nobody. RemoteError where the file cannot be used.

        `server` takes the place of the file's URL. The certificate must be for the same name as before all the same:
        the file's `tls-server-name`, else the host of its own URL.
        """
        from kubernetes import client, config
        from kubernetes.config.config_exception import ConfigException

        configuration = client.Configuration()
        configuration.retries = cast("Any", False)  # a caller's time limit is one request's
        try:
            with _loading, tempfile.TemporaryDirectory(prefix="chaosjc-") as directory:
                document = _at(_read(kubeconfig), server)
                cast("Any", config).load_kube_config_from_dict(
                    document, client_configuration=configuration, persist_config=False, temp_file_path=directory
                )
                context = _tls(configuration)
        except (ConfigException, ssl.SSLError, OSError, KeyError, TypeError, ValueError) as error:
            raise RemoteError(f"kubeconfig: {error}", hint="`kubectl --kubeconfig FILE get nodes` must work") from error
        api = client.ApiClient(configuration)
        settings = cast("Any", api).rest_client.pool_manager.connection_pool_kw
        for name in ("ca_certs", "ca_cert_data", "cert_file", "key_file"):  # they are in the context, and gone
            settings.pop(name, None)
        settings["ssl_context"] = context
        return cls(api)


def through(kubeconfig: str, server: str) -> str:
    """The text of a kubeconfig that reaches the same API server at another URL, and takes it for the same."""
    return yaml.safe_dump(_at(_read(kubeconfig), server))


def address(kubeconfig: str) -> tuple[str, int]:
    """Host and port of the API server that a kubeconfig's text names. UsageError where it names none."""
    try:
        url = urlsplit(str(_cluster(_read(kubeconfig))["server"]))
        host, port = url.hostname, url.port or HTTPS
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"kubeconfig: no server of the current context: {error}") from error
    if not host:
        raise UsageError("kubeconfig: the current context's server is no URL")
    return host, port


def user(kubeconfig: str) -> dict[str, Any]:
    """How the current context's user proves himself; KeyError or TypeError where the file does not say."""
    document = _read(kubeconfig)
    contexts = {each["name"]: each["context"] for each in document["contexts"]}
    users = {each["name"]: each["user"] for each in document["users"]}
    return users[contexts[document["current-context"]]["user"]]


def certificate_end(pem: bytes) -> float:
    """When the first certificate of a text ends, in seconds since 1970; ValueError where there is none."""
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()


def answer(name: str, what: str, response: Response) -> Any:
    """The body of a good answer; raises Refused, or the class below it that says more, with what the server said."""
    if response.status < 300:
        return json.loads(response.body) if response.body else {}
    said = _said(response)
    kinds = {404: NotFound, 409: Conflict, 429: Blocked}
    hint = "the kubeconfig's user may not do this" if response.status in (401, 403) else ""
    raise kinds.get(response.status, Refused)(f"cluster {name}: {what}: {said}", response.status, hint=hint)


def _said(response: Response) -> str:
    try:
        told = json.loads(response.body)
    except ValueError:
        told = None
    message = cast("dict[str, object]", told).get("message") if isinstance(told, dict) else None
    return str(message or response.body[:200].decode(errors="replace").strip() or f"HTTP {response.status}")


def _read(kubeconfig: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(kubeconfig)
    except yaml.YAMLError as error:
        raise ValueError(f"no YAML: {error}") from error
    if not isinstance(document, dict):
        raise ValueError("no mapping")
    return cast("dict[str, Any]", document)


def _cluster(document: dict[str, Any]) -> dict[str, Any]:
    contexts = {each["name"]: each["context"] for each in document["contexts"]}
    clusters = {each["name"]: each["cluster"] for each in document["clusters"]}
    return clusters[contexts[document["current-context"]]["cluster"]]


def _at(document: dict[str, Any], server: str) -> dict[str, Any]:
    if server:
        cluster = _cluster(document)
        cluster.setdefault("tls-server-name", urlsplit(str(cluster["server"])).hostname)
        cluster["server"] = server
    return document


def _tls(configuration: Any) -> ssl.SSLContext:
    """With the keys in memory: the client itself would leave them in files for as long as this process lives."""
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context
