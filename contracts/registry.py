"""Every event type: the topic that carries it and the class of its data. A new type is a line at the end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

import msgspec

from contracts.attendee_questions import QuestionAsked
from contracts.derived import (
    AgentActivityRecorded,
    DashboardMilestoneReached,
    DashboardUpdated,
    DerivedData,
    LeadScoreChanged,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowStarted,
    WorkflowStepCompleted,
)
from contracts.email_engagement import EmailBounced, EmailEngagement, EmailRead
from contracts.fields import Data, Model, are_lower_uuids, model_of, uuids_of
from contracts.sponsor_activity import SponsorActivity, SponsorshipSigned
from contracts.ticket_sales import (
    AttendeeCheckedIn,
    CheckoutStarted,
    DisputeClosed,
    OrderCompleted,
    OrderRefunded,
    PageViewed,
)
from contracts.topics import ATTENDEE_QUESTIONS, EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, TICKET_SALES, Topic


@dataclass(frozen=True)
class EventType:
    """One type of event, and what its data becomes."""

    name: str
    topic: Topic
    data: type[Data] | type[DerivedData]

    @cached_property
    def model(self) -> type[Model]:
        """The model that judges the data."""
        return self.data if issubclass(self.data, DerivedData) else model_of(self.data)

    def validate(self, given: Any) -> Any:
        """Make `data` of parsed JSON, or raise pydantic's ValidationError."""
        # The validator itself: model_validate only adds a call around it.
        valid = self.model.__pydantic_validator__.validate_python(given)
        return valid if issubclass(self.data, DerivedData) else self.data(**vars(valid))

    def read(self, given: Mapping[str, Any]) -> Any:
        """Make `data` of a JSON object that is in order at first sight, or raise msgspec's ValidationError.

        What is not may still be valid; that is for `validate` to say.
        """
        read = msgspec.convert(given, self.data)
        if not are_lower_uuids(self._uuids_of(read)):
            raise msgspec.ValidationError("a Uuid that is not in lower case, or none")
        return read

    @cached_property
    def _uuids_of(self) -> Callable[[Any], tuple[str | None, ...]]:
        names = uuids_of(self.data)
        return attrgetter(names[0], *names) if names else lambda _: ()  # a tuple, for one name too


_INPUT: dict[Topic, dict[str, type[Data]]] = {
    SPONSOR_ACTIVITY: {
        "eventos.sponsor.website_visited.v1": SponsorActivity,
        "eventos.sponsor.package_viewed.v1": SponsorActivity,
        "eventos.sponsor.proposal_viewed.v1": SponsorActivity,
        "eventos.sponsor.deck_downloaded.v1": SponsorActivity,
        "eventos.sponsor.enquiry_submitted.v1": SponsorActivity,
        "eventos.sponsor.meeting_booked.v1": SponsorActivity,
        "eventos.sponsor.meeting_held.v1": SponsorActivity,
        "eventos.sponsor.meeting_missed.v1": SponsorActivity,
        "eventos.sponsor.intent_letter_received.v1": SponsorActivity,
        "eventos.sponsor.proposal_declined.v1": SponsorActivity,
        "eventos.sponsor.note_added.v1": SponsorActivity,
        "eventos.sponsor.sponsorship_signed.v1": SponsorshipSigned,
    },
    EMAIL_ENGAGEMENT: {
        "eventos.email.sent.v1": EmailEngagement,
        "eventos.email.delivered.v1": EmailEngagement,
        "eventos.email.opened.v1": EmailRead,
        "eventos.email.clicked.v1": EmailRead,
        "eventos.email.replied.v1": EmailEngagement,
        "eventos.email.bounced.v1": EmailBounced,
        "eventos.email.complained.v1": EmailEngagement,
        "eventos.email.unsubscribed.v1": EmailEngagement,
    },
    TICKET_SALES: {
        "eventos.ticketing.page_viewed.v1": PageViewed,
        "eventos.ticketing.checkout_started.v1": CheckoutStarted,
        "eventos.ticketing.order_completed.v1": OrderCompleted,
        "eventos.ticketing.order_refunded.v1": OrderRefunded,
        "eventos.ticketing.dispute_closed.v1": DisputeClosed,
        "eventos.ticketing.attendee_checked_in.v1": AttendeeCheckedIn,
    },
    ATTENDEE_QUESTIONS: {
        "eventos.support.question_asked.v1": QuestionAsked,
    },
}
_DERIVED = (
    LeadScoreChanged,
    AgentActivityRecorded,
    DashboardUpdated,
    DashboardMilestoneReached,
    WorkflowStarted,
    WorkflowStepCompleted,
    WorkflowCompleted,
    WorkflowFailed,
)

EVENT_TYPES: dict[str, EventType] = {
    event_type.name: event_type
    for event_type in (
        *(EventType(name, topic, data) for topic, types in _INPUT.items() for name, data in types.items()),
        *(EventType(data.TYPE, data.TOPIC, data) for data in _DERIVED),
    )
}
