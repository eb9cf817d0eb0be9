"""Secrets do not get into the journal, nor into what people read of it.

What a program or a service says may repeat a secret of this process's environment: it is hidden before it is kept. A
plan is what undo works from, and stays as it is: one that has a secret in it is refused.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping

HIDDEN = "•••"
SHORTEST = 8
"""Characters of a value that is taken for a secret: shorter ones would be found in words that are none."""
_NAME = re.compile(r"(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIAL)", re.I)
_PLACE = re.compile(r"_(FILE|PATH|DIR|DIRECTORY|URL)$", re.I)  # where a secret lies


def secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that hold one, by their names, the longest first."""
    found = {
        name: value
        for name, value in environment.items()
        if len(value) >= SHORTEST and _NAME.search(name) and not _PLACE.search(name) and not os.path.exists(value)
    }
    return dict(sorted(found.items(), key=lambda each: -len(each[1])))


def hide(text: str, secrets: Mapping[str, str]) -> str:
    """The text, also such as is within JSON, without them."""
    for value in filter(None, secrets.values()):
        for form in {value, _in_json(value)}:
            text = text.replace(form, HIDDEN)
    return text


def told_in(text: str, secrets: Mapping[str, str]) -> str:
    """The name of the first whose value the text has; empty where it has none."""
    return next((name for name, value in secrets.items() if value in text or _in_json(value) in text), "")


def _in_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]
