"""What the derived topics say, held against the rows that they tell of."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.topics import AGENT_ACTIVITIES, DASHBOARD_UPDATES, LEAD_SCORES, Topic
from tests.support.running import Running

_DERIVED = (LEAD_SCORES, DASHBOARD_UPDATES, AGENT_ACTIVITIES)
_DASHBOARD = (
    "total_views", "total_tickets_sold", "total_revenue", "conversion_rate", "metrics", "funnel_metrics",
    "marketing_metrics", "engagement_metrics",
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """One record of a derived topic; a tombstone has no event."""

    partition: int
    key: str
    value: bytes | None

    @property
    def event(self) -> dict[str, Any] | None:
        """The event in structured mode."""
        return None if self.value is None else json.loads(self.value)


async def everything_told(services: Running, topic: Topic) -> list[Told]:
    """All committed records of a topic, those of one partition in their order."""
    return [Told(record.partition, record.key.decode(), record.value) for record in await services.read(topic)]


async def times_told_again(services: Running) -> int:
    """How many derived events came more than once, as the same event."""
    ids: Counter[str] = Counter()
    for topic in _DERIVED:
        for record in await everything_told(services, topic):
            if record.value is not None and (event := record.event) is not None:
                ids[event["id"]] += 1
    return ids.total() - len(ids)


async def require_last_words(services: Running, state: Mapping[str, Any], *, rewound: bool = False) -> None:
    """Raise AssertionError unless the last word per key agrees with the rows, and each id tells one thing.

    `rewound`, the database has gone back behind what it told: changes and milestones of then may be told anew.
    """
    leads, dashboards, activities = [await everything_told(services, topic) for topic in _DERIVED]
    require_ids([*leads, *dashboards, *activities])
    _require_leads(leads, state, rewound=rewound)
    _require_dashboards(dashboards, state, rewound=rewound)
    async with services.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT id::text AS activity_id, status, required_human_review FROM agent_sales_activities"
            " WHERE message_id IS NOT NULL"
        )
    _require_activities(activities, [dict(row) for row in rows])


def require_ids(told: Sequence[Told]) -> None:
    """Raise AssertionError if one id tells two things: what is sent again must be the same."""
    first: dict[str, bytes] = {}
    for record in told:
        if record.value is not None and (event := record.event) is not None:
            assert first.setdefault(event["id"], record.value) == record.value, f"one id, two contents: {event}"


def _require_leads(told: Sequence[Told], state: Mapping[str, Any], *, rewound: bool) -> None:
    """Each lead's previous values are those told before, so none is lost or out of order; the last ones are its row's.

    Where there is no row, the last word is a tombstone. What is sent again, a relay's last round, comes in its order.
    """
    last: dict[str, tuple[int, str] | None] = {}
    seen: set[str] = set()
    for record in told:
        event, before = record.event, last.get(record.key)
        if event is None:
            last[record.key] = None
            continue
        data = event["data"]
        if not rewound and event["id"] not in seen:
            assert (data["previous_score"], data["previous_priority"]) == (before or (None, None)), (event, before)
        seen.add(event["id"])
        last[record.key] = data["score"], data["priority"]
    rows = {f"{row['sponsor_id']}:{row['event_id']}": (row["score"], row["priority"]) for row in state["lead_scores"]}
    words = {key: word for key, word in last.items() if word is not None}
    assert words == rows, f"told: {words.items() - rows.items()}; there: {rows.items() - words.items()}"


def _require_dashboards(told: Sequence[Told], state: Mapping[str, Any], *, rewound: bool) -> None:
    last: dict[str, dict[str, Any]] = {}
    milestones: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in told:
        event = record.event or {}
        if event["type"] == "eventos.dashboard.updated.v1":
            last[record.key] = event["data"]
        else:
            milestones[event["data"]["event_id"], event["data"]["milestone"]].add(event["id"])
    assert rewound or not [milestone for milestone, ids in milestones.items() if len(ids) > 1]
    rows = {row["event_id"]: {name: row[name] for name in _DASHBOARD} for row in state["dashboards"]}
    standing = {key: data for key, data in last.items() if not data["removed"]}
    assert {key: {name: data[name] for name in _DASHBOARD} for key, data in standing.items()} == rows


def _require_activities(told: Sequence[Told], rows: Sequence[Mapping[str, Any]]) -> None:
    """An activity whose event changes goes on in another partition; there one of its last words must be the row."""
    last: dict[str, dict[int, Mapping[str, Any]]] = defaultdict(dict)
    for record in told:
        data = (record.event or {})["data"]
        last[data["activity_id"]][record.partition] = data
    there = {row["activity_id"] for row in rows}
    assert last.keys() == there, (
        f"told, and not there: {last.keys() - there}; there, and not told: {there - last.keys()}"
    )
    for row in rows:
        words = [{name: data[name] for name in row} for data in last[row["activity_id"]].values()]
        assert row in words, (row, words)
