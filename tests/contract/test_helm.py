"""The Helm driver and helm/jupytercloud against a real Kubernetes API, in which no pod ever runs."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import helm_python
import pytest

from chaosjc.drivers import command
from chaosjc.drivers.helm import Helm, altered, digest
from chaosjc.errors import RemoteError, UsageError
from chaosjc.site import hub_values, remote_node
from chaosjc.site.model import SiteFile
from chaosjc.site.remote_node import ADMIN
from chaosjc.site.secrets import Secrets
from chaosjc.site.stages import hub as stage
from tests.contract.apiserver_process import binary, serving
from tests.contract.prometheus_process import wait_for
from tests.sites import cloud_file
from tests.unit.helm.charts import CHART, FEWEST, LAB, SHAPED, VALUES, merged

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


def test_uninstall_is_right_twice(helm: Helm) -> None:
    quickly(helm, FEWEST)
    helm.uninstall("hub", 20)
    helm.uninstall("hub", 20)
    assert helm.release("hub") is None
    assert quickly(helm, FEWEST).status == "deployed"


class Site:
    """As much of a site as stage hub needs of one, its control plane's commands run here."""

    def __init__(self, directory: Path, kubeconfig: str, client: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client, self._admin = client, directory / "admin.conf"
        self._admin.write_text(kubeconfig)
        whole = SiteFile.restore(json.dumps(cloud_file()))
        assert whole.hub
        self.hub = whole.hub.model_copy(update={"namespace": client.namespace, "chart": str(SHAPED)})
        self.file = whole.model_copy(update={"hub": self.hub})
        self.context = cast("Any", SimpleNamespace(site=self.file))
        given = hub_values.values(self.file, self.hub, Secrets("p", "00", "ab" * 32, "hub", "canary"), {})
        self.values = merged(without_port(given), {"proxy": {"service": {"nodePorts": {"http": None}}}})
        monkeypatch.setenv("PATH", str(Path(binary("kubectl")).parent), prepend=os.pathsep)
        monkeypatch.setattr(remote_node, "ADMIN", str(self._admin))
        monkeypatch.setattr(stage, "_releases", lambda *_: contextlib.nullcontext(client))  # pyright: ignore
        monkeypatch.setattr(stage, "run_on", self._run_on)
        monkeypatch.setattr(stage, "ask_program", self._ask_program)

    def deploy(self, **changed: Any) -> None:
        """As the stage does it, but for waiting until pods are ready, which never come."""
        values = merged(self.values, changed)
        if self.client.release("hub"):
            stage._take_over(self.context, self.hub, values)
        assert self.client.deploy("hub", SHAPED, values, 20, wait=False).status == "deployed"

    def apply_homes(self) -> None:
        stage._apply(self.context, self.hub, hub_values.homes_manifest(self.file, self.hub))

    def differs(self, manifest: str) -> str:
        return stage._differ(self.context, self.hub, {"it": manifest})["it"]

    def kubectl(self, *words: str) -> str:
        argv = ["kubectl", "--kubeconfig", str(self._admin), "--namespace", self.hub.namespace, *words]
        return command.run(argv, timeout=60).stdout

    def secrets(self) -> dict[str, str]:
        """Those that the chart made at random."""
        data: dict[str, str] = json.loads(self.kubectl("get", "secret", "hub", "-o", "json"))["data"]
        return {key: data[f"hub.config.{key}"] for key in ("JupyterHub.cookie_secret", "CryptKeeper.keys")}

    def _ask_program(self, *words: Any, timeout: float) -> dict[str, Any]:
        assert timeout > 0
        asked = words[-1]["cluster"]
        return {
            "differ": {name: remote_node.differs(each, asked["namespace"]) for name, each in asked["manifests"].items()}
        }

    def _run_on(self, _context: object, _stage: str, _vm: str, argv: tuple[str, ...], **options: Any) -> str:
        here = [str(self._admin) if each == ADMIN else each for each in argv]
        return command.run(here, stdin=options["stdin"], timeout=60).stdout


@pytest.fixture
def site(helm: Helm, kubeconfig: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, kubeconfig, helm, monkeypatch)


def test_an_update_of_another_chart_keeps_the_secrets_that_it_made_and_mends_what_was_changed(site: Site) -> None:
    site.apply_homes()
    site.deploy()
    made, puller = (
        site.secrets(),
        site.kubectl("get", "configmap", "hook-image-puller", "-o", "jsonpath={.metadata.uid}"),
    )
    site.kubectl("patch", "deployment", "hub", "--field-manager=somebody", "--patch", '{"spec": {"replicas": 3}}')
    site.kubectl("delete", "service", "proxy-public")
    with pytest.raises(RemoteError, match="conflict"):
        site.client.deploy("hub", SHAPED, site.values, 20, wait=False)
    site.deploy(singleuser={"startTimeout": 7})
    assert site.secrets() == made
    assert site.kubectl("get", "deployment", "hub", "-o", "jsonpath={.spec.replicas}") == "1"
    assert site.kubectl("get", "service", "proxy-public", "-o", "name")
    release = site.client.release("hub")
    assert release and site.differs(release.manifest) == ""
    hook = json.loads(site.kubectl("get", "configmap", "hook-image-puller", "-o", "json", "--show-managed-fields"))
    assert hook["metadata"]["uid"] != puller  # Helm's, made anew for each revision
    assert hook["data"] == {"revision": str(release.revision)}
    assert "hook-image-awaiter" not in site.kubectl("get", "serviceaccounts", "-o", "name")


def test_a_secret_that_somebody_changed_is_kept_as_it_is(site: Site) -> None:
    site.deploy()
    rotated = site.secrets() | {"CryptKeeper.keys": "cm90YXRlZA=="}
    patch = {"data": {f"hub.config.{key}": value for key, value in rotated.items()}}
    site.kubectl("patch", "secret", "hub", "--field-manager=somebody", "--patch", json.dumps(patch))
    site.deploy()
    assert site.secrets() == rotated


def test_the_homes_are_made_once_and_seen_when_they_are_gone(site: Site) -> None:
    assert "(NotFound)" in site.differs(hub_values.homes_manifest(site.file, site.hub))
    site.apply_homes()
    site.apply_homes()
    assert site.differs(hub_values.homes_manifest(site.file, site.hub)) == ""
    claim = site.values["singleuser"]["storage"]["static"]["pvcName"]
    volume = site.kubectl("get", "pvc", claim, "-o", "jsonpath={.spec.volumeName}")
    site.kubectl("patch", "pv", volume, "--patch", '{"spec": {"persistentVolumeReclaimPolicy": "Delete"}}')
    assert "Retain" in site.differs(hub_values.homes_manifest(site.file, site.hub))
    site.apply_homes()
    assert site.kubectl("get", "pv", volume, "-o", "jsonpath={.spec.persistentVolumeReclaimPolicy}") == "Retain"


def test_refusals(helm: Helm, kubeconfig: str) -> None:
    with pytest.raises(UsageError, match="additional properties 'x' not allowed"):
        helm.deploy("hub", CHART, FEWEST | {"x": 1}, 5)
    with pytest.raises(UsageError, match="no Helm chart"):
        helm.deploy("hub", Path("/nowhere"), FEWEST, 5)
    stranger = Helm.connect(kubeconfig.replace("token: contract", "token: wrong"), "jhub")
    with pytest.raises(RemoteError, match=r"read release jhub/hub: .*provide credentials"):
        stranger.release("hub")
    stranger.close()
