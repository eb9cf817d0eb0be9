"""Files and settings that several verbs read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chaosjc.errors import Problem, UsageError

if TYPE_CHECKING:
    from chaosjc.site.model import SiteFile
    from chaosjc.spec.problems import Problems


def experiment_files(paths: Iterable[Path]) -> list[Path]:
    """Files as they are named; a directory stands for its YAML files, sorted. SpecError names each that has none."""
    from chaosjc.spec.problems import Problems

    problems = Problems()
    found = yaml_files(paths, problems)
    problems.check()
    return found


def yaml_files(paths: Iterable[Path], problems: Problems) -> list[Path]:
    """`experiment_files` that goes on: a directory without any becomes a problem."""
    from chaosjc.spec.reader import files_of

    found: list[Path] = []
    for path in paths:
        inside = files_of(path)
        if not inside:
            problems.add(Problem(str(path), 0, 0, "", "holds no YAML file"))
        found += inside
    return found


def read_site(path: Path | None) -> SiteFile | None:
    """The site file, if one is named. Raises SpecError."""
    if path is None:
        return None
    from chaosjc.site.model import load

    return load(path)


def parse_settings(settings: Sequence[str]) -> dict[str, object]:
    """`K=V` → {K: V}; a value is read as in a file, so that 3 is a number, true a boolean, and "3" a text."""
    from chaosjc.spec.settings import read

    found: dict[str, object] = {}
    for each in settings:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {each}: expected K=V")
        found[name] = read(value)
    return found


def write(path: Path, text: str) -> None:
    """A file that was asked for, with its directories. Raises UsageError that says why it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
