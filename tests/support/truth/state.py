"""The whole state, in the form of a conformance set's expected.json."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.support.truth.reading import Fact, read
from tests.support.truth.scoring import SIGNALS, engagement, lead, newest_proposals
from tests.support.truth.units import Message, Order, cents, messages, money, orders

Pair = tuple[str, str | None]
Signals = Counter[tuple[str, date]]
_COUNTED = (
    "sent", "delivered", "opened", "machine_opened", "clicked", "replied", "bounced", "complained", "unsubscribed",
)  # fmt: skip
_OF_MESSAGES = ("opened", "clicked", "replied", "hard_bounced", "unsubscribed", "complained")


def expected_state(core: Mapping[str, Any], records: Iterable[Mapping[str, Any]], as_of: date) -> dict[str, Any]:
    """Compute what must stand once all of `records`, which came in this order, are settled.

    Beyond what expected.json has: `outcomes`, topic → how many records were applied, duplicate and dead-lettered.
    """
    facts, refused, duplicates, outcomes = _settle(core, records, as_of)
    emails = messages(fact for fact in facts if fact.topic == "email-engagement")
    sales = [fact for fact in facts if fact.topic == "ticket-sales"]
    activities = [fact for fact in facts if fact.topic == "sponsor-activity"]
    placed = orders(sales)
    signals = _signals(activities, emails, placed)
    leads = list(_leads(core, signals, emails, as_of))
    proposals = {row["id"] for row in core.get("proposals", [])}
    views = Counter(fact.uuid("proposal_id") for fact in activities if fact.name == "proposal_viewed")
    return {
        "as_of": as_of.isoformat(),
        "lead_scores": _by(leads, "sponsor_id", "event_id"),
        "lead_score_events": _by(leads, "sponsor_id", "event_id"),
        "sponsors": _by(_sponsors(core, signals, as_of), "id"),
        "dashboards": _by(_dashboards(core, activities, emails, sales, placed), "event_id"),
        "campaigns": _by(_campaigns(core, emails), "id"),
        "templates": _by(_templates(core, emails), "id"),
        "sequences": _by(_sequences(core, emails), "id"),
        "proposals": _by([{"id": id_, "total_views": views[id_]} for id_ in proposals], "id"),
        "sales_activities": _by(_sales_activities(emails), "message_id"),
        "sponsorships": _by(_sponsorships(activities), "amount", "currency", "event_id", "package_level", "sponsor_id"),
        "dead_letters": _by(
            [{"topic": topic, "reason": reason, "count": n} for (topic, reason), n in refused.items()],
            "topic", "reason",
        ),
        "duplicates": duplicates,
        "outcomes": {topic: dict(counts) for topic, counts in outcomes.items()},
    }  # fmt: skip


def _by(rows: Iterable[dict[str, Any]], *keys: str) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: tuple(str(row[key]) for key in keys))


def _settle(
    core: Mapping[str, Any], records: Iterable[Mapping[str, Any]], as_of: date
) -> tuple[list[Fact], Counter[tuple[str, str]], int, dict[str, Counter[str]]]:
    """Give each record its outcome; returns the facts, the refusals, and how many there were of each."""
    latest = datetime.combine(as_of, time.min, UTC) + timedelta(days=1, minutes=5)
    known = {"sponsor": {row["id"] for row in core["sponsors"]}, "event": {row["id"] for row in core["events"]}}
    applied: dict[tuple[str, str], Fact] = {}
    refused: Counter[tuple[str, str]] = Counter()
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        found = read(record, latest)
        if isinstance(found, Fact):
            before = applied.get((found.source, found.id))
            if missing := [what for what in ("sponsor", "event") if (found.uuid(f"{what}_id") or None) is not None
                           and found.uuid(f"{what}_id") not in known[what]]:  # fmt: skip
                found = f"unknown_{missing[0]}"
            elif before is None:
                applied[found.source, found.id] = found
                outcomes[found.topic]["applied"] += 1
                continue
            elif before.content == found.content:
                outcomes[found.topic]["duplicate"] += 1
                continue
            else:
                found = "event_id_conflict"
        refused[record["topic"], found] += 1
        outcomes[record["topic"]]["dead_lettered"] += 1
    return list(applied.values()), refused, sum(counts["duplicate"] for counts in outcomes.values()), outcomes


def _signals(activities: Sequence[Fact], emails: Sequence[Message], placed: Sequence[Order]) -> dict[Pair, Signals]:
    signals: dict[Pair, Signals] = defaultdict(Counter)
    for fact in activities:
        if fact.name in SIGNALS:
            signals[fact.data["sponsor_id"].lower(), fact.uuid("event_id")][fact.name, fact.time.date()] += 1
    for message in emails:
        sponsor = message.belongs_to["sponsor_id"]
        for what in _OF_MESSAGES:
            if sponsor is not None and what in message.times:
                pair = sponsor, message.belongs_to["event_id"]
                signals[pair][f"email_{what}", message.times[what].date()] += 1
    for order in placed:
        if order.completed is not None and order.counts and (sponsor := order.completed.uuid("sponsor_id")):
            signals[sponsor, order.event_id]["ticket_order", order.completed.time.date()] += 1
    return signals


def _leads(
    core: Mapping[str, Any], signals: Mapping[Pair, Signals], emails: Sequence[Message], as_of: date
) -> Iterator[dict[str, Any]]:
    sponsors, events = ({row["id"]: row for row in core[name]} for name in ("sponsors", "events"))
    newest = newest_proposals(core.get("proposals", []))
    refusing = {m.belongs_to["sponsor_id"] for m in emails if {"unsubscribed", "complained"} & m.times.keys()}
    for (sponsor, event), counts in signals.items():
        if event is not None:
            proposal = newest.get((sponsor, event))
            yield lead(
                sponsors[sponsor], events[event], proposal, counts, as_of, do_not_email=sponsor in refusing
            )  # fmt: skip


def _sponsors(core: Mapping[str, Any], signals: Mapping[Pair, Signals], as_of: date) -> Iterator[dict[str, Any]]:
    own: dict[str, Signals] = defaultdict(Counter)
    for (sponsor, _), counts in signals.items():
        own[sponsor].update(counts)
    for row in core["sponsors"]:
        yield {"id": row["id"], "engagement_score": engagement(own[row["id"]], as_of)[1]}


def _dashboards(
    core: Mapping[str, Any], activities: Sequence[Fact], emails: Sequence[Message], sales: Sequence[Fact],
    placed: Sequence[Order],
) -> Iterator[dict[str, Any]]:  # fmt: skip
    by_event: dict[str, tuple[list[Fact], list[Message], list[Fact], list[Order]]]
    by_event = defaultdict(lambda: ([], [], [], []))
    for fact in activities:
        if (event := fact.uuid("event_id")) is not None:
            by_event[event][0].append(fact)
    for message in emails:
        if (event := message.belongs_to["event_id"]) is not None and message.times.keys() & set(_COUNTED):
            by_event[event][1].append(message)
    for fact in sales:
        by_event[fact.data["event_id"].lower()][2].append(fact)
    for order in placed:
        by_event[order.event_id][3].append(order)
    currencies = {row["id"]: row.get("currency") or "USD" for row in core["events"]}
    for event, parts in by_event.items():
        yield {"event_id": event, **_dashboard(currencies[event], *parts)}


def _dashboard(
    currency: str, activities: Sequence[Fact], emails: Sequence[Message], sales: Sequence[Fact], placed: Sequence[Order]
) -> dict[str, Any]:
    views = [fact.time for fact in sales if fact.name == "page_viewed"]
    counting = [(order, order.completed) for order in placed if order.completed is not None and order.counts]
    gross: Counter[str] = Counter()
    net: Counter[str] = Counter()
    for order in placed:
        if order.completed is not None:
            gross[order.completed.data["currency"]] += cents(order.completed.data["amount"])
            net[order.completed.data["currency"]] += order.amount
    by_type: Counter[str] = Counter()
    for order, completed in counting:
        by_type[completed.data["ticket_type"]] += order.quantity
    tickets = sum(order.quantity for order, _ in counting)
    rate = min(Decimal(1), Decimal(len(counting)) / len(views)) if views else Decimal(0)
    marketing = Counter(what for message in emails for what in message.times if what in _COUNTED)
    return {
        "total_views": len(views),
        "total_tickets_sold": tickets,
        "total_revenue": money(net[currency]),
        "conversion_rate": str(rate.quantize(Decimal("0.0001"), ROUND_HALF_UP)),
        "first_view_at": _told(min(views, default=None)),
        "first_sale_at": _told(min((completed.time for _, completed in counting), default=None)),
        "metrics": {
            "gross_revenue": {key: money(amount) for key, amount in sorted(gross.items())},
            "net_revenue": {key: money(net[key]) for key in sorted(gross)},
            "tickets_by_type": dict(sorted(by_type.items())),
        },
        "funnel_metrics": {
            "views": len(views),
            "checkouts": len({fact.data["order_id"] for fact in sales if fact.name == "checkout_started"}),
            "orders": len(counting),
            "tickets": tickets,
            "checked_in": len({fact.data["ticket_id"] for fact in sales if fact.name == "attendee_checked_in"}),
        },
        "marketing_metrics": dict(sorted(marketing.items())),
        "engagement_metrics": dict(sorted(Counter(fact.name for fact in activities).items())),
    }


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _campaigns(core: Mapping[str, Any], emails: Sequence[Message]) -> Iterator[dict[str, Any]]:
    sent = Counter(message.belongs_to["campaign_id"] for message in emails if "sent" in message.times)
    for row in core.get("campaigns", []):
        yield {"id": row["id"], "emails_sent": sent[row["id"]]}


def _templates(core: Mapping[str, Any], emails: Sequence[Message]) -> Iterator[dict[str, Any]]:
    sent = Counter(message.belongs_to["template_id"] for message in emails if "sent" in message.times)
    opened = Counter(message.belongs_to["template_id"] for message in emails if "opened" in message.times)
    for row in core.get("templates", []):
        yield {"id": row["id"], "sent_count": sent[row["id"]], "opened_count": opened[row["id"]]}


def _sequences(core: Mapping[str, Any], emails: Sequence[Message]) -> Iterator[dict[str, Any]]:
    own: dict[str | None, list[Message]] = defaultdict(list)
    for message in emails:
        own[message.belongs_to["sequence_id"]].append(message)
    for row in core.get("sequences", []):
        times = [message.times.keys() for message in own[row["id"]]]
        replies = sum("replied" in happened for happened in times)
        stopped = any({"hard_bounced", "complained", "unsubscribed"} & happened for happened in times)
        yield {
            "id": row["id"],
            "status": "stopped" if stopped else "replied" if replies else row.get("status", "active"),
            "emails_sent": sum("sent" in happened for happened in times),
            "replies_received": replies,
        }


def _sales_activities(emails: Sequence[Message]) -> Iterator[dict[str, Any]]:
    for message in emails:
        if message.belongs_to["sponsor_id"] is not None and "sent" in message.times:
            yield {
                "message_id": message.message_id,
                "sponsor_id": message.belongs_to["sponsor_id"],
                "event_id": message.belongs_to["event_id"],
                "activity_type": "follow_up_sent" if message.belongs_to["sequence_id"] else "email_sent",
                "status": message.activity_status,
                "required_human_review": message.activity_status == "escalated",
            }


def _sponsorships(activities: Sequence[Fact]) -> Iterator[dict[str, Any]]:
    for fact in activities:
        if fact.name == "sponsorship_signed":
            yield {
                "sponsor_id": fact.uuid("sponsor_id"),
                "event_id": fact.uuid("event_id"),
                "package_level": fact.data["package_level"],
                "amount": money(cents(fact.data["amount"])),
                "currency": fact.data["currency"],
                "status": "signed",
            }
