"""Helm's releases in one namespace of a cluster, and what a chart makes of values without any cluster.

The release itself says whether it is as planned: `deploy` writes a digest of chart and values into its description,
which Helm replaces whenever anyone else touches the release, and whenever a deploy fails.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import weakref
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from chaosjc.errors import RemoteError, UsageError

HISTORY = 5  # revisions that the cluster keeps of a release
MARK = "chaosjc "  # before the digest, in a release's description
ONCE_DEPLOYED = ("deployed", "superseded")

Values = Mapping[str, Any]
Object = dict[str, Any]

_REFUSED = re.compile(r" *- at '(.*?)': (.*)")
_UNKNOWN = re.compile(r"additional propert(?:y|ies) (.*) not allowed")
_KEY = re.compile(r"'((?:[^'\\]|\\.)*)'")


@dataclass(frozen=True)
class Release:
    """The newest revision of a release. `values` are those given, without the chart's defaults.

    `status` is Helm's: deployed, failed, pending-install, pending-upgrade, pending-rollback, uninstalling. `said` is
    its description, for a failure the reason. `digest` is what `digest` gave for the chart and values deployed; empty
    where the revision is not, or not wholly, chaosjc's.
    """

    name: str
    revision: int
    status: str
    chart: str
    version: str
    values: Values
    manifest: str
    said: str = ""

    @property
    def digest(self) -> str:
        """Of chart and values, if this revision was deployed by chaosjc and came up."""
        return self.said.removeprefix(MARK) if self.status == "deployed" and self.said.startswith(MARK) else ""


@dataclass(frozen=True)
class Refused:
    """A value that a chart does not take: the way to it, and why. An unknown one has no `why`, but the keys `known`."""

    path: tuple[str, ...]
    why: str = ""
    known: tuple[str, ...] = ()


class Helm:
    """The releases of one namespace. Safe to share between threads that deploy different releases.

    Raises RemoteError with what Helm said; UsageError where the chart or the values are wrong.
    """

    def __init__(self, config: Any, namespace: str, close: Callable[[], None] = lambda: None) -> None:
        self._config = config
        self.namespace = namespace
        self._close = weakref.finalize(self, close)

    @classmethod
    def connect(cls, kubeconfig: str, namespace: str) -> Self:
        """A client by the text of a kubeconfig; the cluster is not asked yet.

        Helm reads it again and again, from memory: a file would be left behind, key and all, by a killed process.
        """
        import helm_python

        memory = os.memfd_create("kubeconfig")
        os.write(memory, kubeconfig.encode())
        with _asking(f"helm: namespace {namespace}"):
            config = helm_python.Config(kubeconfig_path=f"/proc/self/fd/{memory}", namespace=namespace)
        return cls(config, namespace, functools.partial(os.close, memory))

    def release(self, name: str) -> Release | None:
        """Its newest revision; None where there is none."""
        from helm_python import HelmNotFoundError

        with self._asking("read", name):
            try:
                return _release(self._config.get_all(name))
            except HelmNotFoundError:
                return None

    def deploy(self, name: str, chart: Path, values: Values, timeout: float, *, wait: bool = True) -> Release:
        """Install or upgrade, and wait up to `timeout` seconds until all of it is ready, or only until it is accepted.

        Also mends what an earlier deploy left. A release that never came up is removed and installed anew, since Helm
        would report what is left of it as this one's failure; one that was cut short is rolled back, since Helm would
        refuse it. Makes the namespace; values not given return to the chart's defaults.
        """
        before = self.release(name)
        options = self._options(chart, values, timeout, wait=wait)
        if before and not self._ever_deployed(name):
            self.uninstall(name, timeout)
            before = None
        elif before and before.status.startswith("pending-"):
            self._roll_back(name, timeout)
        with _loaded(chart) as loaded, self._asking("deploy", name):
            loaded.validate_schema(dict(values))
            if before:
                self._config.upgrade(loaded, name, dict(values), reset_values=True, max_history=HISTORY, **options)
            else:
                self._config.install(loaded, name, dict(values), create_namespace=True, **options)
        deployed = self.release(name)
        if deployed is None:
            raise RemoteError(f"helm: release {self.namespace}/{name} was removed while it was deployed")
        return deployed

    def uninstall(self, name: str, timeout: float = 60.0) -> None:
        """Remove its objects, but those that the chart keeps; also right when it is gone already."""
        with self._asking("uninstall", name):
            self._config.uninstall(name, ignore_not_found=True, timeout=_seconds(timeout), wait="watcher")

    def close(self) -> None:
        """Forget the kubeconfig."""
        self._config.close()
        self._close()

    def _options(self, chart: Path, values: Values, timeout: float, *, wait: bool) -> dict[str, Any]:
        return {
            "timeout": _seconds(timeout),
            "wait": "watcher" if wait else "hookOnly",
            "description": MARK + digest(chart, values),
        }

    def _history(self, name: str) -> list[dict[str, Any]]:
        with self._asking("read the history of", name):
            return self._config.history(name)

    def _ever_deployed(self, name: str) -> bool:
        return any(each["status"] in ONCE_DEPLOYED for each in self._history(name))

    def _roll_back(self, name: str, timeout: float) -> None:
        good = max(each["revision"] for each in self._history(name) if each["status"] in ONCE_DEPLOYED)
        with self._asking("roll back", name):
            self._config.rollback(name, version=good, timeout=_seconds(timeout))

    def _asking(self, verb: str, name: str) -> contextlib.AbstractContextManager[None]:
        hint = f"kubectl --namespace {self.namespace} get pods,events"
        return _asking(f"helm: {verb} release {self.namespace}/{name}", hint)


def manager() -> str:
    """Under which name Helm owns the fields that it applies: this program's, as the kernel has it (Go's os.Args)."""
    return Path(Path("/proc/self/cmdline").read_bytes().split(b"\0")[0].decode()).name


def render(chart: Path, values: Values, *, name: str, namespace: str) -> list[Object]:
    """The objects that a first install would make, hooks too, in the order of the chart's files.

    Asks no cluster: a chart's `lookup` finds nothing, and what it makes at random is new each time. So this is for
    looking at: nothing of it may be applied. Raises UsageError with what is wrong with chart or values.
    """
    with _loaded(chart) as loaded, _asking(f"{chart}"):
        files: dict[str, str] = loaded.render(dict(values), name=name, namespace=namespace, is_install=True)
    return [each for path, text in sorted(files.items()) if not path.endswith(".txt") for each in objects(text)]


def objects(manifest: str) -> list[Object]:
    """Those of a manifest; that of a release has no hooks, and all secrets as they were deployed."""
    import yaml

    return [each for each in yaml.safe_load_all(manifest) if each]


def identity(thing: Object) -> str:
    """`Deployment/hub`, and its namespace before the name where it says one: unique within a release."""
    metadata = thing["metadata"]
    return "/".join([thing["kind"], *([metadata["namespace"]] if "namespace" in metadata else []), metadata["name"]])


def generated(chart: Path, values: Values, *, name: str, namespace: str) -> frozenset[str]:
    """The Secrets, by identity, that the chart makes at random unless the cluster has them: each render has others."""

    def secrets() -> dict[str, Object]:
        rendered = render(chart, values, name=name, namespace=namespace)
        return {identity(each): each for each in rendered if each["kind"] == "Secret"}

    one, other = secrets(), secrets()
    return frozenset(each for each in one if one[each] != other.get(each))


def refused(chart: Path, values: Values) -> tuple[Refused, ...]:
    """What the chart's own schema has against values. Raises UsageError where there is no chart."""
    import helm_python

    _must_exist(chart)
    with _loaded(chart) as loaded:
        try:
            loaded.validate_schema(dict(values))
        except helm_python.HelmValuesError as error:
            return tuple(dict.fromkeys(_refused(str(error), loaded.values)))
    return ()


