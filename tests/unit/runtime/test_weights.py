"""What a batch weighs: its records, or more where they are large, whichever of their parts it is."""

import pytest

from services.runtime.records import LARGE_RECORD, RecordBatch, size_of
from tests.support.records import Headers, record


@pytest.mark.parametrize(
    ("value", "key", "headers", "expected"),
    [
        (None, None, (), 0),
        (b"12345", b"123", (), 8),
        (None, b"123", [("four", None)], 7),
        (b"1", None, [("a", b"1234"), ("a", b"")], 7),
    ],
)
def test_the_size_of_a_record_is_that_of_its_key_value_and_headers(
    value: bytes | None, key: bytes | None, headers: Headers, expected: int
) -> None:
    assert size_of([record(value, key=key, headers=headers)] * 3) == 3 * expected


def test_a_batch_weighs_as_many_large_records_as_its_bytes_would_be() -> None:
    small = [record(b"1")] * 5
    assert RecordBatch(0, small, 0, size=size_of(small)).weight == 5

    large = [*small, record(b"1", headers=[("h", b"x" * 7 * LARGE_RECORD)])]
    assert RecordBatch(0, large, 0, size=size_of(large)).weight == 7
