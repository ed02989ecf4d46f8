"""Data of the events that the services emit: a type, its topic and its key each.

They are read back by agents and workflows, which may run an older release: fields are only ever added.
"""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contracts.fields import JsonObject, Model, Text, Uuid
from contracts.topics import AGENT_ACTIVITIES, DASHBOARD_UPDATES, LEAD_SCORES, WORKFLOW_RUNS, Topic

Day = Annotated[date, Field(strict=False)]
Time = Annotated[datetime, Field(strict=False)]
Points = Annotated[int, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0)]
Ratio = Annotated[str, Field(pattern=r"^[01]\.[0-9]{1,4}$")]
Priority = Literal["hot", "warm", "nurture", "cold"]


class DerivedData(Model):
    """Data of an event that a service emits."""

    TYPE: ClassVar[str]
    TOPIC: ClassVar[Topic]

    @property
    def partition_key(self) -> str:
        """The key under which the event is published."""
        raise NotImplementedError


class TopFactor(Model):
    """One signal's part in a score, in thousandths of a point."""

    signal: Text
    millipoints: int


class LeadScoreChanged(DerivedData):
    """The score or priority of a lead changed; previous values are null for a new lead."""

    TYPE = "eventos.lead_score.changed.v1"
    TOPIC = LEAD_SCORES

    sponsor_id: Uuid
    event_id: Uuid
    score: Points
    priority: Priority
    grade: Annotated[str, Field(pattern=r"^[A-D][1-3]$")]
    fit: Points
    engagement: Points
    conversion_probability: Ratio
    previous_score: Points | None
    previous_priority: Priority | None
    top_factors: list[TopFactor]
    rules_version: Annotated[int, Field(ge=1)]
    as_of: Day

    @property
    def partition_key(self) -> str:
        """The lead."""
        return lead_key(self.sponsor_id, self.event_id)


def lead_key(sponsor_id: str, event_id: str) -> str:
    """The record key of a lead in the compacted topic lead-scores, for scores and tombstones alike."""
    return f"{sponsor_id}:{event_id}"


class AgentActivityRecorded(DerivedData):
    """An agent did something, or the status of what it did changed."""

    TYPE = "eventos.agent.activity_recorded.v1"
    TOPIC = AGENT_ACTIVITIES

    activity_id: Uuid
    activity_type: Text
    agent_id: Text
    message_id: Text | None
    event_id: Uuid | None
    sponsor_id: Uuid | None
    status: Text
    previous_status: Text | None
    required_human_review: bool
    escalation_reason: Text | None
    created_at: Time

    @property
    def partition_key(self) -> str:
        """The event, else the sponsor, else the activity itself."""
        return self.event_id or self.sponsor_id or self.activity_id


class DashboardUpdated(DerivedData):
    """A dashboard as it stands now; `removed` where nothing belongs to the event any more."""

    TYPE = "eventos.dashboard.updated.v1"
    TOPIC = DASHBOARD_UPDATES

    event_id: Uuid
    removed: bool
    total_views: Count
    total_tickets_sold: Count
    total_revenue: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]{2}$")]
    currency: str
    conversion_rate: Ratio
    metrics: JsonObject
    funnel_metrics: JsonObject
    marketing_metrics: JsonObject
    engagement_metrics: JsonObject

    @property
    def partition_key(self) -> str:
        """The event."""
        return self.event_id


class DashboardMilestoneReached(DerivedData):
    """Ticket sales of an event reached a milestone for the first time."""

    TYPE = "eventos.dashboard.milestone_reached.v1"
    TOPIC = DASHBOARD_UPDATES

    event_id: Uuid
    milestone: Literal["first_sale", "capacity_50", "capacity_90", "capacity_100"]
    total_tickets_sold: Count
    capacity: Count | None

    @property
    def partition_key(self) -> str:
        """The event."""
        return self.event_id


class WorkflowRun(DerivedData):
    """What all events of a workflow's run have."""

    TOPIC = WORKFLOW_RUNS

    workflow_id: Uuid
    event_id: Uuid | None
    workflow_type: Text

    @property
    def partition_key(self) -> str:
        """The workflow."""
        return self.workflow_id


class WorkflowStarted(WorkflowRun):
    """A workflow began."""

    TYPE = "eventos.workflow.started.v1"

    steps_total: Count


class WorkflowStepCompleted(WorkflowRun):
    """A step of a workflow is done."""

    TYPE = "eventos.workflow.step_completed.v1"

    step_id: Text
    steps_completed: Count
    steps_total: Count


class WorkflowCompleted(WorkflowRun):
    """All steps of a workflow are done."""

    TYPE = "eventos.workflow.completed.v1"

    steps_total: Count


class WorkflowFailed(WorkflowRun):
    """A workflow gave up at a step."""

    TYPE = "eventos.workflow.failed.v1"

    step_id: Text | None
    error: Text
