"""Values of variables as they stand after `--set NAME=`: what is written here is read as the same value again."""

from __future__ import annotations

import json
import math
import re

from pydantic import JsonValue

from chaosjc.spec.reader import scalar

_QUOTED = re.compile('"(.*)"', re.DOTALL)


def read(text: str) -> object:
    """As in a file, so that 3 is a number and true a boolean; between double quotes, a text as it is."""
    quoted = _QUOTED.fullmatch(text)
    return quoted[1] if quoted else scalar(text)


def write(value: JsonValue) -> str:
    """What `read` takes for this value; a text has quotes only where it would be taken for something else."""
    text = plain(value)
    return f'"{text}"' if isinstance(value, str) and read(text) != text else text


def plain(value: JsonValue) -> str:
    """The same without quotes, for people who see from its place what it is."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return _float(value) if isinstance(value, float) else str(value)


def _float(value: float) -> str:
    """All digits, and always with a sign of being no whole number: a variable keeps its type."""
    if math.isfinite(value):
        return repr(value)
    return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
