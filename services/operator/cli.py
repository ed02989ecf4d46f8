"""`eventos`: the entry point, and what all its commands share (the --debug option, how failures end a command)."""

import logging
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from rich.traceback import Traceback
from typer.core import TyperGroup
from typer.main import get_command

from services.operator.output import err, report

COMMANDS = {
    "up": "up:up",
    "run": "run:run",
    "migrate": "migrate:migrate",
    "topics": "topics:app",
    "config": "configuration:config",
    "publish": "publish:publish",
    "check": "check:check",
    "simulate": "simulate:simulate",
    "status": "status:status",
    "receipt": "receipt:receipt",
    "dead-letters": "dead_letters:app",
    "replay": "replay.command:app",
    "resume": "resume:resume",
    "sponsors": "sponsors:app",
    "db": "db:app",
}
"""Each command or group, in the order in which one needs them, and where it is: imported when it is asked for."""


class Commands(TyperGroup):
    """Finds commands, and ends each with its exit code, and a failure with one message instead of a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the command and make it Typer's; None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        found = getattr(import_module(f"services.operator.{module}"), name)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
            alone.command(cmd_name)(found)
            found = alone
        command = get_command(found)
        command.name = cmd_name
        return command

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take --debug wherever it stands."""
        if "--debug" in args:
            args = ["--debug", *(arg for arg in args if arg != "--debug")]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; known errors become a message and exit code 1 (2 for a wrong configuration)."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except Exception as error:
            from services.operator.failures import explain

            failure = explain(error)
            if failure is None:
                raise
            if ctx.params.get("debug"):
                err().print(Traceback.from_exception(type(error), error, error.__traceback__))
            report(failure)
            raise typer.Exit(failure.code) from None


app = typer.Typer(
    name="eventos",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
) -> None:
    """Run, feed, watch and repair EventOS Streams.

    Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. Commands that print data take --json.
    """
    if context.invoked_subcommand != "run" and not debug:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what matters in there reaches us as an error


def main() -> None:
    """Run `eventos`."""
    sys.exit(app())
