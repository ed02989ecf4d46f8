"""`eventos db`: how the database is, what it takes, and what may leave it."""

import typer

from services.operator.db.health import health_command
from services.operator.db.retention import retention_command
from services.operator.db.storage import storage_command

app = typer.Typer(help="How the database is, what it takes, and what may leave it.", no_args_is_help=True)


@app.callback()
def db() -> None:
    """How the database is, what it takes, and what may leave it."""


app.command("health")(health_command)
app.command("storage")(storage_command)
app.command("retention")(retention_command)
