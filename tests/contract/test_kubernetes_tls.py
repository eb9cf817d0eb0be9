"""The way to an API server: keys, names and time limits, with a server of our own that answers over TLS."""

from __future__ import annotations

import base64
import datetime
import http.server
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chaosjc.drivers import kubernetes_api
from chaosjc.drivers.kubernetes import Cluster
from chaosjc.drivers.kubernetes_api import Silent
from chaosjc.drivers.ssh import Ssh
from chaosjc.errors import ChaosJCError, RemoteError
from chaosjc.site import endpoints
from chaosjc.site.state import SiteState

# what `ssh -L` does, with Python in its place; ends when its stdin does
FORWARDER = """
import os, socket, sys, threading
local, host, remote = sys.argv[sys.argv.index("-L") + 1].removeprefix("127.0.0.1:").split(":")
print(sys.argv[-2], host, remote, flush=True)
server = socket.create_server(("127.0.0.1", int(local)))
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
def pump(a, b):
    while data := a.recv(65536):
        b.sendall(data)
    b.shutdown(socket.SHUT_WR)
while True:
    one, other = server.accept()[0], socket.create_connection(("127.0.0.1", PORT))
    for pair in ((one, other), (other, one)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""


class Nodes(http.server.BaseHTTPRequestHandler):
    """Knows one node, and tells who has asked in its label."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        subject: Any = self.connection.getpeercert()["subject"]  # type: ignore[attr-defined]
        meta = {"name": "worker-001", "uid": "u", "labels": {"asked-by": subject[0][0][1]}}
        body = json.dumps({"items": [{"metadata": meta}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


class Authority:
    """A certificate authority of this test's own."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self.sign(
            name("ca"), self.key.public_key(), x509.BasicConstraints(ca=True, path_length=None)
        )

    def sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *extensions: x509.ExtensionType) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name("ca"))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )
        for each in extensions:
            builder = builder.add_extension(each, critical=isinstance(each, x509.BasicConstraints))
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def pair(self, common: str) -> tuple[bytes, bytes]:
        """Key and certificate of that name."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(common)])
        form = serialization.PrivateFormat.PKCS8
        text = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        return text, self.sign(name(common), key.public_key(), names)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def port(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a server whose certificate is for `master`, and which asks for one."""
    directory = tmp_path_factory.mktemp("tls")
    key, certificate = authority.pair("master")
    (directory / "pem").write_bytes(key + certificate)
    (directory / "ca").write_bytes(authority.certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(directory / "ca"))
    context.load_cert_chain(directory / "pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nodes)
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def kubeconfig(authority: Authority, url: str = "https://master:6443", **cluster: str) -> str:
    key, certificate = authority.pair("admin")
    ca, crt, pem = (base64.b64encode(each).decode() for each in (authority.certificate, certificate, key))
    told = {"server": url, "certificate-authority-data": ca, **cluster}
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": told}],
        "users": [{"name": "u", "user": {"client-certificate-data": crt, "client-key-data": pem}}],
    }
    return json.dumps(document)


def test_through_a_tunnel_the_name_is_still_checked(authority: Authority, port: int) -> None:
    cluster = Cluster.connect(kubeconfig(authority), f"https://127.0.0.1:{port}")
    (node,) = cluster.nodes()
    assert node.labels["asked-by"] == "admin"
    with pytest.raises(Silent, match="certificate is not valid for 'other'"):
        Cluster.connect(kubeconfig(authority, "https://other:6443"), f"https://127.0.0.1:{port}")


def test_the_file_s_own_name_for_it_wins(authority: Authority, port: int) -> None:
    named = {"tls-server-name": "master"}
    assert Cluster.connect(kubeconfig(authority, "https://other:6443", **named), f"https://127.0.0.1:{port}").nodes()
    assert Cluster.connect(kubeconfig(authority, f"https://127.0.0.1:{port}", **named)).nodes()


def test_another_s_certificate_is_not_taken(authority: Authority, port: int) -> None:
    with pytest.raises(Silent, match="certificate verify failed"):
        Cluster.connect(kubeconfig(Authority()), f"https://127.0.0.1:{port}")


def test_no_key_is_left_in_a_file(
    authority: Authority, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    text = kubeconfig(authority)
    for _ in range(2):
        assert Cluster.connect(text, f"https://127.0.0.1:{port}").nodes()
    assert list(tmp_path.rglob("*")) == []


def test_an_answer_has_its_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(Silent, match="is its control plane up"):
            Cluster.connect(kubeconfig(Authority()), url, timeout=0.3)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("text", ["", "[]", "a: {", "{}", '{"current-context": "c", "contexts": [], "clusters": []}'])
def test_a_file_that_is_no_kubeconfig(text: str) -> None:
    with pytest.raises(ChaosJCError, match="kubeconfig: "):
        kubernetes_api.address(text)
    with pytest.raises(ChaosJCError, match="kubeconfig: "):
        Cluster.connect(text, "https://127.0.0.1:1")


@pytest.mark.parametrize("url", ["master:6443", "https://"])
def test_a_server_that_is_no_url(url: str) -> None:
    with pytest.raises(ChaosJCError, match="kubeconfig: "):
        kubernetes_api.address(kubeconfig(Authority(), url))


# ------------------------------------------------------------------ the site's own


@pytest.mark.parametrize(
    ("host", "way"),
    [("master", "master 127.0.0.1"), ("10.0.0.1", "master 127.0.0.1"), ("api.example.org", "bastion api.example.org")],
)
def test_a_site_s_cluster_is_reached_through_ssh(
    authority: Authority, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, way: str
) -> None:
    class FakeSsh(Ssh):
        def argv(self, host: str, argv: Sequence[str], *options: str) -> list[str]:
            program = FORWARDER.replace("PORT", str(port))
            return [sys.executable, "-c", program, *super().argv(host, argv, *options)]

    monkeypatch.setattr(endpoints, "Ssh", FakeSsh)
    state = SiteState.of("lab", str(tmp_path))
    state.ssh_config.write_text("Host *\n    User x\nHost master\n    HostName 10.0.0.1\n")
    state.kubeconfig.write_text(kubeconfig(authority, f"https://{host}:6443", **{"tls-server-name": "master"}))
    with endpoints.kubernetes(state) as cluster:
        assert [node.name for node in cluster.nodes()] == ["worker-001"]
    assert (state.logs / "kubernetes.log").read_text().split("\n")[0] == f"{way} 6443"
    with pytest.raises(Silent):
        cluster.nodes()


def test_a_site_without_a_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="site deploy"), endpoints.kubernetes(SiteState.of("lab", str(tmp_path))):
        pass
