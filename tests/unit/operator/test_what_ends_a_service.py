"""What is said of the error that ended a service: enough to mend it, and no value of an event."""

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError
from asyncpg.exceptions import PostgresError

from services.operator.run import first_cause
from services.runtime.settings import ConfigurationError


def sql_error(state: str, message: str) -> PostgresError:
    error = PostgresError.new({"C": state, "M": message, "D": "Failing row contains (whom-to-call)."})
    assert isinstance(error, PostgresError)
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (sql_error("28P01", "password authentication failed"), "password authentication failed"),
        (sql_error("42501", "permission denied for table outbox"), "permission denied for table outbox"),
        (ConfigurationError("EVENTOS_KAFKA_CA_FILE: is not trusted"), "EVENTOS_KAFKA_CA_FILE: is not trusted"),
        (ConnectionRefusedError(111, "refused"), "refused"),
        (KafkaConnectionError("nobody answers"), "nobody answers"),
        (asyncpg.InterfaceError("the pool is closed"), "the pool is closed"),
    ],
    ids=lambda it: type(it).__name__ if isinstance(it, Exception) else "",
)
def test_an_error_about_access_is_told_whole(error: Exception, said: str) -> None:
    assert said in first_cause(ExceptionGroup("tasks", [ExceptionGroup("tasks", [error])]))
    assert "whom-to-call" not in first_cause(error)


@pytest.mark.parametrize(
    "error",
    [
        sql_error("P0001", "whom-to-call is on a list"),
        sql_error("23514", 'new row for relation "x" violates check constraint: whom-to-call'),
        ValueError("cannot read whom-to-call"),
        KeyError("whom-to-call"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_an_error_that_may_cite_an_event_is_told_by_its_type(error: Exception) -> None:
    assert first_cause(error).startswith(type(error).__name__)
    assert "whom-to-call" not in first_cause(error)
