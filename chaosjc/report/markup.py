"""HTML, SVG and XML as values: escaping happens by itself, and only `Markup` is not escaped."""

from __future__ import annotations

import html
import re
from typing import TypeAlias

_VOID = frozenset({"meta", "br", "hr", "link"})
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
"""What no XML may hold, and what could turn the direction of the text that follows."""


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child: TypeAlias = "str | int | float | None"


def clean(text: str) -> str:
    """The text with control characters made visible as U+FFFD, so that it is legal everywhere and shows what it is.

    A carriage return is one of them, which on a terminal writes over the line; but for those of Windows' line ends.
    """
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def escape(child: Child) -> str:
    """Markup as it is, anything else escaped; None is nothing."""
    if isinstance(child, Markup):
        return child
    return "" if child is None else html.escape(clean(str(child)))


def join(*children: Child) -> Markup:
    """Children side by side."""
    return Markup("".join(map(escape, children)))


def tag(name: str, /, *children: Child, **attributes: Child | bool) -> Markup:
    """One element. `class_` is class, `_` in a name is `-`; True is an attribute without value, None and False none."""
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        shown = key.rstrip("_").replace("_", "-")
        parts.append(shown if value is True else f'{shown}="{escape(value)}"')
    start = f"<{' '.join(parts)}>"
    return Markup(start if name in _VOID else f"{start}{join(*children)}</{name}>")
