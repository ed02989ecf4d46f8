"""The loader of named queries."""

import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path
from uuid import uuid4

import pytest

from services.runtime.sql import load_queries


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of the test's own, empty."""
    folder = tmp_path / f"package_{uuid4().hex}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    invalidate_caches()
    yield folder
    sys.modules.pop(folder.name, None)


def test_a_query_goes_from_its_name_to_the_next(package: Path) -> None:
    (package / "queries.sql").write_text("-- About.\n\n-- name: one\n-- Why.\nSELECT 1\n\n-- name: two\nSELECT\n  2\n")

    assert dict(load_queries(package.name)) == {"one": "-- Why.\nSELECT 1", "two": "SELECT\n  2"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-- name: one\nSELECT 1\n-- name: one\nSELECT 2", "'one' stands twice"),
        ("-- name: one\n\n-- name: two\nSELECT 2", "'one' has no SQL"),
    ],
)
def test_a_name_that_stands_twice_or_for_nothing_is_refused(package: Path, text: str, why: str) -> None:
    (package / "queries.sql").write_text(text)

    with pytest.raises(ValueError, match=why):
        load_queries(package.name)


def test_queries_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        load_queries("services.runtime")["fence"] = ""  # type: ignore[index]