def _refused(said: str, known: Values) -> Iterable[Refused]:
    """Helm's lines; one that something "failed" has its reasons below it."""
    for pointer, why in _REFUSED.findall(said):
        path = tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
        if unknown := _UNKNOWN.fullmatch(why):
            keys = tuple(_below(known, path))
            yield from (Refused((*path, each.replace("\\'", "'")), known=keys) for each in _KEY.findall(unknown[1]))
        elif not why.endswith("failed"):
            yield Refused(path, why)


def _below(values: Any, path: Iterable[str]) -> Values:
    for step in path:
        values = cast("Values", values).get(step) if isinstance(values, Mapping) else None
    return cast("Values", values) if isinstance(values, Mapping) else {}


def digest(chart: Path, values: Values) -> str:
    """`sha256:…` of a chart, a directory or an archive, with the values; equal for equal objects. Raises UsageError."""
    whole = hashlib.sha256()
    for name, content in _contents(chart):
        whole.update(f"{name}\0{len(content)}\0".encode() + content)
    whole.update(json.dumps(values, sort_keys=True, default=dict).encode())
    return f"sha256:{whole.hexdigest()}"


def altered(planned: Values, found: Values, above: str = "") -> tuple[str, ...]:
    """The dotted names of all values that are not as planned, in order; names only, since values may be secrets."""
    names: list[str] = []
    for key in sorted({*planned, *found}):
        one, other = planned.get(key), found.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            names += altered(cast("Values", one), cast("Values", other), f"{above}{key}.")
        elif one != other:
            names.append(above + key)
    return tuple(names)


