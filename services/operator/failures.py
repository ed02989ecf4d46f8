"""Errors of servers and libraries in an operator's words: what failed and where, why, what to do."""

import asyncio

import aiokafka.errors
import asyncpg
import typer

from infra.local.servers import ServerError
from services.operator.output import WRONG_USAGE, Failure
from services.runtime.settings import ConfigurationError


def explain(error: Exception) -> Failure | None:
    """Put an error in words. None for those that are Typer's own."""
    match error:
        case Failure():
            return error
        case ExceptionGroup():
            return explain(error.exceptions[0])
        case typer.Exit() | typer.Abort() | typer.TyperException():
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
            remedy = "Check EVENTOS_KAFKA_BOOTSTRAP_SERVERS, and EVENTOS_KAFKA_SECURITY_PROTOCOL."
            return Failure("Kafka cannot be reached", str(error), remedy)
        case aiokafka.errors.UnknownTopicOrPartitionError():
            return Failure("Kafka does not know a topic", str(error), "Run `eventos topics apply`.")
        case aiokafka.errors.KafkaError():
            return Failure("Kafka refused a request", str(error))
        case asyncio.TimeoutError() | ConnectionError():
            why = str(error) or type(error).__name__
            return Failure("a server did not answer", why, "Is it up? `eventos config` shows the addresses.")
        case OSError():
            return Failure(error.strerror or "the system refused", str(error.filename or error))
        case _:
            why = f"{type(error).__name__}: {error}"
            return Failure("something failed that should not have", why, "Add --debug to see where.")
