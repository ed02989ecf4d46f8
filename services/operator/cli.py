"""`eventos`: the entry point, and what all its commands share (the --debug option, how failures end a command)."""

import asyncio
import logging
import sys
from typing import Annotated, Any

import aiokafka.errors
import asyncpg
import typer
from rich.traceback import Traceback
from typer.core import TyperGroup

from infra.local.servers import ServerError
from services.operator import (
    check,
    configuration,
    db,
    dead_letters,
    migrate,
    publish,
    receipt,
    replay,
    resume,
    run,
    simulate,
    sponsors,
    status,
    topics,
    up,
)
from services.operator.output import FAILED, WRONG_USAGE, Failure, err, report
from services.runtime.settings import ConfigurationError


class Commands(TyperGroup):
    """Ends every command with its exit code, and a failure with one message instead of a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        """List commands in the order in which one needs them."""
        return sorted(super().list_commands(ctx), key=_ORDER.index)

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
            failure = explain(error)
            if failure is None:
                raise
            if ctx.params.get("debug"):
                err().print(Traceback.from_exception(type(error), error, error.__traceback__))
            report(failure)
            raise typer.Exit(failure.code) from None


_ORDER = (
    *("up", "run", "migrate", "topics", "config", "publish", "check", "simulate"),
    *("status", "receipt", "dead-letters", "replay", "resume", "sponsors", "db"),
)


def explain(error: Exception) -> Failure | None:
    """Put an error in an operator's words. None for those that are Typer's own."""
    match error:
        case Failure():
            return error
        case ExceptionGroup():
            return explain(error.exceptions[0])
        case typer.Exit() | typer.Abort() | typer.BadParameter():
            return None
        case ConfigurationError():
            remedy = "`eventos config` lists every setting; `eventos up` starts servers of its own."
            return Failure("the configuration is not valid", str(error), remedy, WRONG_USAGE)
        case ServerError():
            return Failure("the local stack failed", str(error))
        case asyncpg.InvalidCatalogNameError() | asyncpg.InvalidAuthorizationSpecificationError():
            return Failure("Postgres refused the connection", str(error), "Check EVENTOS_DATABASE_URL.")
        case asyncpg.UndefinedTableError() | asyncpg.InvalidSchemaNameError() | asyncpg.UndefinedObjectError():
            return Failure("the database is not up to date", str(error), "Run `eventos migrate`.")
        case asyncpg.PostgresError():
            return Failure("Postgres refused a statement", f"{error.sqlstate}: {error}")
        case aiokafka.errors.KafkaConnectionError() | aiokafka.errors.NodeNotReadyError():
            return Failure("Kafka cannot be reached", str(error), "Check EVENTOS_KAFKA_BOOTSTRAP_SERVERS.")
        case aiokafka.errors.UnknownTopicOrPartitionError():
            return Failure("Kafka does not know a topic", str(error), "Run `eventos topics apply`.")
        case aiokafka.errors.KafkaError():
            return Failure("Kafka refused a request", str(error))
        case asyncio.TimeoutError() | ConnectionError():
            return Failure("a server did not answer", str(error) or type(error).__name__, "Is it up? `eventos config`.")
        case OSError():
            return Failure(error.strerror or "the system refused", error.filename or str(error))
        case _:
            return Failure(
                "something failed that should not have", f"{type(error).__name__}: {error}", "Add --debug to see where."
            )


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


app.command("up")(up.up)
app.command("run")(run.run)
app.command("migrate")(migrate.migrate)
app.add_typer(topics.app, name="topics")
app.command("config")(configuration.config)
app.command("publish")(publish.publish)
app.command("check")(check.check)
app.command("simulate")(simulate.simulate)
app.command("status")(status.status)
app.command("receipt")(receipt.receipt)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(replay.app, name="replay")
app.command("resume")(resume.resume)
app.add_typer(sponsors.app, name="sponsors")
app.add_typer(db.app, name="db")


def main() -> None:
    """Run `eventos`."""
    sys.exit(app())


__all__ = ["FAILED", "app", "explain", "main"]
