"""A hub's configuration, executed: what it sets of the values that its chart hands it."""

from __future__ import annotations

import base64
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaosjc.drivers.helm import render

FILE = "jupyterhub_config.py"


class Section(dict[str, Any]):
    """Traits of one class, set as traitlets has it: by attribute or by key; one that is not set can be added to."""

    __setattr__ = dict[str, Any].__setitem__

    def __getattr__(self, name: str) -> Any:
        return self.setdefault(name, [])


class Config(dict[str, Section]):
    """Records what is set; a class exists as soon as it is named."""

    def __missing__(self, name: str) -> Section:
        self[name] = Section()
        return self[name]

    def __getattr__(self, name: str) -> Section:
        return self[name]


def executed(files: Mapping[str, str], directory: Path) -> Config:
    """Run jupyterhub_config.py beside the other files, as the hub's pod has them."""
    config = Config()
    for name, text in files.items():
        (directory / name).write_text(text)
    runpy.run_path(str(directory / FILE), {"get_config": lambda: config})
    return config


def files(chart: Path, values: Mapping[str, Any]) -> dict[str, str]:
    """Those of the ConfigMap and of the Secret `hub`, which charts give to the hub's pod."""
    objects = [
        each for each in render(chart, values, name="hub", namespace="jhub") if each["metadata"]["name"] == "hub"
    ]
    (config,) = [each["data"] for each in objects if each["kind"] == "ConfigMap"]
    (secret,) = [each["data"] for each in objects if each["kind"] == "Secret"]
    return config | {name: base64.b64decode(text).decode() for name, text in secret.items()}
