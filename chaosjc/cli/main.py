"""The command `chaosjc`: finds the verb's module, imports that one alone, and maps what it raises to an exit code."""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from chaosjc import __version__
from chaosjc.errors import ChaosJCError, JournalError, UsageError
from chaosjc.journal import redact
from chaosjc.report.markup import clean

INTERNAL_ERROR = 70

VERBS: dict[str, tuple[str, str]] = {
    "lab": ("chaosjc.cli.lab", "The OpenStack in a box: up, down, status, reset, shell."),
    "site": ("chaosjc.cli.site", "A JupyterCloud: discover, plan, deploy, verify, status, destroy."),
    "check": ("chaosjc.cli.check", "Validate files offline; prints all errors at once."),
    "run": ("chaosjc.cli.run", "Run experiments; --dry-run prints the whole plan."),
    "runs": ("chaosjc.cli.runs", "Past runs: list, show."),
    "report": ("chaosjc.cli.report", "A run as a self-contained HTML file, or JUnit."),
    "schedule": ("chaosjc.cli.schedule", "What runs by itself: preview, list."),
    "serve": ("chaosjc.cli.serve", "The controller of a site: run what falls due."),
    "recover": ("chaosjc.cli.recover", "Undo whatever a dead run left behind."),
    "canary": ("chaosjc.cli.canary", "Exporters: the synthetic users of hub and storage, and GlusterFS."),
    "halt": ("chaosjc.cli.halt", "The kill switch: stop every run, start none."),
    "resume": ("chaosjc.cli.resume", "Release the kill switch."),
}


_COMPLETION = ("install_completion", "show_completion")


class _Later(TyperCommand):
    """A verb that is imported when it is used, so that help and the other verbs start at once."""

    def __init__(self, name: str, module: str, help_text: str) -> None:
        super().__init__(name, help=help_text)
        self._module = module

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Hand over to the real command, which completes nothing by itself: it is a part of this one."""
        command = typer.main.get_command(import_module(self._module).app)
        command.params = [each for each in command.params if each.name not in _COMPLETION]
        return command.make_context(*args, **kwargs)


class _Verbs(TyperGroup):
    """All verbs, in the order of VERBS."""

    def list_commands(self, ctx: Any) -> list[str]:
        """As a person meets them."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in that imports the verb when it runs."""
        return _Later(cmd_name, *VERBS[cmd_name]) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """What was mistyped is told what it may have meant."""
        if args[0] not in VERBS:
            from chaosjc.spec.problems import did_you_mean, quote

            ctx.fail(f"there is no command {quote(args[0])}; {did_you_mean(args[0], VERBS)}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chaosjc {__version__}")
        raise typer.Exit


@app.callback()
def chaosjc(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Which one.")
    ] = False,
) -> None:
    """Chaos engineering for JupyterCloud: break it on purpose, put it back, tell the truth about what happened."""
    del version


def main() -> None:
    """Run the command line. Exit codes: those of the verdicts, 2 for usage and bad files, 70 for an error of ours."""
    try:
        if "--json" not in sys.argv:
            app()
        sys.exit(app(standalone_mode=False) or 0)  # a mistake in the arguments is an object then, too
    except UsageError as error:
        fail(str(error), 2)
    except JournalError as error:
        fail(str(error), INTERNAL_ERROR)  # 1 would say that something was measured
    except ChaosJCError as error:
        fail(str(error), 1)
    except TyperException as error:
        told = getattr(error, "format_message", None)
        fail(told() if told else str(error), 2)
    except KeyboardInterrupt:
        fail("interrupted", 130)
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user
        fail(f"internal error: {type(error).__name__}: {error}\n  details: {_keep_traceback()}", INTERNAL_ERROR)


def fail(message: str, code: int) -> None:
    """The last words, for people and, with `--json`, for programs; no secret of the environment is among them.

    They may be those of a file or a server: nothing in them steers a terminal.
    """
    message = clean(redact.hide(message, redact.secrets(os.environ)))
    if "--json" in sys.argv and code in (2, INTERNAL_ERROR):
        sys.stdout.write(json.dumps({"errors": message.splitlines()}) + "\n")
    sys.stderr.write(f"chaosjc: {message}\n")
    sys.exit(code)


def _keep_traceback() -> Path | str:
    from chaosjc.cli.state import state_root

    try:
        path = state_root() / "internal-error.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write(redact.hide(traceback.format_exc(), redact.secrets(os.environ)))
    except OSError:
        return "could not be written"
    return path


if __name__ == "__main__":
    main()
