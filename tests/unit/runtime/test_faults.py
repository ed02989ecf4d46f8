"""What each error of the database asks for."""

import ssl

import asyncpg
import pytest
from asyncpg.exceptions import PostgresError

from services.runtime.database import Fault, classify


def sql_error(state: str, message: str = "scripted") -> PostgresError:
    """The error that asyncpg raises for `state`."""
    error = PostgresError.new({"C": state, "M": message})
    assert isinstance(error, PostgresError)
    assert error.sqlstate == state
    return error


@pytest.mark.parametrize(
    ("states", "fault"),
    [
        ("08000 08003 08006 40001 40P01 53100 53200 53300 55P03 57P01 57P02 57P03 58030 25006 25P03", Fault.TRANSIENT),
        ("23503", Fault.RECHECK),
        ("57014", Fault.SPLIT),
        ("22001 22003 22021 22P02 22P05 23502 23505 23514 54000 25P02", Fault.POISON),
        ("42501 42601 42703 42P01 42804 28000 28P01 3D000 3F000 XX000 XX001 0A000 P0001 55000", Fault.STOP),
    ],
    ids=lambda it: it.name if isinstance(it, Fault) else "",
)
def test_a_sqlstate_asks_for_what_the_table_says(states: str, fault: Fault) -> None:
    assert {state: classify(sql_error(state)) for state in states.split()} == dict.fromkeys(states.split(), fault)


def test_a_row_that_no_partition_takes_is_our_omission_and_no_records_fault() -> None:
    assert classify(sql_error("23514", 'no partition of relation "x" found for row')) is Fault.STOP


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        ConnectionRefusedError(),
        TimeoutError(),
        OSError("no route"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.TooManyConnectionsError("full"),
        asyncpg.InvalidCachedStatementError("cached plan must not change result type"),
        asyncpg.OutdatedSchemaCacheError("types changed"),
        asyncpg.InternalClientError("got result for unknown protocol state 3"),
        asyncpg.ProtocolError("cannot switch to state 12"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_what_breaks_on_the_way_to_the_database_passes(error: Exception) -> None:
    assert classify(error) is Fault.TRANSIENT


def test_a_server_that_is_not_trusted_is_not_waited_for() -> None:
    assert classify(ssl.SSLCertVerificationError(1, "self-signed certificate")) is Fault.STOP


@pytest.mark.parametrize("error", [KeyError("x"), ZeroDivisionError(), AssertionError(), asyncpg.DataError("integer")])
def test_every_other_error_is_a_bug_on_some_record(error: Exception) -> None:
    assert classify(error) is Fault.POISON
