"""RFC 3339 as its grammar has it."""

from datetime import UTC, datetime

import pytest

from contracts.envelope import instant

MORNING = datetime(2026, 10, 1, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-01T09:30:00Z", MORNING),
        ("2026-10-01t09:30:00z", MORNING),
        ("2026-10-01T09:30:00-00:00", MORNING),
        ("2026-10-01T11:30:00+02:00", MORNING),
        ("2026-09-30T09:31:00-23:59", MORNING),
        ("2026-10-02T09:29:00+23:59", MORNING),
        ("2026-10-01T09:30:00.5Z", MORNING.replace(microsecond=500_000)),
        ("2026-10-01T09:30:00.123456Z", MORNING.replace(microsecond=123_456)),
        ("2026-10-01T09:30:00.1234569Z", MORNING.replace(microsecond=123_456)),
        ("2026-10-01T09:30:00." + "9" * 1000 + "Z", MORNING.replace(microsecond=999_999)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_in_utc_to_the_microsecond(text: str, expected: datetime) -> None:
    found = instant(text)

    assert found == expected
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        None,
        1790847000,
        "",
        "2026-10-01",
        "2026-10-01 09:30:00Z",
        "2026-10-01_09:30:00Z",
        "2026-10-01T09:30Z",
        "2026-10-01T09Z",
        "2026-10-01T09:30:00",
        "2026-10-01T09:30:00 Z",
        "2026-10-01T09:30:00+02",
        "2026-10-01T09:30:00+0200",
        "2026-10-01T09:30:00+24:00",
        "2026-10-01T09:30:00+23:60",
        "2026-10-01T09:30:00+02:00:30",
        "2026-10-01T09:30:00,5Z",
        "2026-10-01T09:30:00.Z",
        "2026-10-01T24:00:00Z",
        "2026-10-01T09:60:00Z",
        "2026-06-30T23:59:60Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-10-00T00:00:00Z",
        "2026-W40-4T09:30:00Z",
        "20261001T093000Z",
        "26-10-01T09:30:00Z",
        "+2026-10-01T09:30:00Z",
        "2026-10-01T09:30:00Z\n",
        "２０２６-10-01T09:30:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    ],
)
def test_anything_else_is_no_instant(text: object) -> None:
    assert instant(text) is None
