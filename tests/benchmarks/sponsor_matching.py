"""`make bench-matching`: of the ten nearest sponsors, how many are found, and how fast.

The product's HNSW index, with and without iterative scan, beside the ivfflat index (lists = 100) that the database
design began with, made on an empty table as it was meant to be, and made anew once the rows were there. Truth is the
product's own query without any index. The vectors are made up: clusters in 1,536 dimensions, as embeddings lie.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from services.operator.sponsors import QUERIES
from services.runtime.database import SEARCH_PATH, Connection
from tests.benchmarks.databases import scratch_database

DIMENSIONS = 1536
CLUSTERS = 100
SPREAD = 0.6
"""Deviation within a cluster, of centres with deviation 1: two of a cluster have a cosine of about 0.73."""
INDUSTRIES = 10
NEAREST = 10
AT_ONCE = 200

SEED_TABLE = "CREATE TABLE seed_sponsors (id uuid PRIMARY KEY, industry text NOT NULL, vector_embedding vector(1536))"
SEED_INDEX = (
    "CREATE INDEX idx_seed_vector ON seed_sponsors USING ivfflat (vector_embedding vector_cosine_ops)"
    " WITH (lists = 100)"
)
SEED_QUERY = (
    "SELECT id::text FROM seed_sponsors WHERE $2::text IS NULL OR industry = $2"
    " ORDER BY vector_embedding <=> $1::text::vector LIMIT 10"
)
ONLY_BY_INDEX = "SET enable_seqscan TO off; SET enable_bitmapscan TO off; SET enable_sort TO off"
BY_NO_INDEX = "SET enable_indexscan TO off; SET enable_bitmapscan TO off"


@dataclass(frozen=True, slots=True)
class Found:
    """What one way of searching came to: recall of all and of one industry in ten, and milliseconds a query."""

    way: str
    recall: float
    milliseconds: float
    filtered_recall: float
    filtered_milliseconds: float


class Vectors:
    """Vectors in clusters; the same seed gives the same."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._centres = [[self._random.gauss() for _ in range(DIMENSIONS)] for _ in range(CLUSTERS)]

    def __iter__(self) -> Iterator[str]:
        """As text, which pgvector reads."""
        gauss = self._random.gauss
        while True:
            centre = self._random.choice(self._centres)
            yield f"[{','.join(f'{at + gauss(0, SPREAD):.4f}' for at in centre)}]"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sponsors", type=int, default=6000, help="sponsors with an embedding")
    parser.add_argument("--queries", type=int, default=100, help="searches, each for all and for an industry")
    options = parser.parse_args()
    with scratch_database() as url:
        found = asyncio.run(_measure(url, options.sponsors, options.queries))
    _print(found, options.sponsors, options.queries)


async def _measure(url: str, sponsors: int, queries: int) -> list[Found]:
    console = Console(stderr=True)
    connection = await asyncpg.connect(url, server_settings={"search_path": SEARCH_PATH, "jit": "off"})
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        await connection.execute(f"{SEED_TABLE}; {SEED_INDEX}")
        vectors = iter(Vectors(1))
        task = progress.add_task("writing vectors, indexed as they come", total=sponsors)
        for start in range(0, sponsors, AT_ONCE):
            await _add(connection, start, list(islice(vectors, min(AT_ONCE, sponsors - start))))
            progress.advance(task, AT_ONCE)
        await connection.execute("ANALYZE")
        asked = [(vector, f"industry {n % INDUSTRIES}") for n, vector in enumerate(islice(vectors, queries))]

        async def search(way: str, setup: str, query: Callable[[str, str | None], Any]) -> Answers:
            return await _answers(connection, setup, query, asked, progress, way)

        def product(vector: str, industry: str | None) -> Any:
            arguments = (vector, UUID(int=0), None, None, "USD", industry, None, NEAREST)
            return connection.fetch(QUERIES["similar_sponsors"], *arguments)

        def seed(vector: str, industry: str | None) -> Any:
            return connection.fetch(SEED_QUERY, vector, industry)

        iterative = f"{ONLY_BY_INDEX}; SET hnsw.iterative_scan TO strict_order; SET hnsw.max_scan_tuples TO 100000"
        truth = await search("exact: no index", BY_NO_INDEX, product)
        ways = [
            truth,
            await search("HNSW, iterative scan (the product)", iterative, product),
            await search("HNSW without iterative scan", ONLY_BY_INDEX, product),
            await search("ivfflat made on an empty table (as designed)", ONLY_BY_INDEX, seed),
        ]
        await connection.execute("REINDEX INDEX idx_seed_vector")
        ways.append(await search("ivfflat made once the rows were there", ONLY_BY_INDEX, seed))
    await connection.close()
    return [way.against(truth) for way in ways]


