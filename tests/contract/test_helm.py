"""The Helm driver and helm/jupytercloud against a real Kubernetes API, in which no pod ever runs."""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest

from chaosjc.drivers.helm import Helm, altered, digest
from chaosjc.errors import RemoteError, UsageError
from tests.contract.apiserver_process import serving
from tests.contract.prometheus_process import wait_for
from tests.unit.helm.charts import CHART, FEWEST, LAB, VALUES, merged

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("apiserver")]


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("apiserver")) as text:
        yield text


@pytest.fixture
def namespace() -> str:
    return f"jhub-{uuid.uuid4().hex[:6]}"


@pytest.fixture
def helm(kubeconfig: str, namespace: str) -> Iterator[Helm]:
    client = Helm.connect(kubeconfig, namespace)
    yield client
    client.close()


def quickly(helm: Helm, values: dict[str, Any]) -> Any:
    """Without waiting for pods, which never come."""
    return helm.deploy("hub", CHART, without_port(values), 20, wait=False)


def without_port(values: dict[str, Any]) -> dict[str, Any]:
    """A port of the nodes belongs to one Service of the whole cluster."""
    return merged(values, {"proxy": {"service": {"type": "ClusterIP"}}})


@pytest.mark.parametrize("values", VALUES.values(), ids=list(VALUES))
def test_kubernetes_accepts_the_chart_and_the_release_says_what_it_is(helm: Helm, values: dict[str, Any]) -> None:
    assert helm.release("hub") is None
    release = quickly(helm, values)
    assert helm.release("hub") == release
    assert (release.revision, release.status, release.chart) == (1, "deployed", "jupytercloud")
    assert release.digest == digest(CHART, without_port(values))
    assert "kind: Deployment" in release.manifest


def test_a_change_is_a_revision_and_whoever_else_makes_one_is_seen(helm: Helm, kubeconfig: str, namespace: str) -> None:
    quickly(helm, FEWEST)
    changed = quickly(helm, LAB)
    assert changed.revision == 2
    assert altered(without_port(LAB), changed.values) == ()
    with helm_python.Config(kubeconfig_content=kubeconfig, namespace=namespace) as somebody:
        somebody.upgrade(CHART, "hub", merged(without_port(LAB), {"singleuser": {"startTimeout": 7}}))
    found = helm.release("hub")
    assert found
    assert (found.status, found.digest) == ("deployed", "")
    assert "singleuser.startTimeout" in altered(without_port(LAB), found.values)


def test_what_does_not_come_up_is_told_with_its_reason_and_the_next_deploy_starts_afresh(helm: Helm) -> None:
    with pytest.raises(RemoteError, match=r"Deployment/.*/hub not ready"):
        helm.deploy("hub", CHART, without_port(FEWEST), 1)
    failed = helm.release("hub")
    assert failed
    assert (failed.status, failed.digest) == ("failed", "")
    assert "not ready" in failed.said
    assert quickly(helm, FEWEST).revision == 1


def _deploy(kubeconfig: str, namespace: str) -> None:
    Helm.connect(kubeconfig, namespace).deploy("hub", CHART, without_port(FEWEST), 60)


@pytest.mark.parametrize("existed", [False, True])
def test_a_deploy_whose_process_was_killed_is_mended_and_leaves_no_key_behind(
    helm: Helm, kubeconfig: str, namespace: str, existed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    if existed:
        quickly(helm, FEWEST)
    process = multiprocessing.get_context("spawn").Process(target=_deploy, args=(kubeconfig, namespace))
    process.start()
    pending = "pending-upgrade" if existed else "pending-install"
    wait_for(lambda: (now := helm.release("hub")) is not None and now.status == pending, 20)
    process.kill()
    process.join()
    assert list(tmp_path.iterdir()) == []
    release = quickly(helm, FEWEST)
    assert (release.status, release.digest) == ("deployed", digest(CHART, without_port(FEWEST)))


def test_uninstall_leaves_homes_and_is_right_twice(helm: Helm) -> None:
    quickly(helm, FEWEST)
    helm.uninstall("hub", 20)
    helm.uninstall("hub", 20)
    assert helm.release("hub") is None
    assert quickly(helm, FEWEST).status == "deployed"  # and takes the kept volume and claim for its own


def test_refusals(helm: Helm, kubeconfig: str) -> None:
    with pytest.raises(UsageError, match="additional properties 'x' not allowed"):
        helm.deploy("hub", CHART, FEWEST | {"x": 1}, 5)
    with pytest.raises(UsageError, match="no Helm chart"):
        helm.deploy("hub", Path("/nowhere"), FEWEST, 5)
    stranger = Helm.connect(kubeconfig.replace("token: contract", "token: wrong"), "jhub")
    with pytest.raises(RemoteError, match=r"read release jhub/hub: .*provide credentials"):
        stranger.release("hub")
    stranger.close()
