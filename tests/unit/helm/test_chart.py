"""What helm/jupytercloud renders holds together, and refuses what it does not know."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, cast

import helm_python
import pytest

from chaosjc.drivers.helm import render
from chaosjc.errors import UsageError
from tests.unit.helm.charts import CHART, DATABASE, FEWEST, LAB, TOKEN, VALUES, Object, merged, objects, one, template

SECRETS = (TOKEN, "secret-of-the-database", "secret-of-the-client", "secret-of-the-canary")

each_of_both = pytest.mark.parametrize("values", VALUES.values(), ids=list(VALUES))


def within(thing: Any) -> Iterator[Object]:
    """All mappings in there, at any depth."""
    if isinstance(thing, dict):
        found = cast("Object", thing)
        yield found
        for each in found.values():
            yield from within(each)
    elif isinstance(thing, list):
        for each in cast("list[Any]", thing):
            yield from within(each)


def of_kind(kind: str, values: Object) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in objects(values) if each["kind"] == kind}


@each_of_both
def test_helm_has_nothing_to_say_against_it(values: Object) -> None:
    report = helm_python.lint(CHART, values, strict=True, namespace="jhub", kube_version="v1.34.4")
    assert report == {"total_charts_linted": 1, "messages": [], "errors": []}


@each_of_both
def test_names_are_those_of_zero_to_jupyterhub(values: Object) -> None:
    found = {(each["kind"], each["metadata"]["name"]) for each in objects(values)}
    assert found >= {
        *(("Deployment", name) for name in ("hub", "proxy")),
        *(("Service", name) for name in ("hub", "proxy-api", "proxy-public")),
        *((kind, "hub") for kind in ("ServiceAccount", "Secret", "ConfigMap", "Role", "RoleBinding")),
    }
    assert len(found) == len(objects(values))


@each_of_both
@pytest.mark.parametrize("component", ["hub", "proxy"])
def test_selectors_find_their_pods_and_no_others(values: Object, component: str) -> None:
    labels = template(component, values)["metadata"]["labels"]
    assert labels.items() >= {"app": "jupyterhub", "component": component}.items()
    deployment = one("Deployment", component, values)["spec"]
    budgets = [each["spec"]["selector"] for each in of_kind("PodDisruptionBudget", values).values()]
    assert deployment["selector"]["matchLabels"].items() <= labels.items()
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert sum(each["matchLabels"].items() <= labels.items() for each in budgets) == len(budgets) / 2
    found = {
        name for name, each in of_kind("Service", values).items() if each["spec"]["selector"].items() <= labels.items()
    }
    assert found == ({"hub"} if component == "hub" else {"proxy-api", "proxy-public"})


@each_of_both
def test_services_lead_to_ports_that_exist(values: Object) -> None:
    ports = {"hub": {"hub": (8081, 8081)}, "proxy-api": {"api": (8001, 8001)}, "proxy-public": {"http": (80, 8000)}}
    for name, service in of_kind("Service", values).items():
        component = service["spec"]["selector"]["component"]
        (container,) = template(component, values)["spec"]["containers"]
        opened = {each["name"]: each["containerPort"] for each in container["ports"]}
        assert {each["name"]: (each["port"], opened[each["targetPort"]]) for each in service["spec"]["ports"]} == ports[
            name
        ]
        for probe in ("readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] in opened


@each_of_both
def test_whatever_a_pod_refers_to_exists(values: Object) -> None:
    keys = {
        kind: {name: {*each["data"]} for name, each in of_kind(kind, values).items()}
        for kind in ("Secret", "ConfigMap")
    }
    referred = 0
    for component in ("hub", "proxy"):
        spec = template(component, values)["spec"]
        assert {each["name"] for each in spec.get("volumes", [])} >= {
            each["name"] for container in spec["containers"] for each in container.get("volumeMounts", [])
        }
        for each in within(spec):
            for field, kind in (("secret", "Secret"), ("secretKeyRef", "Secret"), ("configMap", "ConfigMap")):
                if field in each:
                    asked = {item["key"] for item in each[field].get("items", [])} | {*[each[field].get("key")]} - {
                        None
                    }
                    assert asked <= keys[kind][each[field]["name"]]
                    referred += 1
    assert referred == 3
    assert template("hub", values)["spec"]["serviceAccountName"] in of_kind("ServiceAccount", values)
    binding = one("RoleBinding", "hub", values)
    assert binding["roleRef"]["name"] in of_kind("Role", values)
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "hub", "namespace": "jhub"}]


def test_the_hub_may_do_with_pods_what_a_spawner_does_and_nothing_else() -> None:
    rules = one("Role", "hub", FEWEST)["rules"]
    assert {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]} == {
        *(("pods", verb) for verb in ("get", "list", "watch", "create", "delete")),
        *(("events", verb) for verb in ("get", "list", "watch")),
    }
    assert template("proxy", FEWEST)["spec"]["automountServiceAccountToken"] is False
    assert not of_kind("ClusterRole", FEWEST)


@each_of_both
def test_images_are_of_a_fixed_version(values: Object) -> None:
    pods = [template(component, values)["spec"]["containers"][0] for component in ("hub", "proxy")]
    user = json.loads(base64.b64decode(one("Secret", "hub", values)["data"]["values.json"]))["singleuser"]["image"]
    images = [
        *((each["image"], each["imagePullPolicy"]) for each in pods),
        (f"{user['name']}:{user['tag']}", user["pullPolicy"]),
    ]
    ours = values is LAB
    for image, policy in images:
        assert image.startswith("lab.local/" if ours else "quay.io/jupyterhub/")
        assert image.rpartition(":")[2] not in ("", "latest")
        assert policy == ("Never" if ours else "IfNotPresent")


def test_secrets_are_in_secrets_alone() -> None:
    shown = json.dumps([each for each in objects(LAB) if each["kind"] != "Secret"])
    for secret in SECRETS:
        assert secret not in shown
        assert base64.b64encode(secret.encode()).decode() not in shown
    data = one("Secret", "hub", LAB)["data"]
    decoded = {key: base64.b64decode(value).decode() for key, value in data.items()}
    assert all(secret in decoded["values.json"] for secret in SECRETS)
    assert decoded["hub.config.ConfigurableHTTPProxy.auth_token"] == TOKEN
    assert decoded["hub.services.canary.apiToken"] == "secret-of-the-canary"
    assert "hub.services.dashboard.apiToken" not in decoded


@pytest.mark.parametrize(
    ("change", "restarted"),
    [
        ({}, set[str]()),
        ({"hub": {"services": {"canary": {"apiToken": "another-token"}}}}, {"hub"}),
        ({"hub": {"config": {"JupyterHub": {"last_activity_interval": 5}}}}, {"hub"}),
        ({"singleuser": {"startTimeout": 60}}, {"hub"}),
        ({"proxy": {"secretToken": "f" * 64}}, {"hub", "proxy"}),
        ({"proxy": {"service": {"nodePorts": {"http": 30081}}}}, set[str]()),
        ({"proxy": {"chp": {"extraEnv": {"NODE_OPTIONS": "--max-old-space-size=96"}}}}, {"proxy"}),
    ],
)
def test_a_changed_value_restarts_who_reads_it(change: Object, restarted: set[str]) -> None:
    changed = merged(LAB, change)
    assert {name for name in ("hub", "proxy") if template(name, changed) != template(name, LAB)} == restarted


def test_nothing_of_it_is_the_whole_clusters() -> None:
    assert not {"PersistentVolume", "PersistentVolumeClaim", "ClusterRole"} & {each["kind"] for each in objects(FEWEST)}
    assert all("namespace" not in each["metadata"] for each in objects(FEWEST))


def test_the_proxys_environment() -> None:
    def environment(values: Object) -> dict[str, str]:
        (container,) = template("proxy", values)["spec"]["containers"]
        return {each["name"]: each["value"] for each in container["env"] if "value" in each}

    assert environment(LAB) == {"NODE_OPTIONS": "--max-old-space-size=64"}
    assert environment(FEWEST) == {}


def test_front_door() -> None:
    (port,) = one("Service", "proxy-public", LAB)["spec"]["ports"]
    assert port == {"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080}
    inside = merged(LAB, {"proxy": {"service": {"type": "ClusterIP"}}})
    assert "nodePort" not in one("Service", "proxy-public", inside)["spec"]["ports"][0]
    below = merged(FEWEST, {"hub": {"baseUrl": "/jupyter/"}})
    assert (
        "--error-target=http://hub:8081/jupyter/hub/error" in template("proxy", below)["spec"]["containers"][0]["args"]
    )
    assert template("hub", below)["spec"]["containers"][0]["readinessProbe"]["httpGet"]["path"] == "/jupyter/hub/health"
    annotations = one("Service", "hub", below)["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == "/jupyter/hub/metrics"


def test_placement_and_pull_secrets() -> None:
    spec = template("hub", LAB)["spec"]
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert spec["tolerations"] == LAB["hub"]["tolerations"]
    assert spec["imagePullSecrets"] == template("proxy", LAB)["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert "imagePullSecrets" not in template("hub", FEWEST)["spec"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hub": {"imag": {}}}, "at '/hub': additional properties 'imag' not allowed"),
        ({"nodes": 3}, "additional properties 'nodes' not allowed"),
        ({"singleuser": {"startTimeout": "5m"}}, "at '/singleuser/startTimeout': got string, want integer"),
        ({"proxy": {"secretToken": "short"}}, "at '/proxy/secretToken': 'short' does not match pattern"),
        ({"proxy": {"secretToken": ""}}, "proxy.secretToken is missing: 32 bytes in hexadecimal"),
        ({"proxy": {"service": {"nodePorts": {"http": 99999}}}}, "at '/proxy/service/nodePorts/http': maximum"),
        ({"hub": {"db": {"url": ""}}}, "hub.db.url is missing: postgresql+psycopg2://"),
        ({"hub": {"db": {"type": "sqlite-pvc"}}}, "at '/hub/db/type': value must be one of 'postgres'"),
        ({"hub": {"image": {"name": "hub:1"}}}, "at '/hub/image/name': 'hub:1' does not match pattern"),
        ({"hub": {"image": {"pullPolicy": "never"}}}, "at '/hub/image/pullPolicy': value must be one of 'Always'"),
        ({"hub": {"config": {"jupyterhub": {}}}}, "jupyterhub"),
        ({"hub": {"loadRoles": {"canary": {"services": ["canary"]}}}}, "missing property 'scopes'"),
        ({"singleuser": {"storage": {"static": {"subPath": "users"}}}}, "subPath"),
    ],
)
def test_wrong_values_are_refused_with_their_place(change: Object, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        render(CHART, merged(FEWEST, change), name="hub", namespace="jhub")
    assert words in refused.value.message
    assert "\n" not in refused.value.message


def test_a_database_in_memory_needs_no_url() -> None:
    values = {"proxy": {"secretToken": TOKEN}, "hub": {"db": {"type": "sqlite-memory"}}}
    stored = json.loads(base64.b64decode(one("Secret", "hub", values)["data"]["values.json"]))
    assert stored["hub"]["db"]["url"] == "sqlite:///:memory:"
    assert DATABASE not in json.dumps(stored)
