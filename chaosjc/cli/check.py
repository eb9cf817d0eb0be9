"""`chaosjc check`: validate files offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def check(
    files: Annotated[
        list[Path], typer.Argument(help="Experiment, site and schedule files, or directories of them.", readable=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read files without touching anything. All errors of all files at once; exit code 2 if there is any."""
    from chaosjc.cli.files import yaml_files
    from chaosjc.controller import model as schedules
    from chaosjc.engine.experiment import Experiment
    from chaosjc.site import calendar, clear, hub_chart
    from chaosjc.site.model import SiteFile
    from chaosjc.spec import reader
    from chaosjc.spec.model import Model
    from chaosjc.spec.problems import Loc, Problems
    from chaosjc.spec.validate import choose, validate
    from chaosjc.spec.variables import substitute

    kinds: dict[str, type[Model]] = {"Experiment": Experiment, "Site": SiteFile, "Schedule": schedules.Schedule}
    calendars: dict[type[Model] | None, Loc] = {SiteFile: ("policy", "calendar"), schedules.Schedule: ("calendar",)}
    problems = Problems()
    paths = yaml_files(files, problems)
    for path in paths:
        document = reader.load(path, problems)
        model = choose(document, kinds, problems) if document else None
        if document and model is Experiment:
            document, _ = substitute(document, problems)
        found = validate(document, model, problems) if document and model else None
        if document and isinstance(found, schedules.Schedule):
            schedules.check_files(document, found, problems)
        if document and found is None and model in calendars:
            calendar.look(document, calendars[model], problems)
        if document and model is SiteFile:
            clear.refuse(document, problems, str(document.value(("environment",))))
        if document and isinstance(found, SiteFile):
            found.policy.read(document, problems)
            hub_chart.refuse(document, problems, found)
    if as_json:
        typer.echo(
            json.dumps({"files": [str(path) for path in paths], "errors": [str(each) for each in problems.told()]})
        )
        if len(problems):
            raise typer.Exit(2)
        return
    problems.check()
    typer.echo(f"{len(paths)} file{'s' if len(paths) != 1 else ''}: no errors")
