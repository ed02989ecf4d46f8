"""Data of the topic sponsor-activity."""

from contracts.fields import Currency, Data, JsonObject, Money, Text, Uuid, cents


class SponsorActivity(Data, frozen=True, kw_only=True):
    """Something that a sponsor did; the event's type says what."""

    sponsor_id: Uuid
    event_id: Uuid | None = None
    proposal_id: Uuid | None = None
    metadata: JsonObject | None = None

    @property
    def partition_key(self) -> str:
        """The sponsor."""
        return self.sponsor_id


class SponsorshipSigned(SponsorActivity, frozen=True, kw_only=True):
    """A sponsorship of one event was signed."""

    event_id: Uuid
    package_level: Text
    amount: Money
    currency: Currency

    @property
    def amount_cents(self) -> int:
        """The amount in hundredths of the currency."""
        return cents(self.amount)
