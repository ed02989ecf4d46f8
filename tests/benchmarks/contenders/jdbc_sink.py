"""The usual way without code of one's own: Kafka Connect with a JDBC sink that upserts the records into one table.

It does less than a service does. The records are stored as text under partition and offset, which
is what makes a repetition harmless; nothing is decoded, judged or counted, and no identity is looked at.

It is tuned as its manuals say: two tasks, so that both cores have work; polls and batches as large as the product's;
one statement a batch (`unnest` in the sink; `reWriteBatchedInserts` in the driver for what the sink does not so
write); large fetches, of which the last is not waited for; a connection for each task; a table that the sink need not
inspect for changes. Java compiles while it runs, and its first seconds are slow: give it records enough.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGTERM
from typing import LiteralString

from infra.local import servers
from infra.local.servers import Server
from infra.local.stack import PROJECT_FOLDER
from services.operator.output import Failure
from services.operator.standing import INTAKE_TOPICS
from tests.benchmarks.contenders.product import BATCH_RECORDS
from tests.benchmarks.draining import Drained, watch
from tests.benchmarks.lab import Database, Lab

JARS = PROJECT_FOLDER / "connect-jars"
TASKS = 2

_MAKE_TABLE: LiteralString = """
    CREATE TABLE public.connect_sink (
        partition integer, record_offset bigint, value text NOT NULL, PRIMARY KEY (partition, record_offset)
    )
"""
_SETTLED: LiteralString = """
    SELECT COALESCE(sum(1 + (SELECT max(record_offset) FROM public.connect_sink AS stored
                              WHERE stored.partition = partitions.partition)), 0)::bigint
      FROM generate_series(0, 63) AS partitions (partition)
"""
"""How many are stored: the last offset of each partition, from the index. To count all at each look takes too long."""
_COUNT: LiteralString = "SELECT count(*) FROM public.connect_sink"


async def drain(lab: Lab, database: Database, service: str) -> Drained:
    """Let Connect write what the topic of `service` has. Raises Failure when it does not get there."""
    records = database.backlog.counts[service]
    async with _running(lab, database, service) as connect:

        def require_alive() -> None:
            if connect.ended() or "Task is being killed" in connect.log.read_text("utf-8", "replace"):
                raise Failure("Kafka Connect has failed", servers.last_error(connect.log))

        drained = await watch(database.connection, _SETTLED, records, require_alive)
    if (stored := await database.connection.fetchval(_COUNT)) != records:
        raise Failure(f"Kafka Connect is past {records:,} records, and has stored {stored:,}")
    return drained


@asynccontextmanager
async def _running(lab: Lab, database: Database, service: str) -> AsyncIterator[Server]:
    """Make the table, start Connect, and stop it at the end."""
    java = shutil.which("java", path=f"{home}/bin" if (home := os.environ.get("JAVA_HOME")) else None)
    if java is None or not any(JARS.glob("debezium-connector-jdbc-*.jar")):
        raise Failure(f"Java is missing, or the jars of {JARS}", remedy="`make contenders` fetches them.")
    await database.connection.execute(_MAKE_TABLE)
    folder = lab.folder / f"connect-{database.name}"
    folder.mkdir()
    files = [
        _write(folder / "worker.properties", _worker(database, folder)),
        _write(folder / "sink.properties", _sink(database, service)),
    ]
    logging = Path(servers.__file__).with_name("kafka-log4j2.properties")
    command = [java, "-Xmx1g", "-cp", f"{JARS}/*", f"-Dlog4j2.configurationFile={logging}"]
    command += ["org.apache.kafka.connect.cli.ConnectStandalone", *files]
    connect = servers.start("Kafka Connect", command, folder / "connect.log", stop_signal=SIGTERM)
    try:
        yield connect
    finally:
        await asyncio.to_thread(connect.stop)


def _worker(database: Database, folder: Path) -> dict[str, str]:
    return {
        "bootstrap.servers": database.settings.kafka_bootstrap_servers,
        "group.id": f"connect-{database.name}",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "offset.storage.file.filename": str(folder / "offsets"),
        "offset.flush.interval.ms": "5000",
        "listeners": "http://127.0.0.1:0",
        "consumer.auto.offset.reset": "earliest",
        "consumer.max.poll.records": str(BATCH_RECORDS),
        "consumer.fetch.min.bytes": str(256 * 1024),
        "consumer.fetch.max.wait.ms": "20",
        "consumer.max.partition.fetch.bytes": str(4 * 1024 * 1024),
    }


def _sink(database: Database, service: str) -> dict[str, str]:
    # A JSON text has no schema, and the sink wants one. The key is made of columns, for with a key of Kafka's
    # coordinates (primary.key.mode=kafka) the sink's `unnest` ends in an exception.
    transforms = {
        "transforms": "hoist,place",
        "transforms.hoist.type": "org.apache.kafka.connect.transforms.HoistField$Value",
        "transforms.hoist.field": "value",
        "transforms.place.type": "org.apache.kafka.connect.transforms.InsertField$Value",
        "transforms.place.partition.field": "partition",
        "transforms.place.offset.field": "record_offset",
    }
    return {
        "name": f"sink-{database.name}",
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": str(TASKS),
        "topics": INTAKE_TOPICS[service].full_name(database.settings.topic_prefix),
        **transforms,
        "connection.url": f"jdbc:postgresql://{database.tcp_address}?reWriteBatchedInserts=true",
        "connection.username": "postgres",
        "connection.password": "",
        "connection.pool.min_size": "1",
        "connection.pool.max_size": "2",
        "insert.mode": "upsert",
        "primary.key.mode": "record_value",
        "primary.key.fields": "partition,record_offset",
        "collection.name.format": "public.connect_sink",
        "schema.evolution": "none",
        "batch.size": str(BATCH_RECORDS),
        "dialect.postgres.unnest.insert.enabled": "true",
    }


def _write(path: Path, properties: Mapping[str, str]) -> str:
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    return str(path)
