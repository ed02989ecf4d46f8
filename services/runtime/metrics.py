"""Every metric of the services, by name and meaning, in one place. Base units; no ids of people or events in labels.

Outcome counts are read from the positions as Postgres returned them at the last commit: they are the same numbers,
survive restarts, and move with a partition to its next owner.
"""

import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from services.runtime.database import Fault
from services.runtime.positions import Position
from services.runtime.records import Item

AGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600)
SIZES = (1, 10, 100, 500, 1000, 2000, 5000, 10_000, 50_000)


class ProjectionMetrics:
    """The metrics of the projections of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["projection"]
        self.marks_pending = Gauge(
            "eventos_stale_marks_pending", "Marks that wait to be taken", labels, registry=registry
        )
        self.oldest_mark = Gauge(
            "eventos_stale_marks_oldest_age_seconds", "Age of the oldest live mark", labels, registry=registry
        )
        self.parked_keys = Gauge("eventos_parked_keys", "Keys that failed and wait", labels, registry=registry)
        self.keys = Counter("eventos_keys_projected", "Keys computed", labels, registry=registry)
        self.rounds = Counter("eventos_projection_rounds", "Shards taken with work to do", labels, registry=registry)


class EventAges(Collector):
    """A histogram of ages by stage that takes a batch at a time: prometheus-client's own takes value after value."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def observe(self, stage: str, written_at: Iterable[float]) -> None:
        """Record how old things are (epoch seconds) as they reach `stage`; what is from the future is of age 0."""
        now = time.time()
        ages = sorted([max(0.0, now - moment) for moment in written_at])
        counts = self._counts.setdefault(stage, [0] * (len(AGES) + 1))
        for place, bound in enumerate((*AGES, float("inf"))):
            counts[place] += bisect_right(ages, bound)
        self._sums[stage] = self._sums.get(stage, 0.0) + sum(ages)

    def collect(self) -> Iterator[Metric]:
        """The histogram as Prometheus reads it: each bucket holds those before it."""
        family = HistogramMetricFamily(
            "eventos_event_age_seconds", "Age of an event when it reached a stage, since the broker appended it "
            "(facts) or since it was written (view, sent)", labels=["service", "stage"],
        )  # fmt: skip
        bounds = (*(f"{float(bound)}" for bound in AGES), "+Inf")
        for stage, counts in self._counts.items():
            family.add_metric([self._service, stage], list(zip(bounds, counts, strict=True)), self._sums[stage])
        yield family


