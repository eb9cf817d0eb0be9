"""The page is right in light, in dark and on paper: all colours are in both palettes, and all text can be read."""

from __future__ import annotations

import re
from importlib import resources
from typing import TypeAlias

import pytest

from chaosjc.report.html import html
from tests.unit.report import journals, storage
from tests.unit.report.test_html import Page

Colour: TypeAlias = tuple[float, float, float]
STYLE = resources.files("chaosjc.report").joinpath("style.css").read_text("utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): ([^;]+);", palette))
    for palette in re.findall(r":root \{\n(.*?)\n *\}", STYLE, re.DOTALL)[:2]
)
FONTS = {"mono"}
STROKES = {*(f"s{n}" for n in range(6)), "sx", "violated"}
"""What is the `color` of lines and dots only."""
READABLE = 4.5
"""Of text, by WCAG 2.1 (AA)."""


def rgb(value: str, below: Colour = (255, 255, 255)) -> Colour:
    """#rgb, #rrggbb, or rgb(r g b / a) over what is below."""
    if value.startswith("#"):
        digits = value[1:] if len(value) == 7 else "".join(each * 2 for each in value[1:])
        red, green, blue = (int(digits[at : at + 2], 16) for at in (0, 2, 4))
        return red, green, blue
    red, green, blue, alpha = map(float, re.findall(r"[\d.]+", value))
    mixed = [alpha * over + (1 - alpha) * under for over, under in zip((red, green, blue), below, strict=True)]
    return mixed[0], mixed[1], mixed[2]


def luminance(colour: Colour) -> float:
    parts = [each / 255 for each in colour]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Colour, other: Colour) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def grounds(palette: dict[str, str]) -> dict[str, Colour]:
    """All that text stands on: page, panel, the strip of phases, a plot's shades."""
    page = rgb(palette["bg"])
    shaded = rgb(palette["fault-shade"], page)
    return {
        "bg": page,
        "panel": rgb(palette["panel"]),
        "phase": rgb(palette["phase"]),
        "fault-shade": shaded,
        "wrong-side": rgb(palette["wrong-side"], page),
        "wrong-side in fault-shade": rgb(palette["wrong-side"], shaded),
    }


def texts() -> set[str]:
    """The variables that are the colour of text."""
    rules = [(each[0].strip(), each[1]) for each in re.findall(r"([^{}]+)\{([^{}]*)\}", STYLE)]
    found = {name for _, body in rules for name in re.findall(r"(?<![\w-])(?:color|--tone): var\(--([\w-]+)\)", body)}
    drawn = [body for selector, body in rules if ".plot text" in selector or re.search(r"-name|-note|-label", selector)]
    filled = {name for body in drawn for name in re.findall(r"(?<![\w-])fill: var\(--([\w-]+)\)", body)}
    return (found - STROKES - {"tone"}) | filled


def test_both_palettes_have_every_colour() -> None:
    used = set(re.findall(r"var\(--([\w-]+)\)", STYLE)) - {"tone"}
    assert used - FONTS == LIGHT.keys() - FONTS == DARK.keys()


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_on_all_that_it_stands_on(palette: dict[str, str]) -> None:
    found = texts()
    assert {"text", "muted", "good", "bad", "unsure", "idle", "danger"} <= found
    poor = {
        (name, ground): round(ratio, 2)
        for name in found
        for ground, colour in grounds(palette).items()
        if (ratio := contrast(rgb(palette[name]), colour)) < READABLE
    }
    assert poor == {}


def test_paper_is_light_and_the_text_of_drawings_is_not_small_there() -> None:
    """A drawing of 960 px is 521 points wide on A4."""
    assert "@media screen and (prefers-color-scheme: dark)" in STYLE
    paper = STYLE[STYLE.index("@media print") :]
    sizes = [int(each) for each in re.findall(r"\.plot text \{ font-size: (\d+)px", paper)]
    assert [size * 521 / 960 >= 8 for size in sizes] == [True]
    assert "::details-content" not in STYLE, "only the newest browsers know it"


def test_the_file_is_open_since_no_paper_opens_it() -> None:
    (details,) = [attributes for tag, attributes in Page(html(journals.passed())).tags if tag == "details"]
    assert "open" in details


def test_headings_say_of_what() -> None:
    for entries in (journals.failed(), storage.frozen()):
        scopes = {attributes.get("scope") for tag, attributes in Page(html(entries)).tags if tag == "th"}
        assert scopes == {"col"}


def test_the_key_has_all_that_is_drawn() -> None:
    text = Page(html(journals.passed())).text
    key = text[text.index("injectingbroken") : text.index("recovering", text.index("injectingbroken"))]
    assert "no datanot judged" in key
