"""Where a message counts, and the activity that it is."""

from typing import Any
from uuid import UUID

import pytest

from contracts.envelope import Event
from contracts.lead_signals import LEAD_SIGNALS
from services.email_engagement.domain import (
    Activity,
    Contributions,
    MessageState,
    activity,
    contributions,
    fold,
    refusing_sponsor,
)
from tests.support.facts import NOON, email

DAY = NOON.date()
SPONSOR = "07923986-bb96-4a43-bd5c-8dfc5eda92d8"
GALA = "35bf992d-c9e9-4616-a12e-7696a6cecc1b"
CAMPAIGN, TEMPLATE, SEQUENCE = (f"{n}9a2105c-5080-4f01-ba1d-556cb62c228e" for n in (1, 2, 3))
SUBJECTS: dict[str, Any] = {"campaign_id": CAMPAIGN, "template_id": TEMPLATE, "sequence_id": SEQUENCE}
ALL: dict[str, Any] = {"sponsor_id": SPONSOR, "event_id": GALA, **SUBJECTS}


def state_of(*facts: Event[Any]) -> MessageState:
    return fold(MessageState("m-1"), facts)


def counted(*facts: Event[Any]) -> Contributions:
    return contributions(state_of(*facts))


def activity_of(*facts: Event[Any]) -> Activity:
    found = activity(state_of(*facts))
    assert found is not None
    return found


def everything(**data: Any) -> list[Event[Any]]:
    """A fact of every kind."""
    plain = ("sent", "delivered", "opened", "clicked", "replied", "complained", "unsubscribed")
    return [
        *(email(name, **data) for name in plain),
        email("opened", machine=True, **data),
        email("clicked", machine=True, **data),
        email("bounced", bounce_kind="hard", **data),
    ]


# Signals


def test_every_signal_of_the_contract_is_contributed_and_no_other() -> None:
    assert {signal for _, _, signal, _ in counted(*everything(**ALL)).signals} == LEAD_SIGNALS["email_engagement"]


@pytest.mark.parametrize(
    ("fact", "signal"),
    [
        (email("opened", **ALL), "email_opened"),
        (email("clicked", **ALL), "email_clicked"),
        (email("replied", **ALL), "email_replied"),
        (email("bounced", bounce_kind="hard", **ALL), "email_hard_bounced"),
        (email("complained", **ALL), "email_complained"),
        (email("unsubscribed", **ALL), "email_unsubscribed"),
    ],
    ids=lambda given: given if isinstance(given, str) else None,
)
def test_a_signal_counts_for_sponsor_and_event_on_the_day_of_its_first_time(fact: Event[Any], signal: str) -> None:
    assert counted(fact).signals == {(SPONSOR, GALA, signal, DAY)}


@pytest.mark.parametrize(
    "fact",
    [
        email("sent", **ALL),
        email("delivered", **ALL),
        email("opened", machine=True, **ALL),
        email("clicked", machine=True, **ALL),
        email("bounced", bounce_kind="soft", **ALL),
    ],
    ids=lambda fact: fact.name,
)
def test_sending_delivery_machines_and_soft_bounces_are_no_signals(fact: Event[Any]) -> None:
    assert counted(fact).signals == set()


def test_a_message_opened_many_times_is_one_signal_of_its_first_day() -> None:
    opens = (email("opened", minute=minute, **ALL) for minute in (-600, 5000, 0, -800))

    assert {day for _, _, _, day in counted(*opens).signals} == {NOON.replace(day=31, month=8).date()}


def test_a_signal_needs_a_sponsor_but_no_event() -> None:
    assert counted(*everything(event_id=GALA)).signals == set()
    assert counted(email("opened", sponsor_id=SPONSOR)).signals == {(SPONSOR, None, "email_opened", DAY)}


# Dashboard counters


def test_a_message_counts_once_on_its_events_dashboard_in_each_thing_that_became_of_it() -> None:
    opens, bad_ends = ("opened", "machine_opened", "clicked"), ("bounced", "complained", "unsubscribed")

    assert counted(*everything(event_id=GALA), *everything(event_id=GALA)).counters == {
        (GALA, name, "") for name in ("sent", "delivered", *opens, "replied", *bad_ends)
    }


def test_a_soft_bounce_is_a_bounce_on_the_dashboard() -> None:
    assert counted(email("bounced", bounce_kind="soft", event_id=GALA)).counters == {(GALA, "bounced", "")}


def test_a_machines_click_is_counted_nowhere() -> None:
    assert counted(email("clicked", machine=True, **ALL)) == (set(), set(), set())


def test_a_message_without_an_event_is_on_no_dashboard() -> None:
    assert counted(*everything(sponsor_id=SPONSOR, **SUBJECTS)).counters == set()


# Campaigns, templates, sequences


def test_a_message_sent_counts_for_its_campaign_template_and_sequence() -> None:
    assert counted(email("sent", **SUBJECTS)).subjects == {
        ("campaign", CAMPAIGN, "sent"),
        ("template", TEMPLATE, "sent"),
        ("sequence", SEQUENCE, "sent"),
    }


def test_a_template_counts_opens_by_persons_with_or_without_a_sent() -> None:
    assert counted(email("opened", **SUBJECTS)).subjects == {("template", TEMPLATE, "opened")}
    assert counted(email("opened", machine=True, **SUBJECTS)).subjects == set()


