"""Another kept stack: Arroyo, Sentry's consumer library, and psycopg, with the effects of sponsor_activity.

As its users write it: decode each record, gather batches, write a batch in one transaction, then commit offsets. What
a batch leaves is what the service leaves: ledger, activities, sponsorships, signals, counters, marks. It is tuned:
batches as large as the product's, COPY for facts, one statement for each other table, a thread that writes a batch
while the next one is decoded, and garbage collected as seldom as in a service. It does not do all that the service
does: positions are Kafka's, so a crash repeats batches, which the ledger makes harmless; and a record that is refused
ends it, for dead letters would need a second topic.

Run as `python -m tests.benchmarks.contenders.arroyo_psycopg` with the services' settings, until killed.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any, LiteralString

import orjson
import psycopg
from arroyo.backends.kafka import KafkaConsumer, KafkaPayload
from arroyo.backends.kafka.configuration import build_kafka_consumer_configuration
from arroyo.processing.processor import StreamProcessor
from arroyo.processing.strategies import CommitOffsets, ProcessingStrategy, ProcessingStrategyFactory, RunTask
from arroyo.processing.strategies.batching import BatchStep, ValuesBatch
from arroyo.processing.strategies.run_task_in_threads import RunTaskInThreads
from arroyo.types import Commit, Message, Partition
from arroyo.types import Topic as KafkaTopic
from psycopg.conninfo import conninfo_to_dict

from contracts.envelope import Event, Refused, decode
from contracts.lead_signals import LEAD_SIGNALS
from contracts.sponsor_activity import SponsorshipSigned
from contracts.topics import SPONSOR_ACTIVITY
from services.operator.output import Failure
from services.runtime.service import collect_seldom
from services.runtime.settings import Settings, load_settings
from tests.benchmarks.contenders.product import BATCH_RECORDS
from tests.benchmarks.draining import Drained, watch
from tests.benchmarks.lab import Database, Lab

SERVICE = "sponsor_activity"
LINGER = 0.5
"""Seconds after which a smaller batch is written."""

_SETTLED: LiteralString = "SELECT count(*) FROM processed_events"
_STORED: LiteralString = "SELECT count(*) FROM sponsor_activities"
_LOOK = 0.5
"""Seconds between looks, each of which counts all rows."""
_SEARCH_PATH = "streams_g1,streams,public"
_SIGNALS = LEAD_SIGNALS[SERVICE]

_CLAIM = """
    INSERT INTO processed_events (identity, service, source, id, content_hash, partition, record_offset)
    SELECT event_identity(source, id), 'sponsor_activity', source, id, content_hash, partition, record_offset
      FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::int[], %s::bigint[])
        AS claimed (source, id, content_hash, partition, record_offset)
        ON CONFLICT (identity) DO NOTHING
    RETURNING source, id
"""
_REFERENCES = "SELECT id::text FROM lock_references(%s::uuid[], %s::uuid[])"
_ACTIVITIES = """
    COPY sponsor_activities (id, sponsor_id, activity_type, event_id, proposal_id, metadata, created_at) FROM STDIN
"""
_SPONSORSHIPS = """
    COPY sponsorships (id, event_id, sponsor_id, package_level, amount, currency, status, signed_at) FROM STDIN
"""
_ADD_SIGNALS = """
    INSERT INTO lead_signals_sponsor_activity AS stored (sponsor_id, event_id, signal, day, n)
    SELECT sponsor_id, NULLIF(event_id, '')::uuid, signal, day, n
      FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::date[], %s::int[])
        AS added (sponsor_id, event_id, signal, day, n)
        ON CONFLICT (sponsor_id, event_id, signal, day, service) DO UPDATE SET n = stored.n + excluded.n
"""
_ADD_COUNTERS = """
    INSERT INTO event_counters_sponsor_activity AS stored (shard, event_id, metric, label, n)
    SELECT %s, event_id, 'activities', label, n
      FROM unnest(%s::uuid[], %s::text[], %s::bigint[]) AS added (event_id, label, n)
        ON CONFLICT (event_id, metric, label, shard, service) DO UPDATE SET n = stored.n + excluded.n
"""
_ADD_VIEWS = """
    INSERT INTO proposal_counters AS stored (proposal_id, shard, n)
    SELECT proposal_id, %s, n FROM unnest(%s::uuid[], %s::bigint[]) AS viewed (proposal_id, n)
        ON CONFLICT (proposal_id, shard) DO UPDATE SET n = stored.n + excluded.n
"""
_ADD_MARKS = """
    INSERT INTO stale_marks (projection, shard, kind, key, other)
    SELECT projection, shard_of(key), kind, key, other
      FROM unnest(%s::text[], %s::text[], %s::uuid[], %s::uuid[]) AS marked (projection, kind, key, other)
