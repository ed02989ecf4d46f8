"""Every topic: the only place that spells a topic's name."""

from dataclasses import dataclass

DAY_MS = 24 * 60 * 60 * 1000
PARTITIONS = 12


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is to be in Kafka, and who is at its two ends.

    `name` is without the configurable prefix, `key` says in words what the record key is, `retention_ms` is
    None where the topic is compacted instead, `derived` says that our own services write it.
    """

    name: str
    summary: str
    owner: str
    key: str
    consumers: tuple[str, ...]
    retention_ms: int | None
    derived: bool = False
    partitions: int = PARTITIONS

    @property
    def compacted(self) -> bool:
        """Whether Kafka keeps the last record per key instead of a span of time."""
        return self.retention_ms is None

    def full_name(self, prefix: str) -> str:
        """The name in Kafka, such as `eventos.ticket-sales` for the prefix `eventos.`."""
        return prefix + self.name

    @property
    def kafka_settings(self) -> dict[str, str]:
        """The topic's settings in Kafka, by Kafka's names.

        The broker stamps the records, so that "too far in the future" is decided alike on a replay.
        """
        kept = (
            {"cleanup.policy": "compact"}
            if self.retention_ms is None
            else {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}
        )
        return {"message.timestamp.type": "LogAppendTime", **kept}


SPONSOR_ACTIVITY = Topic(
    name="sponsor-activity",
    summary="What a sponsor did, on the website or with the sales team.",
    owner="crm",
    key="sponsor_id",
    consumers=("sponsor_activity",),
    retention_ms=365 * DAY_MS,
)
EMAIL_ENGAGEMENT = Topic(
    name="email-engagement",
    summary="What became of each e-mail that was sent.",
    owner="email-provider",
    key="sponsor_id, else message_id",
    consumers=("email_engagement",),
    retention_ms=365 * DAY_MS,
)
TICKET_SALES = Topic(
    name="ticket-sales",
    summary="Page views, orders, refunds, disputes and check-ins of an event.",
    owner="ticketing",
    key="event_id",
    consumers=("ticket_sales",),
    retention_ms=365 * DAY_MS,
)
ATTENDEE_QUESTIONS = Topic(
    name="attendee-questions",
    summary="Questions that attendees ask about an event.",
    owner="support-desk",
    key="event_id",
    consumers=("agents",),
    retention_ms=365 * DAY_MS,
)
LEAD_SCORES = Topic(
    name="lead-scores",
    summary="The current score of each lead; a tombstone where a lead is no more.",
    owner="lead_scoring",
    key="sponsor_id:event_id",
    consumers=("agents", "workflows"),
    retention_ms=None,
    derived=True,
)
AGENT_ACTIVITIES = Topic(
    name="agent-activities",
    summary="What an agent did, and each change of its status.",
    owner="email_engagement, agents",
    key="event_id, else sponsor_id",
    consumers=("workflows",),
    retention_ms=30 * DAY_MS,
    derived=True,
)
DASHBOARD_UPDATES = Topic(
    name="dashboard-updates",
    summary="Dashboards as they stand after a change, and milestones of ticket sales.",
    owner="event_dashboards",
    key="event_id",
    consumers=("agents", "workflows"),
    retention_ms=30 * DAY_MS,
    derived=True,
)
WORKFLOW_RUNS = Topic(
    name="workflow-runs",
    summary="The steps of automation workflows.",
    owner="workflows",
    key="workflow_id",
    consumers=(),
    retention_ms=30 * DAY_MS,
    derived=True,
)
DEAD_LETTERS = Topic(
    name="dead-letters",
    summary="Refused records as they were, with the reason in their headers.",
    owner="outbox_relay",
    key="key of the record",
    consumers=(),
    retention_ms=30 * DAY_MS,
    derived=True,
)

TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        SPONSOR_ACTIVITY,
        EMAIL_ENGAGEMENT,
        TICKET_SALES,
        ATTENDEE_QUESTIONS,
        LEAD_SCORES,
        AGENT_ACTIVITIES,
        DASHBOARD_UPDATES,
        WORKFLOW_RUNS,
        DEAD_LETTERS,
    )
}