class ServiceMetrics:
    """The metrics that every service has, on a registry of its own."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        self.service = service
        labels, registry = ["service"], self.registry
        self.event_age = EventAges(service)
        registry.register(self.event_age)
        self.database_retries = Counter(
            "eventos_database_retries", "Transactions tried again, by kind of fault", [*labels, "kind"],
            registry=registry,
        )  # fmt: skip
        self.batch_duration = Histogram(
            "eventos_batch_duration_seconds", "Time that one transaction took", labels, buckets=AGES, registry=registry
        )
        self.batch_records = Histogram(
            "eventos_batch_records", "Records, keys or rows in one transaction", labels, buckets=SIZES,
            registry=registry,
        )  # fmt: skip
        self.build_info = Gauge("eventos_build_info", "Constant 1", [*labels, "version"], registry=registry)
        self.projections = ProjectionMetrics(registry)

    def retried(self, fault: Fault, error: BaseException) -> None:
        """Count a transaction that will be tried again."""
        if fault in (Fault.TRANSIENT, Fault.RECHECK, Fault.SPLIT):
            self.database_retries.labels(self.service, type(error).__name__).inc()

    @asynccontextmanager
    async def batch(self, size: int) -> AsyncIterator[None]:
        """Time a transaction over `size` records, keys or rows; one that fails is not counted."""
        started = time.perf_counter()
        yield
        self.batch_duration.labels(self.service).observe(time.perf_counter() - started)
        self.batch_records.labels(self.service).observe(size)


class IntakeMetrics(ServiceMetrics, Collector):
    """The metrics of an intake service: positions, lag, refusals, fences."""

    def __init__(self, service: str, topic: str = "") -> None:
        super().__init__(service)
        self._topic, self._positions = topic, dict[int, Position]()
        self._ends: Callable[[], Mapping[int, int]] = dict
        self._last_appended: dict[int, float] = {}
        labels, registry = ["service"], self.registry
        self.fenced_batches = Counter(
            "eventos_fenced_batches", "Batches that came late: some of their records were already past", labels,
            registry=registry,
        )  # fmt: skip
        self.gap_records = Counter(
            "eventos_offset_gap_records", "Records that the broker dropped before they were consumed", labels,
            registry=registry,
        )  # fmt: skip
        self.dead_letters = Counter(
            "eventos_dead_letters", "Records refused by this process, by reason", [*labels, "reason"],
            registry=registry,
        )  # fmt: skip
        self.rebalances = Counter("eventos_rebalances", "Assignments of partitions", labels, registry=registry)
        self.claims_postponed = Counter(
            "eventos_claims_postponed", "Claims of partitions that could not be made, and will be made again",
            [*labels, "kind"], registry=registry,
        )  # fmt: skip
        self.letters_pending = Gauge(
            "eventos_dead_letters_pending", "Dead letters that nobody has dealt with", labels, registry=registry
        )
        self.letters_expired = Counter(
            "eventos_dead_letters_expired", "Dead letters removed by this process because their time was over, by the "
            "service that refused the record and the letter's status", [*labels, "status"], registry=registry,
        )  # fmt: skip
        registry.register(self)

    def fenced(self) -> None:
        """Count a batch of which some records were already past."""
        self.fenced_batches.labels(self.service).inc()

    def claimed(self, positions: Iterable[Position], ends: Callable[[], Mapping[int, int]]) -> None:
        """Take over these partitions and no others; `ends` gives the log end offset of each."""
        self.rebalances.labels(self.service).inc()
        self._positions = {position.partition: position for position in positions}
        self._ends = ends
        now = time.time()
        self._last_appended = {partition: self._last_appended.get(partition, now) for partition in self._positions}

    def released(self) -> None:
        """Own no partition until the next claim: their new owners speak for them now."""
        self._positions, self._ends = {}, dict

    def observe(self, positions: Iterable[Position]) -> None:
        """Keep what Postgres said of these partitions, those that are owned."""
        self._positions.update({p.partition: p for p in positions if p.partition in self._positions})

    def settled(self, positions: Iterable[Position], items: Sequence[Item], reasons: Iterable[str]) -> None:
        """Take note of a committed batch."""
        self.observe(positions)
        for reason in reasons:
            self.dead_letters.labels(self.service, reason).inc()
        self._last_appended.update({item.record.partition: item.record.timestamp / 1000 for item in items})
        self.event_age.observe("facts", [item.record.timestamp / 1000 for item in items])

    def offsets(self) -> dict[int, int]:
        """The next offset to settle, of each partition that this process owns."""
        return {partition: stored.next_offset for partition, stored in self._positions.items()}

    def lag(self) -> dict[int, int]:
        """Records between the stored position and the end of each partition, where the end is known."""
        ends = self._ends()
        return {p: max(0, ends[p] - stored.next_offset) for p, stored in self._positions.items() if p in ends}

    def collect(self) -> Iterator[Metric]:
        """Positions as Prometheus reads them."""
        where = ["service", "topic", "partition"]
        consumed = CounterMetricFamily(
            "eventos_records_consumed", "Records settled, by outcome, since the first", labels=[*where, "outcome"]
        )
        offset = GaugeMetricFamily("eventos_stored_offset", "The next offset to settle", labels=where)
        paused = GaugeMetricFamily("eventos_partition_paused", "1 while a partition is stopped", labels=where)
        lag = GaugeMetricFamily("eventos_consumer_lag_records", "Records not settled yet", labels=where)
        lag_seconds = GaugeMetricFamily(
            "eventos_consumer_lag_seconds", "Age of the last record settled (or the claim) while there is lag, else 0",
            labels=where,
        )  # fmt: skip
        behind = self.lag()
        for partition, stored in sorted(self._positions.items()):
            place = [self.service, self._topic, str(partition)]
            for outcome in ("applied", "duplicate", "dead_lettered"):
                consumed.add_metric([*place, outcome], getattr(stored, outcome))
            offset.add_metric(place, stored.next_offset)
            paused.add_metric(place, stored.stopped_reason is not None)
            if partition in behind:
                lag.add_metric(place, behind[partition])
                late = time.time() - self._last_appended[partition] if behind[partition] else 0.0
                lag_seconds.add_metric(place, max(0.0, late))
        yield from (consumed, offset, paused, lag, lag_seconds)


class RelayMetrics:
    """The metrics of the outbox relay."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.pending = Gauge("eventos_outbox_pending", "Outbox rows that wait to be sent", registry=registry)
        self.oldest = Gauge("eventos_outbox_oldest_age_seconds", "Age of the oldest outbox row", registry=registry)
        self.sent = Counter("eventos_outbox_sent", "Outbox rows sent", ["topic"], registry=registry)
        self.active = Gauge("eventos_outbox_relay_active", "1 in the relay that sends", registry=registry)