async def _add(connection: Connection, start: int, vectors: Sequence[str]) -> None:
    numbers = range(start, start + len(vectors))
    ids = [UUID(int=number + 1) for number in numbers]
    industries = [f"industry {number % INDUSTRIES}" for number in numbers]
    await connection.execute(
        "INSERT INTO sponsors (id, company_name, industry) SELECT id, 'Company', industry"
        " FROM unnest($1::uuid[], $2::text[]) AS new (id, industry)",
        ids, industries,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO sponsor_embeddings (sponsor_id, embedding, model, model_version)"
        " SELECT id, given::vector, 'made-up', '1' FROM unnest($1::uuid[], $2::text[]) AS new (id, given)",
        ids, vectors,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO seed_sponsors SELECT id, industry, given::vector"
        " FROM unnest($1::uuid[], $2::text[], $3::text[]) AS new (id, industry, given)",
        ids, industries, vectors,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answers:
    """What one way of searching found: for each query the ids without and with the filter, and the time of each."""

    way: str
    plain: list[set[str]]
    filtered: list[set[str]]
    seconds: tuple[float, float]

    def against(self, truth: "Answers") -> Found:
        """Compare with what is there to be found."""
        queries = len(self.plain)
        plain, filtered = (1000 * spent / queries for spent in self.seconds)
        recall, filtered_recall = _recall(self.plain, truth.plain), _recall(self.filtered, truth.filtered)
        return Found(self.way, recall, plain, filtered_recall, filtered)


def _recall(found: Sequence[set[str]], there: Sequence[set[str]]) -> float:
    hits = sum(len(some & every) for some, every in zip(found, there, strict=True))
    return hits / sum(map(len, there))


async def _answers(
    connection: Connection, setup: str, query: Callable[[str, str | None], Any], asked: Sequence[tuple[str, str]],
    progress: Progress, way: str,
) -> Answers:  # fmt: skip
    task = progress.add_task(way, total=2 * len(asked))
    await connection.execute(f"RESET ALL; SET search_path TO {SEARCH_PATH}; SET plan_cache_mode TO force_custom_plan")
    await connection.execute(setup)
    results: list[list[set[str]]] = [[], []]
    seconds = [0.0, 0.0]
    for which, filtering in enumerate((False, True)):
        await query(asked[0][0], asked[0][1] if filtering else None)
        for vector, industry in asked:
            with _timed(seconds, which):
                rows = await query(vector, industry if filtering else None)
            results[which].append({row["id"] for row in rows})
            progress.advance(task)
    return Answers(way, results[0], results[1], (seconds[0], seconds[1]))


@contextmanager
def _timed(seconds: list[float], which: int) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[which] += time.perf_counter() - started


def _print(found: Sequence[Found], sponsors: int, queries: int) -> None:
    table = Table(title=f"the {NEAREST} nearest of {sponsors:,} sponsors, {queries} queries of each kind")
    table.add_column("index")
    for heading in ("recall@10", "ms", "recall@10, one industry of ten", "ms"):
        table.add_column(heading, justify="right")
    for row in found:
        table.add_row(
            row.way, f"{row.recall:.3f}", f"{row.milliseconds:.1f}", f"{row.filtered_recall:.3f}",
            f"{row.filtered_milliseconds:.1f}",
        )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
