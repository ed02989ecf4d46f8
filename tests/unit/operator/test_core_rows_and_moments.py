"""What options and files of core rows may say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.operator.moments import moment
from services.operator.output import Failure
from services.operator.simulate import read_core, read_records


def test_a_moment_is_a_time_or_so_long_ago() -> None:
    assert moment("2026-10-01T09:30:00Z") == datetime(2026, 10, 1, 9, 30, tzinfo=UTC)
    assert moment("2026-10-01") == datetime(2026, 10, 1, tzinfo=UTC)
    assert timedelta(minutes=29) < datetime.now(UTC) - moment("30m") < timedelta(minutes=31)


def test_a_file_of_core_rows_is_an_object(tmp_path: Path) -> None:
    (tmp_path / "core.json").write_text("[]")

    with pytest.raises(Failure, match=r"core\.json holds no core rows"):
        read_core(tmp_path / "core.json")
    with pytest.raises(Failure, match=r"none\.json cannot be read"):
        read_core(tmp_path / "none.json")


def test_a_line_that_is_no_record_is_told_by_its_number_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text('{"topic": "ticket-sales", "value": ""}\n\n{"topic": "no"}\n')

    with pytest.raises(Failure, match=r"records\.jsonl, line 3, is no record"):
        read_records(tmp_path / "records.jsonl")
