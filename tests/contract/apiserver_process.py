"""A real Kubernetes API on loopback: etcd and kube-apiserver alone. Objects are kept and checked; nothing runs."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Generator
from pathlib import Path
from subprocess import Popen  # noqa: TID251 - its type alone

import httpx
import pytest

from chaosjc.drivers import command
from chaosjc.lab.layout import default_cache
from tests.contract.prometheus_process import free_port, wait_for

TOKEN = "contract"
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{{name: test, cluster: {{server: "https://127.0.0.1:{port}", insecure-skip-tls-verify: true}}}}]
users: [{{name: test, user: {{token: {token}}}}}]
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
current-context: test
"""


def binary(name: str) -> str:
    """One that is installed, else one that a lab has put into the cache: they take minutes to build."""
    cached = sorted((default_cache() / "binaries").glob(f"all-*/{name}"), key=lambda path: path.stat().st_mtime)
    found = shutil.which(name) or (cached[-1] if cached else None)
    if not found:
        pytest.skip(f"no {name} here: `chaosjc lab up` makes one")
    return str(found)


@contextlib.contextmanager
def serving(directory: Path) -> Generator[str]:
    """A kubeconfig, as text, of its administrator."""
    client, peer, port = free_port(), free_port(), free_port()
    processes: list[Popen[str]] = []
    try:
        processes.append(command.spawn(_etcd(directory, client, peer), log=directory / "etcd.log"))
        processes.append(command.spawn(_apiserver(directory, client, port), log=directory / "apiserver.log"))
        wait_for(lambda: _ready(port), 60)
        yield KUBECONFIG.format(port=port, token=TOKEN)
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


def _etcd(directory: Path, client: int, peer: int) -> list[str]:
    return [
        binary("etcd"),
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",
    ]


def _apiserver(directory: Path, etcd: int, port: int) -> list[str]:
    key, tokens = directory / "sa.key", directory / "tokens"
    command.run(["openssl", "genrsa", "-out", str(key), "2048"])
    tokens.write_text(f"{TOKEN},admin,admin,system:masters\n")
    return [
        binary("kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={directory / 'certificates'}",
        "--service-account-issuer=https://kubernetes.test",
        f"--service-account-signing-key-file={key}",
        f"--service-account-key-file={key}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--disable-admission-plugins=ServiceAccount",  # its default account is a controller's to make
    ]


def _ready(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError), httpx.Client(verify=False, trust_env=False) as client:
        answer = client.get(f"https://127.0.0.1:{port}/readyz", headers={"Authorization": f"Bearer {TOKEN}"})
        return answer.status_code == 200
    return False
