"""How results are told: a missed requirement as plainly as one that was met."""

from io import StringIO
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from tests.benchmarks.contenders.product import Work
from tests.benchmarks.draining import Drained
from tests.benchmarks.meters import Reading, Stored, growth
from tests.benchmarks.pictures import draw
from tests.benchmarks.report import BEGIN, END, as_json, print_results, required, shown, write_document
from tests.benchmarks.results import Bars, Lines, Requirement, Results, Section, Table
from tests.benchmarks.scenarios import cost
from tests.benchmarks.scenarios.throughput import ALL, LIMIT, PAIR, PRODUCT, Seen

MET = Requirement("fast", 31.25, "at least", 30, "×")
MISSED = Requirement("soon", 31.25, "at most", 30, "ms")
TABLE = Table("speeds", ("who", "#events/s"), [("us", 12_345.6), ("them", None)], "on two cores")
BARS = Bars("speeds", "events/s", ["alone", "together"], {"us": [10.0, None], "them": [1.0, 2.0]})
LINES = Lines("memory", "s", "MiB", {"us": [(0.0, 1.0), (1.0, 2.0)]})
RESULTS = Results("2026-11-01T09:30+00:00", {"processors": "2"}, 1000, [Section("one", [TABLE], [MET, MISSED], [BARS])])


def test_a_requirement_is_met_at_its_bound_and_missed_beyond_it() -> None:
    assert MET.met
    assert not MISSED.met
    assert Requirement("even", 30.0, "at least", 30).met
    assert Requirement("even", 30.0, "at most", 30).met


def test_each_requirement_is_told_with_its_figure_and_the_missed_ones_say_so() -> None:
    met, missed = required([MET, MISSED]).rows
    assert met == ("fast", "31.2 ×", "at least 30 ×", "met")
    assert missed == ("soon", "31.2 ms", "at most 30 ms", "MISSED")


@pytest.mark.parametrize(
    ("cell", "text"),
    [(1234567, "1,234,567"), (1234.5, "1,234"), (12.345, "12.3"), (0.666, "0.67"), ("name", "name"), (None, None)],
)
def test_numbers_are_shown_with_three_digits_or_all_before_the_point(cell: object, text: str | None) -> None:
    assert shown(cell) == text  # type: ignore[arg-type]


def test_the_terminal_has_every_table_its_note_and_every_verdict() -> None:
    written = StringIO()
    print_results(Console(file=written, width=120), RESULTS)
    for word in ("speeds", "12,346", "on two cores", "MISSED", "met"):
        assert word in written.getvalue()


def test_json_has_all_that_was_found_and_every_verdict() -> None:
    [section] = orjson.loads(as_json(RESULTS))["sections"]
    assert [row["met"] for row in section["requirements"]] == [True, False]
    assert section["tables"][0]["rows"] == [["us", 12_345.6], ["them", None]]
    assert section["charts"][0]["series"] == {"us": [10.0, None], "them": [1.0, 2.0]}


def test_the_document_gets_the_results_between_its_marks_and_keeps_the_rest(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    begin, end = BEGIN.format("one"), END.format("one")
    document.write_text(f"# Before\n{begin}\nold figures\n{end}\nafter\n")
    write_document(RESULTS, document)
    text = document.read_text()
    assert text.startswith(f"# Before\n{begin}\n")
    assert text.endswith(f"\n{end}\nafter\n")
    assert "old figures" not in text
    assert "| us | 12,346 |" in text
    assert "| them | – |" in text
    assert "MISSED" in text


def test_a_document_without_marks_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("no marks")
    with pytest.raises(ValueError, match="marks"):
        write_document(RESULTS, document)
    assert document.read_text() == "no marks"


def test_charts_are_drawn_into_one_picture_of_both_kinds(tmp_path: Path) -> None:
    results = Results("", {}, 0, [Section("one", charts=[BARS]), Section("two", charts=[LINES])])
    paths = draw(results, tmp_path)
    assert [path.name for path in paths] == ["results.png", "results.svg"]
    assert all(path.stat().st_size > 1000 for path in paths)
    assert draw(Results("", {}, 0, []), tmp_path) == []


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    seen = Seen()
    seen.rates[PRODUCT, ALL] += [10.0, 20.0, 30.0]
    seen.rates[LIMIT, ALL] += [20.0, 25.0, 120.0]
    assert seen.ratio(PRODUCT, LIMIT, ALL) == 0.5
    assert seen.ratio(PRODUCT, "nobody", ALL) is None
    assert seen.ratio(PAIR, LIMIT, ALL) is None
    seen.rates["once", ALL].append(5.0)
    assert seen.ratio(PRODUCT, "once", ALL) == 4.0


def test_costs_are_scaled_to_a_hundred_thousand_events() -> None:
    spent = Reading(seconds=1.0, contender=2.0, postgres=1.0, kafka=0.5, wal_bytes=1024 * 1024)
    work = Work(Drained(40_000, 1.0), spent, {"facts": Stored(2 * 1024 * 1024, 1024 * 1024)})
    totals, by_table = cost.tables({"a service": cost.Bill(work, 50_000)})
    assert totals.rows == [("a service", 4.0, 2.0, 1.0, 2.0, 4.0, 2.0)]
    assert by_table.rows == [("facts", 4.0, 2.0), ("0 others", 0.0, 0.0)]


def test_growth_is_told_of_tables_that_grew() -> None:
    before = {"old": Stored(8, 8), "still": Stored(1, 1)}
    after = {"old": Stored(10, 9), "still": Stored(1, 1), "new": Stored(5, 0)}
    assert growth(before, after) == {"old": Stored(2, 1), "new": Stored(5, 0)}
