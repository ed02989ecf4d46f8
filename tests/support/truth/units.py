"""What the facts of one message, or of one order, amount to."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.support.truth.reading import Fact

ATTRIBUTES = ("sponsor_id", "event_id", "campaign_id", "template_id", "sequence_id")


@dataclass(frozen=True)
class Message:
    """One e-mail: what it belongs to, and the earliest time of each thing that happened to it."""

    message_id: str
    belongs_to: dict[str, str | None]
    times: dict[str, datetime]

    @property
    def activity_status(self) -> str:
        """What the agent's activity that it stands for came to."""
        if {"hard_bounced", "complained"} & self.times.keys():
            return "failed"
        if "replied" in self.times:
            return "escalated"
        return "success" if {"delivered", "opened", "clicked"} & self.times.keys() else "pending"


def messages(facts: Iterable[Fact]) -> list[Message]:
    """The messages that these e-mail facts are about."""
    by_id: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_id[fact.data["message_id"]].append(fact)
    return [_message(message_id, sorted(own, key=lambda fact: fact.rank)) for message_id, own in by_id.items()]


def _message(message_id: str, facts: Sequence[Fact]) -> Message:
    """Fold facts that come in order of rank."""
    belongs_to: dict[str, str | None] = dict.fromkeys(ATTRIBUTES)
    times: dict[str, datetime] = {}
    for fact in facts:
        for attribute in ATTRIBUTES:
            belongs_to[attribute] = belongs_to[attribute] or fact.uuid(attribute)
        for what in _happened(fact):
            times.setdefault(what, fact.time)
    return Message(message_id, belongs_to, times)


def _happened(fact: Fact) -> list[str]:
    if fact.name in ("opened", "clicked") and fact.data.get("machine"):
        return ["machine_opened"] if fact.name == "opened" else []
    if fact.name == "bounced" and fact.data["bounce_kind"] == "hard":
        return ["bounced", "hard_bounced"]
    return [fact.name]


@dataclass(frozen=True)
class Order:
    """One order; `completed` is the completion that stands, if there is any. Amounts are in cents."""

    event_id: str
    completed: Fact | None
    quantity: int = 0
    amount: int = 0

    @property
    def counts(self) -> bool:
        """Whether any of its tickets are still sold."""
        return self.quantity > 0


def orders(facts: Iterable[Fact]) -> list[Order]:
    """The orders that these ticketing facts are about."""
    by_order: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact.name in ("order_completed", "order_refunded", "dispute_closed"):
            by_order[fact.data["event_id"].lower(), fact.data["order_id"]].append(fact)
    return [_order(event_id, sorted(own, key=lambda fact: fact.rank)) for (event_id, _), own in by_order.items()]


def _order(event_id: str, facts: Sequence[Fact]) -> Order:
    completions = [fact for fact in facts if fact.name == "order_completed"]
    if not completions:
        return Order(event_id, None)
    last = completions[-1]
    disputes = [fact.data["outcome"] for fact in facts if fact.name == "dispute_closed"]
    if disputes[-1:] == ["lost"]:
        return Order(event_id, last)
    refunds = [f.data for f in facts if f.name == "order_refunded" and f.data["currency"] == last.data["currency"]]
    quantity = last.data["quantity"] - max((refund["refunded_quantity"] for refund in refunds), default=0)
    amount = cents(last.data["amount"]) - max((cents(refund["refunded_amount"]) for refund in refunds), default=0)
    return Order(event_id, last, max(0, quantity), max(0, amount))


def cents(money: str) -> int:
    """An amount as a number of cents."""
    whole, _, fraction = money.partition(".")
    return int(whole) * 100 + int(f"{fraction:0<2}")


def money(amount: int) -> str:
    """A number of cents as an amount with two decimals."""
    return f"{amount // 100}.{amount % 100:02}"
