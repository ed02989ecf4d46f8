"""Named queries: SQL lives in each package's `queries.sql`, and is loaded once."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_BLOCK = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def load_queries(package: str) -> Mapping[str, str]:
    """Return the queries of `package`'s queries.sql by name.

    A query starts at a line `-- name: its_name` and ends where the next one starts. Raises ValueError when a name
    stands twice or a block is empty.
    """
    text = files(package).joinpath("queries.sql").read_text("utf-8")
    queries: dict[str, str] = {}
    blocks = _BLOCK.split(text)[1:]
    for name, body in zip(blocks[::2], blocks[1::2], strict=True):
        if name in queries:
            raise ValueError(f"{package}/queries.sql: the name {name!r} stands twice")
        if not body.strip():
            raise ValueError(f"{package}/queries.sql: {name!r} has no SQL")
        queries[name] = body.strip()
    return MappingProxyType(queries)
