"""Data of the topic attendee-questions."""

from typing import Annotated

from msgspec import Meta
from pydantic import StringConstraints

from contracts.fields import Data, Text, Uuid


class QuestionAsked(Data, frozen=True, kw_only=True):
    """An attendee asked something; `asked_by_hash` is never a name or an address."""

    event_id: Uuid
    question_id: Text
    question: Annotated[str, StringConstraints(min_length=1, max_length=4_000), Meta(min_length=1, max_length=4_000)]
    asked_by_hash: Text | None = None
    language: Text | None = None

    @property
    def partition_key(self) -> str:
        """The event that is asked about."""
        return self.event_id
