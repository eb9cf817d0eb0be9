"""The parts of the file about the site: whom and what the plan reached, and how the site was found."""

from __future__ import annotations

from collections.abc import Sequence

from chaosjc.journal.events import Fact, Reached
from chaosjc.report import tables, words
from chaosjc.report.markup import Child, Markup, join, tag
from chaosjc.report.story import Story

NAMES = 12
"""Of one kind that are named; the rest is counted."""
AS_IT_SAYS = "All is as the site file says"


def blast_radius(story: Story) -> Markup:
    """How many of each kind the plan reached, by the site as it was found; nothing where no site was asked."""
    planned = story.planned
    if not planned.reached:
        return join()
    chosen, eligible = len(planned.targets), len(planned.targets) + len(planned.others)
    rows = [_row(each) for each in planned.reached]
    if eligible:
        rows.insert(0, ["targets", f"{chosen} of {eligible}", _listed(planned.targets, chosen)])
    lead = "What the plan reached before anything was broken. People are counted and not named, canaries left out."
    return join(tag("p", lead, class_="muted"), tables.table(["kind", "#how many", "which"], rows))


def _row(found: Reached) -> list[Child]:
    if found.unknown:
        return [found.kind, words.NONE, tag("span", f"not known: {found.unknown}", class_="muted")]
    return [found.kind, str(found.count), _listed(found.names, found.count)]


def _listed(names: tuple[str, ...], count: int) -> str:
    shown = names[:NAMES]
    rest = f"{count - len(shown)} more" if shown else "not named"
    return ", ".join([*shown, *([rest] if count > len(shown) else [])])


def facts(story: Story) -> Markup:
    """What the site file expects beside what was found just before the run: what differs in a table, the rest below."""
    found = story.planned.facts
    if not found:
        return join()
    differing = [each for each in found if each.observed not in ("", each.expected)]
    unknown = [each for each in found if not each.observed]
    said = f"{len(differing)} of {len(found)} are not as the site file says" if differing else AS_IT_SAYS
    silent = f"; {len(unknown)} could not be looked at" if unknown else ""
    lead = f"{said}{silent}. Of the parts that the experiment touches, as they were when it was planned."
    rows = [*(_fact(each, "✗ differs", "violated") for each in differing)]
    rows += [_fact(each, "? not known", "nodata") for each in unknown]
    table = tables.table(["", "what", "expected", "found"], rows) if rows else None
    return join(
        tag("p", lead, class_="muted"), table, _same([each for each in found if each.observed == each.expected])
    )


def _fact(fact: Fact, said: str, class_: str) -> list[Child]:
    state = tag("span", said, class_=f"state {class_}")
    return [state, fact.name, tag("code", fact.expected), tag("code", fact.observed or words.NONE)]


def _same(found: Sequence[Fact]) -> Markup:
    """By part, `volume homes` of `volume homes: network.ping-timeout`, each with its value."""
    by_part: dict[str, list[str]] = {}
    for fact in found:
        part, _, what = fact.name.partition(": ")
        by_part.setdefault(part, []).append(f"{what} {fact.observed}".strip())
    return tables.facts({f"✓ {part}": tag("code", "; ".join(told)) for part, told in by_part.items()})
