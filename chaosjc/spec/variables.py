"""`$name` and `${name}` in the texts of a file: replaced before the file is looked at, `$targets` and `$others` at planning.

A `$` that no name follows stays (`^(a|b)$`, `$1`), and `$$name` is the text `$name`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from chaosjc.errors import Problem
from chaosjc.spec.problems import Loc, Problems, describe, did_you_mean, quote
from chaosjc.spec.reader import Document

PLANNED = ("targets", "others")
"""Names whose values are known when targets have been chosen."""

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_USE = re.compile(rf"(?P<escape>\$?)\$(?:(?P<name>{_NAME})|\{{(?P<braced>{_NAME})\}})|\$\$")
