"""Writes docs/schema.md from a migrated database: `make schema-page`. A test fails when the page is stale.

All that it says of tables, indexes and policies comes from the catalogue and its comments; what is written here is
which table belongs to which part, what the database design that EventOS began with counted, and why counts differ.
"""

import argparse
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from infra.local.stack import local_stack
from infra.postgres.migrate import migrate

PAGE = Path(__file__).resolve().parents[2] / "docs" / "schema.md"
QUERY = Path(__file__).with_suffix(".sql")

Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the schema. `counted` is what the design counted: tables, columns, indexes, policies."""

    title: str
    tables: tuple[str, ...]
    counted: tuple[int, int, int, int]
    why: str


PARTS = (
    Part(
        "Sponsor management",
        ("sponsors", "sponsor_embeddings", "sponsor_activities", "sponsor_proposals", "sponsor_lead_scores",
         "follow_up_sequences", "sponsorships", "sponsor_deliverables"),
        (5, 87, 28, 15),
        "The design draws seven tables and counts five. Embeddings are a table of their own: beside `engagement_score` "
        "each score written would rewrite their index.",
    ),
    Part(
        "Automation workflows",
        ("automation_workflows", "workflow_execution_logs", "automation_triggers"),
        (3, 52, 18, 9),
        "One table is the design's word for word; the other two it only draws. They have the columns drawn and those "
        "that running and reviewing a workflow takes, and no index without a query.",
    ),
    Part(
        "AI agents",
        ("agent_sales_activities", "agent_marketing_activities", "agent_operations_activities",
         "agent_support_activities", "agent_analytics_activities", "agent_memory"),
        (5, 64, 22, 12),
        "The design draws six tables and counts five. All five kinds of activities have the columns for status, review "
        "and cost that it gives to one of them, and each foreign key has its index. Memory has an embedding.",
    ),
    Part(
        "Marketing",
        ("marketing_campaigns", "email_templates", "whatsapp_campaigns"),
        (3, 68, 18, 9),
        "The design only draws these. What it would count twice is kept once: figures of e-mails are in the services' "
        "counters, texts and settings in `content`.",
    ),
    Part(
        "Analytics",
        ("event_dashboards", "dashboard_metrics_snapshots"),
        (2, 42, 16, 6),
        "`idx_dashboards_event` is the unique key of `event_id`, not a second index on it; the row's `snapshots` are "
        "the latest few and have no GIN index, for the other table is the history. Single figures are in JSONB.",
    ),
)  # fmt: skip
BESIDE = ("events",)
_COUNTED = ("tables", "columns", "indexes", "policies")
_RELATION = {
    (False, True): "||--o{", (True, True): "||--o|", (False, False): "|o--o{", (True, False): "|o--o|"
}  # fmt: skip
"""How mermaid draws a reference: (at most one row refers to another, it must refer to one)."""

_HEAD = """\
# The schema

Made by `make schema-page` from a migrated database; a test fails when it is stale. Do not edit it.

