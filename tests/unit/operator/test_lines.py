"""What makes a record, line by line."""

from datetime import UTC, datetime

import orjson
import pytest

from contracts.refusals import Reason
from contracts.topics import EMAIL_ENGAGEMENT, TICKET_SALES
from services.operator.lines import NoRecord, Record, read_record
from services.operator.verdicts import judge
from tests.support.records import event

GALA = "35bf992d-c9e9-4616-a12e-7696a6cecc1b"
SPONSOR = "07923986-bb96-4a43-bd5c-8dfc5eda92d8"
LATE = datetime(2100, 1, 1, tzinfo=UTC)


def test_a_value_that_is_text_goes_out_as_it_stands_even_if_it_is_no_json() -> None:
    record = read_record(b'{"topic": "ticket-sales", "key": "k", "value": "{ not json"}')

    assert record == Record(TICKET_SALES, b"k", b"{ not json")


def test_a_value_that_is_an_object_goes_out_as_json() -> None:
    record = read_record('{"topic": "ticket-sales", "value": {"a": ["Bogotá", 1.0, 1]}}'.encode())

    assert (record.key, record.value) == (None, '{"a": ["Bogotá", 1.0, 1]}'.encode())


def test_a_null_value_is_a_null_record() -> None:
    assert read_record(b'{"topic": "ticket-sales", "value": null}').value is None


def test_a_lone_surrogate_becomes_bytes_that_are_not_utf_8() -> None:
    verdict = judge(1, b'{"topic": "ticket-sales", "value": "\\ud800"}', LATE)

    assert verdict.reason == Reason.NOT_JSON


def test_headers_are_names_and_texts() -> None:
    record = read_record(b'{"topic": "ticket-sales", "value": "{}", "headers": {"ce_id": "1", "ce_source": "/x"}}')

    assert record.headers == (("ce_id", b"1"), ("ce_source", b"/x"))


def test_headers_of_one_name_are_a_list_of_pairs() -> None:
    record = read_record(b'{"topic": "ticket-sales", "value": "{}", "headers": [["a", "1"], ["a", null]]}')

    assert record.headers == (("a", b"1"), ("a", None))


def test_an_event_by_itself_goes_to_the_topic_of_its_type_as_it_stands() -> None:
    line = event(TICKET_SALES, "page_viewed", event_id=GALA, session_id="s")

    assert read_record(line + b"\n") == Record(TICKET_SALES, None, line)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"nonsense", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"topic": "ticket-sales"}', "value is missing"),
        (b'{"topic": "ticket-salse", "value": "{}"}', "not one of sponsor-activity"),
        (b'{"topic": "lead-scores", "value": "{}"}', "not one of sponsor-activity"),
        (b'{"value": "{}"}', "topic None is not one of"),
        (b'{"topic": "ticket-sales", "value": "{}", "partition": 3}', "unknown member 'partition'"),
        (b'{"topic": "ticket-sales", "value": "{}", "key": 3}', "key must be text"),
        (b'{"topic": "ticket-sales", "value": "{}", "headers": {"a": 1}}', "headers must be"),
        (b'{"specversion": "1.0", "type": "eventos.lead_score.changed.v1"}', "no input topic takes events of type"),
        (b'{"specversion": "1.0"}', "no input topic takes events of type None"),
    ],
)
def test_a_line_that_makes_no_record_says_why(line: bytes, why: str) -> None:
    with pytest.raises(NoRecord, match=why):
        read_record(line)


def test_a_record_without_a_key_gets_the_partition_key_of_its_topic() -> None:
    with_sponsor = event(EMAIL_ENGAGEMENT, "sent", message_id="m", sponsor_id=SPONSOR.upper())
    without = event(EMAIL_ENGAGEMENT, "sent", message_id="m")

    assert [_key(with_sponsor), _key(without)] == [SPONSOR.encode(), b"m"]


def test_a_key_that_is_given_is_kept() -> None:
    value = event(TICKET_SALES, "page_viewed", event_id=GALA, session_id="s").decode()
    record = judge(1, orjson.dumps({"topic": "ticket-sales", "key": "mine", "value": value}), LATE).record

    assert record is not None
    assert record.key == b"mine"


def _key(line: bytes) -> bytes | None:
    record = judge(1, line, LATE).record
    return record.key if record else None
