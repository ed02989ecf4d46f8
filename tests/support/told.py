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


Ends = Mapping[tuple[str, int], int]
"""(topic without prefix, partition) → the offset after the last record."""


@dataclass(frozen=True)
class Told:
    """One record of a derived topic; a tombstone has no event. `earlier`, the database has gone back since then."""

    partition: int
    key: str
    value: bytes | None
    earlier: bool = False

    @property
    def event(self) -> dict[str, Any] | None:
        """The event in structured mode."""
        return None if self.value is None else json.loads(self.value)


async def everything_told(services: Running, topic: Topic, rewound: Ends | None = None) -> list[Told]:
    """All committed records of a topic, those of one partition in their order; `rewound` is where they ended then."""
    ends = rewound or {}
    return [
        Told(it.partition, it.key.decode(), it.value, it.offset < ends.get((topic.name, it.partition), 0))
        for it in await services.read(topic)
    ]


async def told_so_far(services: Running) -> Ends:
    """Where the derived topics end."""
    prefix = services.settings.topic_prefix
    ends = await services.reader.ends([topic.full_name(prefix) for topic in _DERIVED])
    return {(place.topic.removeprefix(prefix), place.partition): end for place, end in ends.items()}


async def excused(services: Running, state: Mapping[str, Any], rewound: Ends | None) -> Mapping[str, Any]:
    """The state, less what was told of leads only before the database went back: there their rows stand for it."""
    if rewound is None:
        return state
    earlier = told_earlier(await everything_told(services, LEAD_SCORES, rewound))
    told = [row for row in state["lead_score_events"] if _lead(row) not in earlier]
    return {**state, "lead_score_events": told + [row for row in state["lead_scores"] if _lead(row) in earlier]}


def told_earlier(told: Sequence[Told]) -> set[str]:
    """The keys of which nothing was told since the database went back.

    Their last words may be out of date: what they told may have been undone before it was computed again (ADR 3).
    """
    return {record.key for record in told} - {record.key for record in told if not record.earlier}


async def times_told_again(services: Running) -> int:
    """How many derived events came more than once, as the same event."""
    ids: Counter[str] = Counter()
    for topic in _DERIVED:
        for record in await everything_told(services, topic):
            if record.value is not None and (event := record.event) is not None:
                ids[event["id"]] += 1
    return ids.total() - len(ids)


async def require_last_words(services: Running, state: Mapping[str, Any], rewound: Ends | None = None) -> None:
    """Raise AssertionError unless the last word per key agrees with the rows, and each id tells one thing.

    `rewound` is how far had been told when the database went back behind it: changes and milestones of then may be told
    anew, and last words of then may be out of date.
    """
    leads, dashboards, activities = [await everything_told(services, topic, rewound) for topic in _DERIVED]
    require_ids([*leads, *dashboards, *activities])
    require_leads(leads, state)
    _require_dashboards(dashboards, state)
    async with services.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT id::text AS activity_id, status, required_human_review FROM agent_sales_activities"
            " WHERE message_id IS NOT NULL"
        )
    _require_activities(activities, [dict(row) for row in rows])


def _lead(row: Mapping[str, Any]) -> str:
    return f"{row['sponsor_id']}:{row['event_id']}"


def require_ids(told: Sequence[Told]) -> None:
    """Raise AssertionError if one id tells two things: what is sent again must be the same."""
    first: dict[str, bytes] = {}
    for record in told:
        if record.value is not None and (event := record.event) is not None:
            assert first.setdefault(event["id"], record.value) == record.value, f"one id, two contents: {event}"


def require_leads(told: Sequence[Told], state: Mapping[str, Any]) -> None:
    """Each lead's previous values are those told before, so none is lost or out of order; the last ones are its row's.

    Where there is no row, the last word is a tombstone. What is sent again, a relay's last round, comes in its order.
    """
    last: dict[str, tuple[int, str] | None] = {}
    earlier: set[str] = set()  # leads whose last word is of before the database went back
    seen: set[str] = set()
    for record in told:
        event, before = record.event, last.get(record.key)
        if event is None:
            last[record.key] = None
        else:
            data = event["data"]
            if event["id"] not in seen and (record.earlier or record.key not in earlier):
                assert (data["previous_score"], data["previous_priority"]) == (before or (None, None)), (event, before)
            seen.add(event["id"])
            last[record.key] = data["score"], data["priority"]
        (earlier.add if record.earlier else earlier.discard)(record.key)
    rows = {_lead(row): (row["score"], row["priority"]) for row in state["lead_scores"]}
    words = {key: word for key, word in last.items() if word is not None}
    differ = {key for key in words.keys() | rows.keys() if words.get(key) != rows.get(key)} - earlier
    assert not differ, [(key, "told", words.get(key), "there", rows.get(key)) for key in differ]


def _require_dashboards(told: Sequence[Told], state: Mapping[str, Any]) -> None:
    last: dict[str, dict[str, Any]] = {}
    milestones: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in told:
        event = record.event or {}
        if event["type"] == "eventos.dashboard.updated.v1":
            last[record.key] = event["data"]
        else:
            milestones[event["data"]["event_id"], event["data"]["milestone"]].add(event["id"])
    again = [milestone for milestone, ids in milestones.items() if len(ids) > 1]
    assert not again or any(record.earlier for record in told)
    earlier = told_earlier(told)
    rows = {row["event_id"]: {name: row[name] for name in _DASHBOARD} for row in state["dashboards"]}
    words = {key: {name: data[name] for name in _DASHBOARD} for key, data in last.items() if not data["removed"]}
    differ = {key for key in words.keys() | rows.keys() if words.get(key) != rows.get(key)} - earlier
    assert not differ, [(key, "told", words.get(key), "there", rows.get(key)) for key in differ]


def _require_activities(told: Sequence[Told], rows: Sequence[Mapping[str, Any]]) -> None:
    """An activity whose event changes goes on in another partition; there one of its last words must be the row."""
    last: dict[str, dict[int, Mapping[str, Any]]] = defaultdict(dict)
    earlier: set[str] = set()
    for record in told:
        data = (record.event or {})["data"]
        last[data["activity_id"]][record.partition] = data
        (earlier.add if record.earlier else earlier.discard)(data["activity_id"])
    there = {row["activity_id"] for row in rows}
    differ = (last.keys() ^ there) - earlier
    assert not differ, f"told, and not there: {differ - there}; there, and not told: {differ & there}"
    for row in rows:
        words = [{name: data[name] for name in row} for data in last[row["activity_id"]].values()]
        assert row in words or row["activity_id"] in earlier, (row, words)
