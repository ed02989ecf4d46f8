"""Brings a database to the schema that the code declares: `migrations/*.sql`, applied by yoyo.

What is added to yoyo here: a migration and the note that it was applied commit together, so that none can be half
done; and an advisory lock around all of it, which dies with its holder, so that two migrators are safe and one that
was killed leaves nothing locked.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration, read_migrations

MIGRATIONS = Path(__file__).parent / "migrations"

LOCK_TIMEOUT: LiteralString = "10s"
"""Longest wait for a table that others use: while a migration waits for its lock, they all wait behind it."""

_BOOKS: LiteralString = "eventos_migrations"
"""The schema of yoyo's own tables: not `public`, which Supabase shows to the world."""
_APPLIED: LiteralString = "applied"


_logger = logging.getLogger(__name__)


class MigrationError(Exception):
    """A migration failed and left nothing behind. The message names it and says why."""


class _Backend(PostgresqlPsycopgBackend):  # type: ignore[misc] # yoyo is untyped
    """yoyo's Postgres, with its tables in a schema of their own and a limit on waiting for locks."""

    def init_connection(self, connection: psycopg.Connection[Any]) -> None:
        """Set up the session; yoyo calls this on connecting and after each rollback."""
        connection.execute(f"SET search_path TO {_BOOKS}")
        connection.execute(f"SET lock_timeout TO '{LOCK_TIMEOUT}'")
        connection.execute("SET timezone TO 'UTC'")


def migrate(database_url: str, migrations: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing, in order; return the ids applied.

    Waits while another process migrates the same database, and then does what that one left. Raises MigrationError
    when a migration fails (those before it stay), psycopg.OperationalError when there is no connection.
    """
    with _books(database_url) as backend:
        missing = backend.to_apply(read_migrations(str(migrations)))
        return [_run(backend, migration, "apply") for migration in missing]


def pending(database_url: str, migrations: Path = MIGRATIONS) -> list[str]:
    """Return the ids of the migrations that `migrate` would apply, in order. Changes nothing."""
    declared = sorted(migration.id for migration in read_migrations(str(migrations)))
    books = sql.Identifier(_BOOKS, _APPLIED)
    with psycopg.connect(database_url) as connection:
        if connection.execute("SELECT to_regclass(%s)", [books.as_string()]).fetchone() == (None,):
            return declared
        rows = connection.execute(sql.SQL("SELECT migration_id FROM {}").format(books)).fetchall()
    applied = {row[0] for row in rows}
    return [migration for migration in declared if migration not in applied]


def rollback(database_url: str, to: str | None, migrations: Path = MIGRATIONS) -> list[str]:
    """Undo, newest first, what was applied after the migration `to`, or everything when that is None.

    Returns the ids undone. Tables that go take their rows with them. Raises ValueError when there is no migration
    `to`, MigrationError when one cannot be undone.
    """
    declared = read_migrations(str(migrations))
    if to is not None and to not in {migration.id for migration in declared}:
        raise ValueError(f"no migration is called {to!r}")
    with _books(database_url) as backend:
        applied = backend.to_rollback(declared)
        return [_run(backend, each, "rollback") for each in applied if to is None or each.id > to]


def _run(backend: _Backend, migration: Migration, direction: str) -> str:
    """Apply or undo one migration, and note that, in one transaction."""
    note = backend.mark_one if direction == "apply" else backend.unmark_one
    try:
        with backend.transaction():
            # Supabase keeps pgvector in `extensions`; where there is no such schema, naming it does no harm.
            backend.execute("SET LOCAL search_path TO public, extensions")
            migration.process_steps(backend, direction)
            backend.execute(f"SET LOCAL search_path TO {_BOOKS}")
            note(migration, log=False)
    except psycopg.Error as error:
        raise MigrationError(f"{migration.id}: {direction} failed and left nothing behind: {error}") from error
    return str(migration.id)


@contextmanager
def _books(database_url: str) -> Iterator[_Backend]:
    """Yield yoyo's backend on the database, with its tables made; no other process has one meanwhile."""
    with _Backend(_uri(database_url), _APPLIED) as backend:
        backend.connection.add_notice_handler(_pass_on)
        backend.execute("SET lock_timeout TO 0")  # another migrator may take as long as it needs
        backend.execute("SELECT pg_advisory_lock(hashtextextended('eventos migrations', 0))")
        backend.init_connection(backend.connection)
        backend.execute(f"CREATE SCHEMA IF NOT EXISTS {_BOOKS}")
        backend.init_database()
        backend.break_lock()  # yoyo's own lock is a row that outlives its holder: whoever left one is dead
        yield backend


def _pass_on(notice: psycopg.errors.Diagnostic) -> None:
    """Log what a migration warns of: what it could not do, and who has to do what about it."""
    if notice.severity_nonlocalized == "WARNING":
        _logger.warning("%s", ". ".join(filter(None, (notice.message_primary, notice.message_hint))))


def _uri(database_url: str) -> DatabaseURI:
    """Read the URL as libpq does: it knows sockets, several hosts and percent-encoding, where yoyo does not."""
    arguments = conninfo_to_dict(database_url)
    return DatabaseURI("postgresql+psycopg", None, None, None, None, arguments.pop("dbname", None), arguments)
