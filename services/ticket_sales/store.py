"""The rows of ticket_sales: one function for each query, inside the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.runtime.database import Connection
from services.runtime.sql import load_queries
from services.ticket_sales.domain import FACT_COLUMNS, Completion, Dispute, OrderKey, OrderState, Refunded

QUERIES = load_queries(__package__)


async def insert_facts(connection: Connection, facts: Sequence[tuple[Any, ...]]) -> None:
    """Keep the facts, rows by FACT_COLUMNS; they are new, as the ledger says."""
    await connection.copy_records_to_table("ticket_events", records=facts, columns=FACT_COLUMNS)


async def lock_orders(connection: Connection, keys: Sequence[OrderKey]) -> dict[OrderKey, OrderState]:
    """Return the state of each order, locked until the transaction ends. `keys` are distinct."""
    columns = list(zip(*keys, strict=True))
    await connection.execute(QUERIES["place_orders"], *columns)
    rows = await connection.fetch(QUERIES["lock_orders"], *columns)
    return {(event_id, order_id): _state(*state) for event_id, order_id, *state in rows}


def _state(
    checkout_started: bool,
    completed_rank: bytes | None,
    completed_at: datetime,
    quantity: int,
    cents: int,
    currency: str,
    ticket_type: str,
    sponsor_id: str | None,
    refunds: Mapping[str, tuple[int, int]],
    dispute_rank: bytes | None,
    dispute_outcome: str,
) -> OrderState:
    return OrderState(
        checkout_started,
        Completion(completed_rank, completed_at, quantity, cents, currency, ticket_type, sponsor_id)
        if completed_rank
        else None,
        {currency: Refunded(*greatest) for currency, greatest in refunds.items()},
        Dispute(dispute_rank, dispute_outcome) if dispute_rank else None,
    )


async def update_orders(connection: Connection, orders: Mapping[OrderKey, OrderState]) -> None:
    """Write the states of orders that this transaction has locked."""
    rows = [_row(key, order) for key, order in orders.items()]
    await connection.execute(QUERIES["update_orders"], *zip(*rows, strict=True))


def _row(key: OrderKey, order: OrderState) -> tuple[Any, ...]:
    completion, dispute = order.completion, order.dispute
    return (
        *key,
        order.checkout_started,
        *(
            (
                completion.rank,
                completion.completed_at,
                completion.quantity,
                completion.cents,
                completion.currency,
                completion.ticket_type,
                completion.sponsor_id,
            )
            if completion
            else (None,) * 7
        ),
        {currency: [refunded.quantity, refunded.cents] for currency, refunded in order.refunds.items()},
        *((dispute.rank, dispute.outcome) if dispute else (None, None)),
        order.net_quantity,
        order.net_cents,
    )


async def check_in(connection: Connection, tickets: Sequence[tuple[str, str]]) -> list[str]:
    """Keep the (event, ticket) pairs; return the event of each that had not been checked in before."""
    rows = await connection.fetch(QUERIES["check_in"], *zip(*tickets, strict=True))
    return [event_id for (event_id,) in rows]
