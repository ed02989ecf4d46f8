"""Data of the topic ticket-sales."""

from typing import Annotated, Literal

from msgspec import Meta
from pydantic import Field

from contracts.fields import Currency, Data, Money, Text, Uuid, cents


class TicketSale(Data, frozen=True, kw_only=True):
    """What all events of ticketing have."""

    event_id: Uuid

    @property
    def partition_key(self) -> str:
        """The event that is sold."""
        return self.event_id


class PageViewed(TicketSale, frozen=True, kw_only=True):
    """Somebody looked at the event's page."""

    session_id: Text


class TicketOrder(TicketSale, frozen=True, kw_only=True):
    """What all events of one order have; `order_id` is unique within the event."""

    order_id: Text


class CheckoutStarted(TicketOrder, frozen=True, kw_only=True):
    """Somebody began to order."""


class OrderCompleted(TicketOrder, frozen=True, kw_only=True):
    """An order was paid; `sponsor_id` where a sponsor placed it."""

    quantity: Annotated[int, Field(ge=1, le=10_000), Meta(ge=1, le=10_000)]
    amount: Money
    currency: Currency
    ticket_type: Text
    sponsor_id: Uuid | None = None
    channel: Text | None = None

    @property
    def amount_cents(self) -> int:
        """The amount in hundredths of the currency."""
        return cents(self.amount)


class OrderRefunded(TicketOrder, frozen=True, kw_only=True):
    """What has been refunded of an order so far: both figures are cumulative."""

    refunded_quantity: Annotated[int, Field(ge=0, le=10_000), Meta(ge=0, le=10_000)]
    refunded_amount: Money
    currency: Currency

    @property
    def refunded_cents(self) -> int:
        """The refunded amount in hundredths of the currency."""
        return cents(self.refunded_amount)


class DisputeClosed(TicketOrder, frozen=True, kw_only=True):
    """A payment's dispute ended."""

    outcome: Literal["won", "lost"]


class AttendeeCheckedIn(TicketOrder, frozen=True, kw_only=True):
    """A ticket was shown at the door."""

    ticket_id: Text
