"""Every event type: the topic that carries it and its data's model. A new type is a line at the end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from contracts.attendee_questions import QuestionAsked
from contracts.derived import (
    AgentActivityRecorded,
    DashboardMilestoneReached,
    DashboardUpdated,
    LeadScoreChanged,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowStarted,
    WorkflowStepCompleted,
)
from contracts.email_engagement import EmailBounced, EmailEngagement, EmailRead
from contracts.fields import Data
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


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event. `validate` makes `model` of parsed JSON, or raises pydantic's ValidationError."""

    name: str
    topic: Topic
    model: type[Data]
    validate: Callable[[Any], Data] = field(init=False)

    def __post_init__(self) -> None:
        # The validator itself: model_validate only adds a call around it.
        object.__setattr__(self, "validate", self.model.__pydantic_validator__.validate_python)


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
        *(EventType(name, topic, model) for topic, types in _INPUT.items() for name, model in types.items()),
        *(EventType(model.TYPE, model.TOPIC, model) for model in _DERIVED),
    )
}
