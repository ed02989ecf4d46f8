"""Wiring of ticket_sales: which topic it reads, and the story of a batch."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from contracts.envelope import Event
from contracts.ticket_sales import AttendeeCheckedIn, OrderCompleted, PageViewed
from contracts.topics import TICKET_SALES
from services.runtime.database import Connection, Pool
from services.runtime.effects import Effects
from services.runtime.intake import Handler
from services.runtime.service import Parts, Service, Tools
from services.ticket_sales import store
from services.ticket_sales.domain import OrderKey, count, fact, fold, move

OF_NO_ORDER = (PageViewed, AttendeeCheckedIn)
"""Facts that say nothing about the state of an order."""


class TicketSales(Handler):
    """Keeps ticketing facts and the state of each order, and tells what moved."""

    def references(self, event: Event[Any]) -> tuple[str | None, str | None]:
        """Return the sponsor of a completed order, and the event."""
        data = event.data
        sponsor_id = data.sponsor_id if type(data) is OrderCompleted else None
        return sponsor_id, data.event_id

    async def prepare(self, pool: Pool, events: Sequence[Event[Any]]) -> None:
        """Do nothing: every table takes rows of any time."""

    async def apply(self, connection: Connection, events: Sequence[Event[Any]], shard: int) -> Effects:
        """Store the facts; count them, what they change in their orders, and tickets that are checked in."""
        effects = Effects()
        await store.insert_facts(connection, [fact(event) for event in events])
        count(effects, events)
        await _fold_orders(connection, events, effects)
        await _check_in(connection, events, effects)
        return effects


async def _fold_orders(connection: Connection, events: Sequence[Event[Any]], effects: Effects) -> None:
    facts: defaultdict[OrderKey, list[Event[Any]]] = defaultdict(list)
    for event in events:
        if type(event.data) not in OF_NO_ORDER:
            facts[event.data.event_id, event.data.order_id].append(event)
    if not facts:
        return
    old = await store.lock_orders(connection, list(facts))
    new = {key: fold(old[key], facts[key]) for key in facts}
    changed = {key: order for key, order in new.items() if order != old[key]}
    for key, order in changed.items():
        move(effects, key[0], old[key], order)
    if changed:
        await store.update_orders(connection, changed)


async def _check_in(connection: Connection, events: Sequence[Event[Any]], effects: Effects) -> None:
    tickets = {(event.data.event_id, event.data.ticket_id) for event in events if type(event.data) is AttendeeCheckedIn}
    if tickets:
        for event_id in await store.check_in(connection, list(tickets)):
            effects.counters[event_id, "checked_in", ""] += 1


async def _build(tools: Tools) -> Parts:
    return Parts(handler=TicketSales())


SERVICE = Service("ticket_sales", _build, topic=TICKET_SALES)
