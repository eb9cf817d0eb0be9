"""Whether the hub's chart is there and takes the values that it will get: asked of files alone, before all else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from chaosjc.drivers import helm
from chaosjc.drivers.helm import Refused
from chaosjc.errors import UsageError
from chaosjc.site import hub_secrets, hub_values
from chaosjc.site.model import SiteFile
from chaosjc.site.secrets import Secrets
from chaosjc.site.sections import Hub
from chaosjc.spec import reader
from chaosjc.spec.problems import Loc, Problems, did_you_mean
from chaosjc.spec.reader import Document

_PLACEHOLDER = "0" * 64  # of a secret: as long and as plain as those that a site makes
_GOT_WANT = re.compile(r"got (.+), want (.+)")
_CHART, _VALUES, _SECRETS = ("hub", "chart"), ("hub", "values"), ("hub", "secrets")


def check(path: Path, site: SiteFile) -> None:
    """Raise SpecError with all that `refuse` finds in the file of a site that was read from it."""
    problems = Problems()
    document = reader.load(path, problems)
    if document:
        refuse(document, problems, site)
    problems.check()


def refuse(document: Document, problems: Problems, site: SiteFile) -> None:
    """Add a problem for a chart that is not there, and for every value that its schema does not take."""
    if site.hub is None:
        return
    hub = site.hub.beside(Path(document.path).parent)
    try:
        found = helm.refused(hub_values.chart(hub), _values(site, hub))
    except UsageError as error:
        problems.add(document.problem(_CHART, error.message))
        return
    for loc, message in _told(document, hub, found):
        problems.add(document.problem(loc, message, document.key_place(loc)))


def _values(site: SiteFile, hub: Hub) -> dict[str, Any]:
    """As a deploy would give them, but for what is not known yet."""
    secrets = Secrets(**{each.name: _PLACEHOLDER for each in fields(Secrets)})
    given = hub_values.values(site, hub, secrets, {})
    return hub_values.merged(given, hub_secrets.placed(dict.fromkeys(hub.secrets, _PLACEHOLDER)))


def _told(document: Document, hub: Hub, found: tuple[Refused, ...]) -> Iterator[tuple[Loc, str]]:
    for each in found:
        if (loc := _place(document, hub, each)) is not None:
            yield loc, f"{'.'.join(each.path)}: {_why(each)}" if loc == _CHART else _why(each)


def _place(document: Document, hub: Hub, refused: Refused) -> Loc | None:
    """Where in the file it is said; the chart's own place for what the site says. None for a placeholder."""
    path = ".".join(refused.path)
    if path in hub.secrets and refused.why:
        return None
    if named := next((each for each in hub.secrets if f"{each}.".startswith(f"{path}.")), ""):
        return (*_SECRETS, named)
    value, loc = cast("object", hub.values), (*_VALUES,)
    for step in refused.path:
        if isinstance(value, Mapping) and step in value:
            value, loc = cast("Mapping[str, object]", value)[step], (*loc, step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(cast("list[object]", value)):
            value, loc = cast("list[object]", value)[int(step)], (*loc, int(step))
        else:
            return _CHART
    return loc


def _why(refused: Refused) -> str:
    if not refused.why:
        return f"the chart has no such value; {did_you_mean(refused.path[-1], refused.known)}"
    if found := _GOT_WANT.fullmatch(refused.why):
        return f"the chart expects {found[2]}, not {found[1]}"
    return f"the chart does not take it: {refused.why}"
