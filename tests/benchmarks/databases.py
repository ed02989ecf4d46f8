"""A migrated database on a Postgres of its own, for what is measured there."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.stack import local_stack
from infra.postgres.migrate import migrate


@contextmanager
def scratch_database() -> Iterator[str]:
    """Start Postgres with the product's settings, fsync on; yield the address of a migrated database; remove it all."""
    folder = Path(tempfile.mkdtemp(prefix="eventos-measure-"))
    try:
        with local_stack(folder, kafka_bootstrap_servers="unused") as stack:
            migrate(stack.addresses.database_url)
            yield stack.addresses.database_url
    finally:
        shutil.rmtree(folder, ignore_errors=True)
