"""Events that hold a text which is found again, in every field that takes a text, and which means harm besides."""

import json
from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Any

from contracts.topics import EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, TICKET_SALES, Topic
from tests.support.hostile import INJECTIONS
from tests.support.records import FAMILIES

MARK = "planted-zq7"
NOBODY = "00000000-0000-4000-8000-00000000000b"
_TIME = "2025-10-01T09:30:00Z"
_ACTIVITIES = ("website_visited", "proposal_viewed", "note_added", "meeting_missed")
_EMAILS = ("sent", "delivered", "opened", "clicked", "bounced", "replied", "complained", "unsubscribed")

Line = dict[str, Any]
"""A line of records.jsonl."""


class Planter:
    """Writes events about the first sponsor and the first event of a season's core rows."""

    def __init__(self, core: Mapping[str, Any]) -> None:
        self._sponsor, self._event = core["sponsors"][0]["id"], core["events"][0]["id"]
        self._injections, self._number = cycle(INJECTIONS), 0

    def text(self, field: str) -> str:
        """A text for `field`, like no other."""
        self._number += 1
        return f"{next(self._injections)} {MARK} {field} {self._number}"

    def valid(self) -> Iterator[Line]:
        """Events that are applied: each type that has a field for a text, each injection in each."""
        for _ in INJECTIONS:
            for name in _ACTIVITIES:
                yield self._line(SPONSOR_ACTIVITY, name, self._activity())
            signed = {"package_level": self.text("package_level"), "amount": "1", "currency": "USD"}
            yield self._line(SPONSOR_ACTIVITY, "sponsorship_signed", {**self._activity(), **signed})
            email = self._email()
            for name in _EMAILS:
                yield self._line(
                    EMAIL_ENGAGEMENT, name, {**email, **({"bounce_kind": "soft"} if name == "bounced" else {})}
                )
            order = {"event_id": self._event, "order_id": self.text("order_id")}
            bought = {"quantity": 1, "amount": "1", "currency": "USD", "ticket_type": self.text("ticket_type")}
            yield self._line(
                TICKET_SALES, "page_viewed", {"event_id": self._event, "session_id": self.text("session_id")}
            )
            yield self._line(TICKET_SALES, "checkout_started", order)
            yield self._line(TICKET_SALES, "order_completed", {**order, **bought, "channel": self.text("channel")})
            yield self._line(TICKET_SALES, "attendee_checked_in", {**order, "ticket_id": self.text("ticket_id")})

    def refused(self) -> Iterator[Line]:
        """Records that are refused, for every reason, each with the text where the fault is."""
        activity, email = self._activity(), self._email()
        for field in ("sponsor_id", "event_id", "proposal_id", "metadata"):
            yield self._line(SPONSOR_ACTIVITY, "note_added", {**activity, field: self.text(field)})
        for field in ("machine", "campaign_id", "template_id", "sequence_id", "sponsor_id"):
            yield self._line(EMAIL_ENGAGEMENT, "opened", {**email, field: self.text(field)})
        yield self._line(EMAIL_ENGAGEMENT, "bounced", {**email, "bounce_kind": self.text("bounce_kind")})
        bought = {"event_id": self._event, "order_id": "o", "quantity": 1, "amount": "1", "currency": "USD"}
        for field in ("event_id", "quantity", "amount", "currency", "sponsor_id"):
            yield self._line(TICKET_SALES, "order_completed", {**bought, "ticket_type": "t", field: self.text(field)})
        yield self._line(TICKET_SALES, "dispute_closed", {**bought, "outcome": self.text("outcome")})
        for member in ("type", "time", "specversion", "data"):
            yield self._line(SPONSOR_ACTIVITY, "note_added", activity, {member: self.text(member)})
        yield self._line(SPONSOR_ACTIVITY, "note_added", {**activity, "sponsor_id": NOBODY})
        yield self._line(SPONSOR_ACTIVITY, "note_added", activity, {"time": "2099-01-01T00:00:00Z"})
        once = self._line(SPONSOR_ACTIVITY, "note_added", activity)
        yield once
        yield {**once, "value": json.dumps({**json.loads(once["value"]), "data": self._activity()})}
        yield {**once, "value": '{"' + self.text("not_json").replace('"', "'")}
        yield {**once, "value": json.dumps({"data": (self.text("oversized") + " ") * 2000})}

    def choking(self) -> Line:
        """An event that is as it should be, and on which a database with a bug may choke."""
        return self._line(
            SPONSOR_ACTIVITY, "note_added", {**self._activity(), "metadata": {"choke": self.text("choke")}}
        )

    def _activity(self) -> dict[str, Any]:
        inside = {self.text("key"): self.text("metadata"), "list": [self.text("list")]}
        return {"sponsor_id": self._sponsor, "event_id": self._event, "metadata": inside}

    def _email(self) -> dict[str, Any]:
        told = {field: self.text(field) for field in ("message_id", "recipient_hash", "url")}
        return {"sponsor_id": self._sponsor, "event_id": self._event, **told}

    def _line(self, topic: Topic, name: str, data: dict[str, Any], instead: Mapping[str, str] | None = None) -> Line:
        envelope = {"specversion": "1.0", "type": f"eventos.{FAMILIES[topic]}.{name}.v1", "time": _TIME, "data": data}
        told = {field: self.text(field) for field in ("id", "source", "subject", "extension")}
        return {
            "topic": topic.name,
            "key": self.text("record key"),
            "value": json.dumps({**envelope, **told, **(instead or {})}),
            "headers": {"x-whom": self.text("header")},
        }