def test_a_sequence_counts_messages_with_a_reply_with_or_without_a_sent() -> None:
    assert counted(email("replied", **SUBJECTS)).subjects == {("sequence", SEQUENCE, "replied")}


@pytest.mark.parametrize(
    "fact",
    [
        email("bounced", bounce_kind="hard", **SUBJECTS),
        email("complained", **SUBJECTS),
        email("unsubscribed", **SUBJECTS),
    ],
    ids=lambda fact: fact.name,
)
def test_a_hard_bounce_a_complaint_or_an_unsubscription_stops_a_sequence_with_or_without_a_sent(
    fact: Event[Any],
) -> None:
    assert counted(fact).subjects == {("sequence", SEQUENCE, "stopped")}


def test_a_soft_bounce_stops_no_sequence() -> None:
    assert counted(email("bounced", bounce_kind="soft", **SUBJECTS)).subjects == set()


def test_what_belongs_to_no_campaign_template_or_sequence_counts_for_none() -> None:
    assert counted(*everything(sponsor_id=SPONSOR, event_id=GALA)).subjects == set()


# The do_not_email gate


@pytest.mark.parametrize("name", ["unsubscribed", "complained"])
def test_whoever_unsubscribes_or_complains_wants_no_more_e_mail(name: str) -> None:
    assert refusing_sponsor(state_of(email(name, sponsor_id=SPONSOR))) == SPONSOR


def test_nothing_else_closes_the_gate_and_nobodys_gate_is_closed_without_a_sponsor() -> None:
    others = [fact for fact in everything(**ALL) if fact.name not in ("unsubscribed", "complained")]

    assert refusing_sponsor(state_of(*others)) is None
    assert refusing_sponsor(state_of(email("unsubscribed", event_id=GALA))) is None


# The activity


def test_a_message_is_an_activity_once_it_has_a_sponsor_and_was_sent() -> None:
    assert activity(state_of(email("sent", event_id=GALA))) is None
    assert activity(state_of(email("delivered", sponsor_id=SPONSOR))) is None
    assert activity_of(email("sent"), email("delivered", sponsor_id=SPONSOR)).sponsor_id == SPONSOR


def test_an_activity_is_a_follow_up_if_the_message_belongs_to_a_sequence() -> None:
    assert activity_of(email("sent", sponsor_id=SPONSOR)).activity_type == "email_sent"
    assert activity_of(email("sent", sponsor_id=SPONSOR, sequence_id=SEQUENCE)).activity_type == "follow_up_sent"


def test_an_activity_was_created_when_the_message_was_first_sent() -> None:
    assert activity_of(email("sent", minute=9, sponsor_id=SPONSOR), email("sent")).created_at == NOON


HARD, SOFT = email("bounced", bounce_kind="hard"), email("bounced", bounce_kind="soft")
REPLIED, COMPLAINED, UNSUBSCRIBED = email("replied"), email("complained"), email("unsubscribed")
DELIVERED, OPENED, CLICKED = email("delivered"), email("opened"), email("clicked")
MACHINES = email("opened", machine=True), email("clicked", machine=True)


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ([], "pending"),
        ([*MACHINES, SOFT, UNSUBSCRIBED], "pending"),
        ([DELIVERED], "success"),
        ([OPENED], "success"),
        ([CLICKED], "success"),
        ([DELIVERED, REPLIED], "escalated"),
        ([REPLIED, UNSUBSCRIBED], "escalated"),
        ([REPLIED, HARD], "failed"),
        ([DELIVERED, OPENED, REPLIED, COMPLAINED], "failed"),
    ],
)
def test_the_status_is_failed_else_escalated_else_success_else_pending(facts: list[Event[Any]], status: str) -> None:
    assert activity_of(email("sent", sponsor_id=SPONSOR), *facts).status == status


def test_only_a_reply_that_did_not_fail_asks_for_a_person() -> None:
    sent = email("sent", sponsor_id=SPONSOR)

    def review(*facts: Event[Any]) -> tuple[bool, str | None]:
        found = activity_of(sent, *facts)
        return found.required_human_review, found.escalation_reason

    assert review(REPLIED) == (True, "sponsor_replied")
    assert review(REPLIED, HARD) == review(DELIVERED) == review() == (False, None)


def test_an_activity_holds_the_message_and_its_times_and_says_that_rules_made_it() -> None:
    found = activity_of(email("sent", **ALL), email("opened", minute=-1))

    assert found.input_data == {"message_id": "m-1", **SUBJECTS}
    assert found.output_data == {"sent_at": NOON, "opened_at": email("opened", minute=-1).time}
    assert (found.message_id, found.event_id) == ("m-1", GALA)
    assert found.agent_id == "email_engagement"
    assert found.agent_version.startswith("rule-based")


def test_the_id_of_an_activity_follows_from_the_message_alone() -> None:
    one, other = activity_of(email("sent", **ALL)), activity_of(email("sent", sponsor_id=SPONSOR), OPENED)
    of_another = activity(MessageState("m-2", sponsor_id=SPONSOR, sent_at=NOON))

    assert UUID(one.id).version == 5
    assert one.id == other.id
    assert of_another is not None
    assert of_another.id != one.id
