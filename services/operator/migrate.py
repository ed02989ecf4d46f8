"""`eventos migrate`: bring the database to the schema that the code declares."""

from typing import Annotated

import psycopg
import typer

from infra.postgres import migrate as migrations
from services.operator.configuration import mask_url
from services.operator.output import Failure, note, out, print_json
from services.operator.surroundings import settings_of_command
from services.runtime.settings import Settings


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be applied.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Apply the migrations that the database lacks, in order, each in a transaction of its own.

    The user of EVENTOS_DATABASE_URL must own the database, or be a superuser. Two at once are safe.

    Examples: `eventos migrate --dry-run` · `eventos migrate`
    """
    settings = settings_of_command()
    done = migrate_database(settings, dry_run=dry_run)
    if as_json:
        print_json({"applied": not dry_run, "migrations": done})
        return
    for migration in done:
        out().print(f"{'to apply' if dry_run else 'applied'}  {migration}")
    if not done:
        note("The database is up to date.")


def migrate_database(settings: Settings, *, dry_run: bool = False) -> list[str]:
    """Apply what is missing, or only tell it. Raises Failure."""
    url = settings.database_url.get_secret_value()
    try:
        return migrations.pending(url) if dry_run else migrations.migrate(url)
    except migrations.MigrationError as error:
        raise Failure("a migration failed; those before it stay applied", str(error)) from None
    except psycopg.OperationalError as error:
        raise Failure(f"Postgres cannot be reached at {mask_url(url)}", str(error).strip()) from None
