"""Data of the topic email-engagement."""

from typing import Literal

from contracts.fields import Data, Flag, Text, Uuid


class EmailEngagement(Data, frozen=True, kw_only=True):
    """Something that became of one e-mail, its `message_id`; the event's type says what.

    `recipient_hash` is never an address.
    """

    message_id: Text
    sponsor_id: Uuid | None = None
    event_id: Uuid | None = None
    campaign_id: Uuid | None = None
    template_id: Uuid | None = None
    sequence_id: Uuid | None = None
    recipient_hash: Text | None = None
    url: Text | None = None

    @property
    def partition_key(self) -> str:
        """The sponsor, or the message where no sponsor is known."""
        return self.sponsor_id or self.message_id


class EmailRead(EmailEngagement, frozen=True, kw_only=True):
    """An e-mail was opened or clicked; `machine` where a privacy proxy or a link scanner did it."""

    machine: Flag = False


class EmailBounced(EmailEngagement, frozen=True, kw_only=True):
    """An e-mail came back."""

    bounce_kind: Literal["hard", "soft"]
