"""The linter, and what `publish` refuses before it talks to anybody."""

from pathlib import Path

import orjson
import pytest

from contracts.topics import TICKET_SALES
from tests.support.command_line import eventos, write_lines
from tests.support.records import event

GALA = "35bf992d-c9e9-4616-a12e-7696a6cecc1b"
GOOD = event(TICKET_SALES, "page_viewed", id="good", event_id=GALA, session_id="s")
BAD = event(TICKET_SALES, "page_viewed", id="bad", event_id="no uuid", session_id="s")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "events.jsonl", [GOOD, "", BAD, {"topic": "ticket-sales", "value": "{"}, "nonsense"])


def test_check_says_of_each_line_by_number_whether_it_is_accepted_and_why_not(mixed: Path) -> None:
    result = eventos("check", mixed)

    told = result.stdout.splitlines()
    assert told[0] == "line 1: accepted"
    assert told[1].startswith("line 3: refused invalid_data: data.event_id: ")
    assert told[2].startswith("line 4: refused not_json: value: ")
    assert told[3].startswith("line 5: refused unreadable_line: not JSON")
    assert "4 lines: 1 accepted, 3 refused" in result.stderr


def test_check_fails_when_a_line_is_refused_and_is_done_when_none_is(mixed: Path, tmp_path: Path) -> None:
    assert eventos("check", mixed).exit_code == 1
    assert eventos("check", write_lines(tmp_path / "good.jsonl", [GOOD, GOOD])).exit_code == 0


def test_check_needs_no_settings(tmp_path: Path) -> None:
    assert eventos("check", write_lines(tmp_path / "good.jsonl", [GOOD]), environment={}).exit_code == 0


def test_check_prints_an_object_per_line_for_machines(mixed: Path) -> None:
    lines = [orjson.loads(line) for line in eventos("check", mixed, "--json", "--refused-only").stdout.splitlines()]

    assert [(line["line"], line["accepted"], line["id"], line["reason"]) for line in lines] == [
        (3, False, "bad", "invalid_data"),
        (4, False, None, "not_json"),
        (5, False, None, "unreadable_line"),
    ]


def test_check_judges_times_as_of_a_given_day(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "events.jsonl", [GOOD])

    assert eventos("check", file, "--as-of", "2001-01-01").exit_code == 1
    assert eventos("check", file, "--as-of", "2100-01-01").exit_code == 0


def test_publish_lists_the_bad_lines_by_number_and_publishes_nothing(mixed: Path) -> None:
    result = eventos("publish", mixed)

    assert result.exit_code == 1
    assert "line 3: refused invalid_data" in result.stderr
    assert "line 5: refused unreadable_line" in result.stderr
    assert "3 of 4 lines" in result.stderr
    assert "nothing was published" in result.stderr


def test_a_file_that_is_not_there_is_one_clear_message(tmp_path: Path) -> None:
    result = eventos("check", tmp_path / "none.jsonl")

    assert result.exit_code == 1
    assert "none.jsonl cannot be read" in result.stderr
    assert "No such file" in result.stderr
    assert "Traceback" not in result.stderr
