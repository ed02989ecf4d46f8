"""A database on a disk of its own that is small enough to be filled."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import psycopg
from psycopg import sql

from infra.local.servers import UNPRIVILEGED_USER
from tests.support.databases import address
from tests.support.servers import Servers


@contextmanager
def small_database(servers: Servers, template: str, *, megabytes: int) -> Iterator[tuple[str, Path]]:
    """A migrated database whose files are on a disk in memory; its address, and where the disk is."""
    disk, name = Path(mkdtemp(prefix="eventos-small-disk-")), f"eventos_small_{uuid4().hex}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", disk], check=True)
    try:
        files = disk / "files"
        files.mkdir()
        disk.chmod(0o755)
        shutil.chown(files, UNPRIVILEGED_USER)
        with psycopg.connect(servers.database_url, autocommit=True) as owner:
            owner.execute(
                sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(sql.Identifier(name), sql.Literal(str(files)))
            )
            owner.execute(
                sql.SQL("CREATE DATABASE {0} TEMPLATE {1} TABLESPACE {0} STRATEGY file_copy").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        try:
            yield address(servers, name), disk
        finally:
            with psycopg.connect(servers.database_url, autocommit=True) as owner:
                owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
                owner.execute(sql.SQL("DROP TABLESPACE {}").format(sql.Identifier(name)))
    finally:
        subprocess.run(["umount", disk], check=True)
        disk.rmdir()


def fill(disk: Path) -> None:
    """Leave no byte of a disk, until the file `ballast` is removed."""
    with (disk / "ballast").open("wb", buffering=0) as file:
        piece = bytes(4096)
        try:
            while True:
                file.write(piece)
        except OSError:
            return
