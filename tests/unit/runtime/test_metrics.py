"""The catalogue of metrics: how they are named, and what labels they may have."""

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from contracts.refusals import Reason
from services.runtime.database import Fault
from services.runtime.metrics import IntakeMetrics, RelayMetrics
from services.runtime.positions import Position

SERVICES = Path(__file__).parents[3] / "services"
LABELS = {"service", "topic", "partition", "projection", "outcome", "reason", "kind", "stage", "status", "version"}
"""All words that a label may be: each has few values."""
SCALED = ("milliseconds", "_ms", "micro", "minutes", "hours", "days", "percent", "kilo", "mega", "_kb", "_mb")


def position(partition: int) -> Position:
    return Position(partition, 5, 2, 1, 2, 0, None)


@pytest.fixture
def everything() -> IntakeMetrics:
    """Every metric of the code on one registry, each with a sample."""
    metrics = IntakeMetrics("ticket_sales", "eventos.ticket-sales")
    relay, projections = RelayMetrics(metrics.registry), metrics.projections
    metrics.claimed([position(3)], lambda: {3: 9})
    metrics.settled([position(3)], [], [Reason.NOT_JSON])
    metrics.fenced()
    metrics.retried(Fault.TRANSIENT, TimeoutError())
    metrics.event_age.observe("facts", [0.0])
    for counted in (metrics.gap_records, metrics.letters_pending, metrics.batch_duration, metrics.batch_records):
        counted.labels("ticket_sales")
    metrics.letters_expired.labels("ticket_sales", "pending")
    metrics.claims_postponed.labels("ticket_sales", "TimeoutError")
    metrics.build_info.labels("ticket_sales", "1")
    for shown in vars(projections).values():
        shown.labels("lead_scores")
    relay.sent.labels("lead-scores")
    return metrics


def families(metrics: IntakeMetrics) -> list[Metric]:
    """All families, as Prometheus reads them."""
    return list(text_string_to_metric_families(generate_latest(metrics.registry).decode()))


def test_every_metric_is_ours_by_name_and_says_what_it_means(everything: IntakeMetrics) -> None:
    found = [family for family in families(everything) if not family.name.endswith("_created")]

    assert [family.name for family in found if not family.samples or not family.documentation] == []
    assert [family.name for family in found if not family.name.startswith("eventos_")] == []


def test_counters_end_in_total_and_nothing_else_does(everything: IntakeMetrics) -> None:
    for family in families(everything):
        totals = {sample.name.endswith("_total") for sample in family.samples}
        assert totals == {family.type == "counter"}, family.name


def test_units_are_base_units_and_times_are_seconds(everything: IntakeMetrics) -> None:
    names = [family.name for family in families(everything)]

    assert [name for name in names if any(unit in name for unit in SCALED)] == []
    timed = [name for name in names if any(word in name for word in ("_age", "_duration", "lag_s"))]
    assert timed and [name for name in timed if "_seconds" not in name] == []


def test_labels_are_words_of_which_there_are_few_and_never_ids(everything: IntakeMetrics) -> None:
    used = {label for family in families(everything) for sample in family.samples for label in sample.labels}

    assert used - {"le"} <= LABELS
    assert not [label for label in used if label.endswith("id") or label in ("key", "offset", "source")]


def test_metrics_are_made_in_the_catalogue_and_nowhere_else() -> None:
    """Nor on the registry that all of a process share, of which nobody reads."""
    kinds = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
    elsewhere = [file for file in SERVICES.rglob("*.py") if file != SERVICES / "runtime" / "metrics.py"]

    assert [str(file) for file in elsewhere if kinds & set(_taken_from_prometheus(file))] == []


def test_what_a_process_does_not_own_any_more_it_does_not_speak_of(everything: IntakeMetrics) -> None:
    everything.released()

    named: list[Collector] = [everything]
    assert not list(chain.from_iterable(family.samples for one in named for family in one.collect()))


def _taken_from_prometheus(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client"):
            yield from (name.name for name in node.names)