Tables of organisers are in `public`, behind row level security. What the services keep for themselves is in `streams`
and, as far as it belongs to a generation ([architecture](architecture.md#generations)), in `streams_g1`; clients of
the platform do not reach it. Partitions are not listed: months of `agent_sales_activities`, and the writers' parts of
`lead_signals` and `event_counters`.

To change it: a migration in `infra/postgres/migrations/`, in which every new table, index and policy says by a COMMENT
what it is for; then `make schema-page`.
"""

_COSTS = """\
## What an index costs

Each index below names the query that it serves; one without a query is removed, not kept in reserve. Rows of the hot
tables are written thousands of times a second, so these carry few: `make bench-indexes` writes the same rows with all
indexes and without each, and prints the microseconds that each costs a row. It printed 1 to 2.5 µs for each of them,
nothing that can be told from 0 for partial ones that hold few rows, and 6 µs in all for a sponsor's activity, 23 µs for
a sales activity.

## What an event takes

`eventos db storage` makes an event's rows and measures them, with their indexes. It printed 2.5 MB an event for the
tables for which the design estimated 1.7 MB, and 3.2 MB with what comes along (scores, e-mails, the ledger). Most of
the difference is embeddings, 6 KB a sponsor and about 8 KB more in their index, where the estimate for a whole sponsor
is 2 KB.
"""


def read(database_url: str) -> list[Table]:
    """Read the catalogue of a migrated database."""
    with psycopg.connect(database_url) as connection:
        connection.execute("SET search_path TO public, extensions")
        row = connection.execute(QUERY.read_bytes()).fetchone()
    tables: list[Table] = row[0] if row else []
    return tables


def page(tables: Sequence[Table]) -> str:
    """Write the page. Raises ValueError for a table of organisers that no part names."""
    by_name = {table["name"]: table for table in tables if table["schema"] == "public" and table["kind"] in "rp"}
    named = {name for part in PARTS for name in part.tables} | set(BESIDE)
    if by_name.keys() != named:
        raise ValueError(f"infra/postgres/schema_page.py does not agree with: {sorted(by_name.keys() ^ named)}")
    parts = {part: [by_name[name] for name in part.tables] for part in PARTS}
    views = [table for table in tables if table["kind"] in "mv"]
    own = [table for table in tables if table["schema"] != "public" and table["kind"] in "rp"]
    blocks = [_HEAD, *_counts(parts), _picture([*by_name.values()]), _COSTS]
    for part, its in parts.items():
        blocks += [f"## {part.title}\n", *map(_table, its)]
    blocks += ["## EventOS's own\n", *(_table(by_name[name]) for name in BESIDE)]
    blocks += ["## Views\n", *map(_table, views), "## The services' own\n", *map(_table, own)]
    return "\n".join(blocks)


def _count(tables: Sequence[Table]) -> tuple[int, int, int, int]:
    lists = ("columns", "indexes", "policies")
    columns, indexes, policies = (sum(len(table[name]) for table in tables) for name in lists)
    return len(tables), columns, indexes, policies


def _counts(parts: Mapping[Part, Sequence[Table]]) -> Iterator[str]:
    yield "## Counts\n"
    yield "Beside what the database design that EventOS began with counted, in brackets. Keys are indexes too.\n"
    found = {part: _count(tables) for part, tables in parts.items()}
    rows = [(part.title, *map(_beside, found[part], part.counted), part.why) for part in parts]
    all_found = [sum(column) for column in zip(*found.values(), strict=True)]
    counted = [sum(column) for column in zip(*(part.counted for part in parts), strict=True)]
    total = ("**all**", *map(_beside, all_found, counted), "The 51 policies are distributed as the design says.")
    yield _rows(("part", *_COUNTED, "why they differ"), [*rows, total])


def _beside(found: int, counted: int) -> str:
    return f"{found} ({counted})"


def _picture(tables: Sequence[Table]) -> str:
    lines = ["## Picture\n", "Keys and references; every column is in the tables below.\n", "```mermaid", "erDiagram"]
    for table in tables:
        lines += [
            f'    {_entity(ref["to"])} {_RELATION[ref["one"], ref["required"]]} {table["name"]} : "{ref["column"]}"'
            for ref in table["references"]
        ]
    for table in tables:
        referring = {ref["column"] for ref in table["references"]}
        keys = [column for column in table["columns"] if column["key"] or column["name"] in referring]
        lines += [f"    {table['name']} {{", *(_attribute(column, referring) for column in keys), "    }"]
    return "\n".join([*lines, "```\n"])


def _attribute(column: Mapping[str, Any], referring: set[str]) -> str:
    marks = [mark for mark, holds in (("PK", column["key"]), ("FK", column["name"] in referring)) if holds]
    return f"        {column['type'].replace(' ', '_')} {column['name']} {','.join(marks)}"


def _entity(name: str) -> str:
    return name.replace(".", "_")


def _table(table: Table) -> str:
    schema = "" if table["schema"] == "public" else f"{table['schema']}."
    lines = [f"### {schema}{table['name']}\n", f"{table['comment'] or 'Made by EventOS, or by the first migration.'}\n"]
    if table["partitioned_by"]:
        lines.append(f"Partitioned by `{table['partitioned_by'].lower()}`.\n")
    to = {ref["column"]: f"→ `{ref['to']}`, on delete {ref['on_delete']}" for ref in table["references"]}
    columns = [
        (_code(it["name"]), it["type"], "" if it["required"] else "yes", _code(it["default"]), to.get(it["name"], ""))
        for it in table["columns"]
    ]
    lines.append(_rows(("column", "type", "null", "default", "refers to"), columns))
    if table["indexes"]:
        indexes = [(_code(it["name"]), _code(it["on"]), _serves(it)) for it in table["indexes"]]
        lines.append(_rows(("index", "on", "serves"), indexes))
    if table["policies"]:
        policies = [(_code(it["name"]), it["verb"], it["comment"], _condition(it)) for it in table["policies"]]
        lines.append(_rows(("policy", "verb", "says", "condition"), policies))
    elif table["row_security"]:
        lines.append("Row level security without a policy: for services only.\n")
    return "\n".join(lines)


def _serves(index: Mapping[str, Any]) -> str:
    kind = "The primary key." if index["primary"] else "Unique." if index["unique"] else ""
    return " ".join(filter(None, (kind, index["serves"])))


def _condition(policy: Mapping[str, Any]) -> str:
    using, check = (policy[name] and _code(re.sub(r"\s+", " ", policy[name])) for name in ("using", "check"))
    if using and check and using != check:
        return f"{using}, and then {check}"
    return f"{using or check}{', before and after' if using and check else ''}"


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _rows(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines: list[Sequence[object]] = [heading, ["---"] * len(heading), *rows]
    return (
        "\n".join("| " + " | ".join(str(cell or "").replace("|", "\\|") for cell in row) + " |" for row in lines) + "\n"
    )


def main() -> None:
    """Write the page, of the database at an address or of one made for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database_url", nargs="?", help="a migrated database; without one a new one is made")
    url = parser.parse_args().database_url
    if url:
        PAGE.write_text(page(read(url)), "utf-8")
        return
    with (
        tempfile.TemporaryDirectory(prefix="eventos-schema-", ignore_cleanup_errors=True) as folder,
        local_stack(Path(folder), kafka_bootstrap_servers="unused") as stack,
    ):
        migrate(stack.addresses.database_url)
        PAGE.write_text(page(read(stack.addresses.database_url)), "utf-8")


if __name__ == "__main__":
    main()
