"""The chart, values to render it with, and what came of that."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from chaosjc.drivers.helm import render

CHART = Path(__file__).parents[3] / "helm" / "jupytercloud"
SHAPED = Path(__file__).with_name("shaped")
"""In the shape of zero-to-jupyterhub, with a Secret that it makes at random and a hook."""
TOKEN = "0123456789abcdef" * 4
DATABASE = "postgresql+psycopg2://hub@monitor:5432/hub"

Object = dict[str, Any]

FEWEST: Object = {"proxy": {"secretToken": TOKEN}, "hub": {"db": {"url": DATABASE}}}
"""The values without which the chart's own make no hub."""

LAB: Object = yaml.safe_load(Path(__file__).with_name("lab.yaml").read_text())
VALUES = {"defaults": FEWEST, "lab": LAB}


def merged(values: Mapping[str, Any], other: Mapping[str, Any]) -> Object:
    """`other` over `values`, as Helm does it."""
    both = {key: merged(values[key], value) for key, value in other.items() if _mappings(values.get(key), value)}
    return {**values, **other, **both}


def _mappings(one: object, other: object) -> bool:
    return isinstance(one, Mapping) and isinstance(other, Mapping)


@functools.cache
def _rendered(values: str, namespace: str) -> str:
    return json.dumps(render(CHART, json.loads(values), name="hub", namespace=namespace))


def objects(values: Mapping[str, Any], namespace: str = "jhub") -> list[Object]:
    """What the chart makes of values."""
    return json.loads(_rendered(json.dumps(values), namespace))


def one(kind: str, name: str, values: Mapping[str, Any]) -> Object:
    """The object of that kind and name."""
    (found,) = [each for each in objects(values) if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def template(name: str, values: Mapping[str, Any]) -> Object:
    """The pods of a Deployment."""
    return one("Deployment", name, values)["spec"]["template"]


def mounted(values: Mapping[str, Any]) -> dict[str, str]:
    """The files of the hub's pod by name."""
    files: dict[str, str] = dict(one("ConfigMap", "hub", values)["data"])
    return files | {"values.json": base64.b64decode(one("Secret", "hub", values)["data"]["values.json"]).decode()}