"""


async def drain(lab: Lab, database: Database, service: str) -> Drained:
    """Let it drain its topic, the one of sponsor_activity. Raises Failure when it does not get there."""
    if service != SERVICE:
        raise Failure(f"this contender does what {SERVICE} does, and nothing for {service}")
    async with lab.process(database, sys.executable, "-m", __name__) as process:

        def require_alive() -> None:
            if process.returncode is not None:
                raise Failure(f"{__name__} ended by itself, exit code {process.returncode}")

        records = database.backlog.counts[service]
        drained = await watch(database.connection, _SETTLED, records, require_alive, look=_LOOK)
    if (stored := await database.connection.fetchval(_STORED)) != records:
        raise Failure(f"Arroyo is past {records:,} records, and has stored {stored:,} activities")
    return drained


def decoded(latest: datetime, message: Message[KafkaPayload]) -> Event[Any]:
    """Decode a record. Raises ValueError where it is refused."""
    event = decode(SPONSOR_ACTIVITY, message.payload.value, message.payload.headers, latest)
    if isinstance(event, Refused):
        raise ValueError(event.detail)
    return event


class Writer:
    """Writes batches, a transaction each."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True, options=f"-csearch_path={_SEARCH_PATH}")

    def __call__(self, message: Message[ValuesBatch[Event[Any]]]) -> None:
        """Write what is new of a batch. Raises LookupError for a sponsor or an event that has no row."""
        places = {(it.payload.source, it.payload.id): _place(it.committable) for it in message.payload}
        events = {(it.payload.source, it.payload.id): it.payload for it in message.payload}
        with self._connection.transaction(), self._connection.cursor() as cursor:
            identities = sorted(events)
            hashes = [events[identity].content_hash for identity in identities]
            sources, ids = [source for source, _ in identities], [id_ for _, id_ in identities]
            partitions, offsets = zip(*(places[identity] for identity in identities), strict=True)
            cursor.execute(_CLAIM, [sources, ids, hashes, list(partitions), list(offsets)])
            new = [events[identity] for identity in cursor.fetchall()]
            if new:
                _require_references(cursor, new)
                _store_facts(cursor, new)
                _add(cursor, new, shard=min(partitions))


def _place(committable: Mapping[Partition, int]) -> tuple[int, int]:
    [(partition, following)] = committable.items()
    return partition.index, following - 1


def _require_references(cursor: psycopg.Cursor[Any], events: Sequence[Event[Any]]) -> None:
    sponsors = {event.data.sponsor_id for event in events}
    named = {event.data.event_id for event in events if event.data.event_id}
    cursor.execute(_REFERENCES, [sorted(sponsors), sorted(named)])
    if missing := (sponsors | named) - {id_ for (id_,) in cursor.fetchall()}:
        raise LookupError(f"there are no rows for {missing}")


def _store_facts(cursor: psycopg.Cursor[Any], events: Sequence[Event[Any]]) -> None:
    with cursor.copy(_ACTIVITIES) as copy:
        for event in events:
            data = event.data
            row = (event.uuid(), data.sponsor_id, event.name, data.event_id, data.proposal_id)
            copy.write_row((*row, orjson.dumps(data.metadata or {}).decode(), event.time))
    signed = [event for event in events if isinstance(event.data, SponsorshipSigned)]
    with cursor.copy(_SPONSORSHIPS) as copy:
        for event in signed:
            data = event.data
            row = (event.uuid("sponsorship"), data.event_id, data.sponsor_id, data.package_level, data.amount)
            copy.write_row((*row, data.currency, "signed", event.time))


def _add(cursor: psycopg.Cursor[Any], events: Sequence[Event[Any]], *, shard: int) -> None:
    """Add to signals, counters and views of proposals, and mark what became stale, all in key order."""
    signals: Counter[tuple[str, str, str, str]] = Counter()
    counters: Counter[tuple[str, str]] = Counter()
    views: Counter[str] = Counter()
    marks: set[tuple[str, str, str, str | None]] = set()
    for event in events:
        data = event.data
        if event.name in _SIGNALS:
            signals[data.sponsor_id, data.event_id or "", event.name, event.time.date().isoformat()] += 1
            marks.add(("lead_scores", "pair", data.sponsor_id, data.event_id))
        if data.event_id is not None:
            counters[data.event_id, event.name] += 1
            marks.add(("dashboards", "event", data.event_id, None))
        if event.name == "proposal_viewed" and data.proposal_id is not None:
            views[data.proposal_id] += 1
            marks.add(("proposal_views", "proposal", data.proposal_id, None))
    if signals:
        rows = [(*key, n) for key, n in sorted(signals.items())]
        cursor.execute(_ADD_SIGNALS, _columns(rows))
    if counters:
        cursor.execute(_ADD_COUNTERS, [shard, *_columns([(*key, n) for key, n in sorted(counters.items())])])
    if views:
        cursor.execute(_ADD_VIEWS, [shard, *_columns(sorted(views.items()))])
    if marks:
        cursor.execute(_ADD_MARKS, _columns(list(marks)))


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


class Factory(ProcessingStrategyFactory[KafkaPayload]):
    """Decode → gather → write → commit."""

    def __init__(self, settings: Settings) -> None:
        self._writer = Writer(settings.database_url.get_secret_value())
        day = settings.as_of or datetime.now(UTC).date()
        self._latest = datetime.combine(day, time.min, UTC) + timedelta(days=1)

    def create_with_partitions(
        self, commit: Commit, partitions: Mapping[Partition, int]
    ) -> ProcessingStrategy[KafkaPayload]:
        """Wire the steps."""
        write = RunTaskInThreads(self._writer, concurrency=1, max_pending_futures=1, next_step=CommitOffsets(commit))
        gather: BatchStep[Event[Any]] = BatchStep(BATCH_RECORDS, LINGER, write)
        return RunTask(partial(decoded, self._latest), gather, better_backpressure=True)


def main() -> None:
    """Consume sponsor-activity until killed."""
    collect_seldom()
    settings = load_settings()
    url = settings.database_url.get_secret_value()
    configuration = build_kafka_consumer_configuration(
        {},
        group_id=f"arroyo-{conninfo_to_dict(url)['dbname']}",
        auto_offset_reset="earliest",
        bootstrap_servers=settings.kafka_bootstrap_servers.split(","),
        strict_offset_reset=False,
    )
    topic = KafkaTopic(SPONSOR_ACTIVITY.full_name(settings.topic_prefix))
    StreamProcessor(KafkaConsumer(configuration), topic, Factory(settings)).run()


if __name__ == "__main__":
    main()
