"""The Helm driver: what it asks of Helm in which state, and how charts and values are compared.

The stand-in follows what was seen of Helm; tests/contract has the real one.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import helm_python as sdk
import pytest

from chaosjc.drivers.helm import Helm, Release, altered, digest, render
from chaosjc.errors import ChaosJCError, RemoteError, UsageError

VALUES = {"replicas": 2}
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: test, namespace: {{ .Release.Namespace }}}
data: {replicas: {{ .Values.replicas | quote }}, name: {{ .Release.Name }}}
---
# nothing
"""


KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: away, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: away, user: {token: some-token}}]
contexts: [{name: away, context: {cluster: away, user: away}}]
current-context: away
"""


class FakeHelm:
    """One release: its revisions with their status, and what was asked."""

    def __init__(self, *statuses: str, fails: Exception | None = None) -> None:
        self.revisions = [self._revision(number, status) for number, status in enumerate(statuses, 1)]
        self.asked: list[tuple[Any, ...]] = []
        self.fails = fails
        self.given: dict[str, Any] = {}

    def get_all(self, name: str) -> dict[str, Any]:
        return {
            "summary": self._last(name) | {"chart_name": "test", "chart_version": "1.2.3", "manifest": "kind: X"},
            "config": self.given.get("values"),
            "info": {"description": self.given.get("description", "Install complete")},
        }

    def history(self, name: str) -> list[dict[str, Any]]:
        self._last(name)
        return self.revisions

    def install(self, chart: sdk.Chart, name: str, values: dict[str, Any], **options: Any) -> None:
        assert not self.revisions, "cannot reuse a name that is still in use"
        assert options.pop("create_namespace") is True
        self._act("install", chart, name, values, options)

    def upgrade(self, chart: sdk.Chart, name: str, values: dict[str, Any], **options: Any) -> None:
        assert not self._last(name)["status"].startswith("pending-"), "another operation is in progress"
        assert (options.pop("reset_values"), options.pop("max_history")) == (True, 5)
        self._act("upgrade", chart, name, values, options)

    def rollback(self, name: str, *, version: int, timeout: int) -> None:
        assert timeout > 0
        self.asked.append(("rollback", name, version))
        self.revisions.append(self._revision(len(self.revisions) + 1, "deployed"))

    def uninstall(self, name: str, *, ignore_not_found: bool, timeout: int, wait: str) -> None:
        assert (ignore_not_found, timeout > 0, wait) == (True, True, "watcher")
        self.asked.append(("uninstall", name))
        self.revisions = []

    def _act(self, verb: str, chart: sdk.Chart, name: str, values: dict[str, Any], options: dict[str, Any]) -> None:
        self.asked.append((verb, name, chart.name, options.pop("timeout"), options.pop("wait")))
        if self.fails:
            raise self.fails
        self.given = {"values": values, **options}
        self.revisions.append(self._revision(len(self.revisions) + 1, "deployed"))

    def _last(self, name: str) -> dict[str, Any]:
        if not self.revisions:
            raise sdk.HelmNotFoundError("release: not found")
        return self.revisions[-1] | {"name": name}

    @staticmethod
    def _revision(number: int, status: str) -> dict[str, Any]:
        return {"revision": number, "status": status}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "test" / "templates").mkdir(parents=True)
    place = tmp_path / "test"
    (place / "Chart.yaml").write_text("{apiVersion: v2, name: test, version: 1.2.3}\n")
    (place / "values.yaml").write_text("replicas: 1\n")
    (place / "values.schema.json").write_text('{"properties": {"replicas": {"type": "integer"}}}')
    (place / "templates" / "all.yaml").write_text(TEMPLATE)
    (place / "templates" / "NOTES.txt").write_text("To: {{ .Release.Name }}\n")
    return place


@pytest.mark.parametrize(
    ("statuses", "asked"),
    [
        ((), [("install", "hub", "test", 90, "watcher")]),
        (("deployed",), [("upgrade", "hub", "test", 90, "watcher")]),
        (("superseded", "failed"), [("upgrade", "hub", "test", 90, "watcher")]),
        (("failed",), [("uninstall", "hub"), ("install", "hub", "test", 90, "watcher")]),
        (("failed", "failed"), [("uninstall", "hub"), ("install", "hub", "test", 90, "watcher")]),
        (("pending-install",), [("uninstall", "hub"), ("install", "hub", "test", 90, "watcher")]),
        (
            ("superseded", "deployed", "failed", "pending-upgrade"),
            [("rollback", "hub", 2), ("upgrade", "hub", "test", 90, "watcher")],
        ),
    ],
)
def test_deploy_mends_what_an_earlier_one_left(chart: Path, statuses: tuple[str, ...], asked: list[Any]) -> None:
    fake = FakeHelm(*statuses)
    release = Helm(fake, "jhub").deploy("hub", chart, VALUES, 90.4)
    assert fake.asked == asked
    assert (release.chart, release.version, release.values) == ("test", "1.2.3", VALUES)
    assert release.digest == digest(chart, VALUES)


def test_deploy_may_leave_the_waiting_to_others(chart: Path) -> None:
    fake = FakeHelm()
    Helm(fake, "jhub").deploy("hub", chart, VALUES, 0.2, wait=False)
    assert fake.asked == [("install", "hub", "test", 1, "hookOnly")]


def test_what_is_wrong_with_the_values_is_said_before_anything_is_touched(chart: Path) -> None:
    fake = FakeHelm()
    with pytest.raises(UsageError, match="at '/replicas': got string, want integer"):
        Helm(fake, "jhub").deploy("hub", chart, {"replicas": "two"}, 90)
    with pytest.raises(UsageError, match="no Helm chart: expected an archive, or a directory"):
        Helm(fake, "jhub").deploy("hub", chart / "templates", {}, 90)
    assert fake.asked == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sdk.HelmCancelledError("Deployment/jhub/hub not ready.\ncontext deadline exceeded"), RemoteError),
        (sdk.HelmKubeError("kubernetes cluster unreachable"), RemoteError),
        (sdk.HelmRenderError("hub.db.url is missing"), UsageError),
    ],
)
def test_helms_errors_keep_their_words(chart: Path, error: sdk.HelmError, kind: type[ChaosJCError]) -> None:
    with pytest.raises(kind) as raised:
        Helm(FakeHelm(fails=error), "jhub").deploy("hub", chart, VALUES, 90)
    assert raised.value.message == f"helm: deploy release jhub/hub: {'; '.join(str(error).splitlines())}"


def test_no_release_is_none_and_no_answer_is_an_error() -> None:
    assert Helm(FakeHelm(), "jhub").release("hub") is None

    class Away(FakeHelm):
        def get_all(self, name: str) -> dict[str, Any]:
            raise sdk.HelmKubeError("connection refused")

    with pytest.raises(RemoteError, match="read release jhub/hub: connection refused"):
        Helm(Away(), "jhub").release("hub")


def _in_memory() -> list[Path]:
    """Files that this process has open and no disk has."""
    opened = Path("/proc/self/fd")
    return [each for each in opened.iterdir() if os.path.lexists(each) and "memfd:kubeconfig" in os.readlink(each)]


def test_a_cluster_that_is_away_is_told_and_the_kubeconfig_is_on_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    helm = Helm.connect(KUBECONFIG, "jhub")
    assert len(_in_memory()) == 1
    for _ in range(2):
        with pytest.raises(RemoteError, match=r"read release jhub/hub: kubernetes cluster unreachable: .*refused"):
            helm.release("hub")
    assert list(tmp_path.iterdir()) == []
    helm.close()
    helm.close()
    assert _in_memory() == []
    with pytest.raises(RemoteError, match="closed"):
        helm.release("hub")


@pytest.mark.parametrize(
    ("status", "said", "found"),
    [
        ("deployed", "chaosjc sha256:12", "sha256:12"),
        ("failed", "chaosjc sha256:12", ""),
        ("pending-upgrade", "chaosjc sha256:12", ""),
        ("deployed", "Upgrade complete", ""),
        ("deployed", "Rollback to 1", ""),
    ],
)
def test_only_a_whole_deploy_of_ours_has_a_digest(status: str, said: str, found: str) -> None:
    assert Release("hub", 1, status, "test", "1", {}, "", said).digest == found


def test_a_digest_is_of_content_alone(chart: Path, tmp_path: Path) -> None:
    before = digest(chart, {"a": 1, "b": {"c": [2]}})
    assert before.startswith("sha256:")
    assert digest(chart, {"b": {"c": [2]}, "a": 1}) == before
    moved = chart.rename(tmp_path / "moved")
    assert digest(moved, {"a": 1, "b": {"c": [2]}}) == before
    for name in (".swp", "__pycache__/x.pyc"):
        (moved / name).parent.mkdir(exist_ok=True)
        (moved / name).write_text("no part of it")
    assert digest(moved, {"a": 1, "b": {"c": [2]}}) == before


def _edit(chart: Path) -> None:
    (chart / "values.yaml").write_text("replicas: 3\n")


def _rename(chart: Path) -> None:
    (chart / "templates" / "all.yaml").rename(chart / "templates" / "some.yaml")


def _add(chart: Path) -> None:
    (chart / ".helmignore").write_text("NOTES.txt\n")


@pytest.mark.parametrize("change", [_edit, _rename, _add])
def test_a_changed_chart_has_another_digest(chart: Path, change: Callable[[Path], None]) -> None:
    before = digest(chart, VALUES)
    change(chart)
    assert digest(chart, VALUES) != before


def test_changed_values_have_another_digest(chart: Path) -> None:
    seen = [digest(chart, values) for values in ({}, {"a": 1}, {"a": "1"}, {"a": None}, {"a": {"b": 1}})]
    assert all(one != other for one, other in itertools.combinations(seen, 2))


def test_an_archive_is_a_chart_too(chart: Path, tmp_path: Path) -> None:
    archive = Path(sdk.package(chart, destination=tmp_path))
    assert digest(archive, {}) != digest(archive, VALUES)
    assert render(archive, VALUES, name="hub", namespace="jhub") == render(chart, VALUES, name="hub", namespace="jhub")


def test_rendering_needs_no_cluster(chart: Path) -> None:
    (rendered,) = render(chart, VALUES, name="hub", namespace="jhub")
    assert rendered["metadata"]["namespace"] == "jhub"
    assert rendered["data"] == {"replicas": "2", "name": "hub"}
    (chart / "templates" / "all.yaml").write_text('{{ required "replicas are missing" .Values.nothing }}')
    with pytest.raises(UsageError, match="replicas are missing"):
        render(chart, VALUES, name="hub", namespace="jhub")


def test_altered_names_what_differs_and_no_value() -> None:
    planned = {"hub": {"image": {"tag": "1"}, "token": "a"}, "proxy": {"port": 80}, "same": [1]}
    found = {"hub": {"image": {"tag": "2"}, "token": "b"}, "proxy": 80, "same": [1], "extra": 1}
    assert altered(planned, found) == ("extra", "hub.image.tag", "hub.token", "proxy")
    assert altered(planned, planned) == ()