def _contents(chart: Path) -> Iterable[tuple[str, bytes]]:
    """Each file of the chart by its path within; neither hidden ones nor those that Python leaves."""
    if chart.is_file():
        return [("", chart.read_bytes())]
    _must_exist(chart)
    files = {path.relative_to(chart): path for path in sorted(chart.rglob("*")) if path.is_file()}
    shown = {name: path for name, path in files.items() if not _ignored(name)}
    return [(name.as_posix(), path.read_bytes()) for name, path in shown.items()]


def _must_exist(chart: Path) -> None:
    if not chart.is_file() and not (chart / "Chart.yaml").is_file():
        raise UsageError(f"{chart}: no Helm chart: expected an archive, or a directory with Chart.yaml")


def _ignored(name: Path) -> bool:
    return any(part == "__pycache__" or (part.startswith(".") and part != ".helmignore") for part in name.parts)


@contextlib.contextmanager
def _loaded(chart: Path) -> Generator[Any]:
    import helm_python

    with _asking(f"{chart}"):
        loaded = helm_python.Chart.load(chart)
    with loaded:
        yield loaded


@contextlib.contextmanager
def _asking(what: str, hint: str = "") -> Generator[None]:
    """Helm's errors as ours: the chart and values are the user's to mend, all else is the cluster's."""
    import helm_python as helm

    try:
        yield
    except (helm.HelmChartLoadError, helm.HelmChartInvalidError, helm.HelmValuesError, helm.HelmRenderError) as error:
        raise UsageError(f"{what}: {_said(error)}") from error
    except helm.HelmError as error:
        raise RemoteError(f"{what}: {_said(error)}", hint=hint) from error


def _said(error: Exception) -> str:
    """Helm's lines as one."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines).replace(":; ", ": ") or type(error).__name__


def _seconds(timeout: float) -> int:
    return max(1, round(timeout))


def _release(whole: Mapping[str, Any]) -> Release:
    summary = whole["summary"]
    return Release(
        name=summary["name"],
        revision=summary["revision"],
        status=summary["status"],
        chart=summary.get("chart_name", ""),
        version=summary.get("chart_version", ""),
        values=whole.get("config") or {},
        manifest=summary.get("manifest", ""),
        said=whole["info"].get("description", ""),
    )
