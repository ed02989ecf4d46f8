"""The state of a message, as its facts make it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.envelope import Event
from services.email_engagement.domain import MessageState, fold
from tests.support.facts import NOON, email

GALA, FAIR = "35bf992d-c9e9-4616-a12e-7696a6cecc1b", "619699cf-e198-4ad9-b06c-144a025b413f"
ATTRIBUTES = ("sponsor_id", "event_id", "campaign_id", "template_id", "sequence_id")
FIRST_TIME = MessageState._fields.index("sent_at")


def state_of(*facts: Event[Any]) -> MessageState:
    return fold(MessageState("m-1"), facts)


def times_of(*facts: Event[Any]) -> dict[str, datetime]:
    """The times that are known, by name."""
    names = MessageState._fields[FIRST_TIME:]
    return {name: time for name, time in zip(names, state_of(*facts)[FIRST_TIME:], strict=True) if time}  # type: ignore[misc]


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("fact", "times"),
    [
        (email("sent"), {"sent_at"}),
        (email("delivered"), {"delivered_at"}),
        (email("opened"), {"opened_at"}),
        (email("opened", machine=False), {"opened_at"}),
        (email("opened", machine=True), {"machine_opened_at"}),
        (email("clicked"), {"clicked_at"}),
        (email("clicked", machine=True), set()),
        (email("replied"), {"replied_at"}),
        (email("bounced", bounce_kind="soft"), {"bounced_at"}),
        (email("bounced", bounce_kind="hard"), {"bounced_at", "hard_bounced_at"}),
        (email("complained"), {"complained_at"}),
        (email("unsubscribed"), {"unsubscribed_at"}),
    ],
    ids=lambda given: "-".join(sorted(given)) if isinstance(given, set) else None,
)
def test_each_kind_of_fact_tells_a_time_of_its_own_and_a_machines_click_none(fact: Event[Any], times: set[str]) -> None:
    assert times_of(fact) == dict.fromkeys(times, NOON)


def test_of_each_kind_the_earliest_time_counts() -> None:
    assert times_of(email("sent", minute=5), email("sent", minute=2), email("sent", minute=9)) == {"sent_at": after(2)}


def test_a_persons_first_open_is_told_apart_from_a_machines() -> None:
    opens = email("opened", machine=True, minute=1), email("opened", minute=7), email("opened", minute=8)

    assert times_of(*opens) == {"machine_opened_at": after(1), "opened_at": after(7)}


def test_a_soft_bounce_before_a_hard_one_is_the_first_bounce_only() -> None:
    bounces = email("bounced", bounce_kind="hard", minute=3), email("bounced", bounce_kind="soft", minute=1)

    assert times_of(*bounces) == {"bounced_at": after(1), "hard_bounced_at": after(3)}


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_an_attribute_is_that_of_the_fact_of_least_rank_that_has_it(attribute: str) -> None:
    without = email("sent", minute=0)
    earlier, later = email("opened", minute=1, **{attribute: GALA}), email("opened", minute=2, **{attribute: FAIR})

    for facts in ((without, earlier, later), (later, earlier, without)):
        assert state_of(*facts)._asdict()[attribute] == GALA


def test_at_equal_times_source_and_then_id_settle_whose_attribute_counts() -> None:
    by_source = email("sent", source="/a", id="9", event_id=GALA), email("sent", source="/b", id="1", event_id=FAIR)
    by_id = email("sent", source="/a", id="10", event_id=GALA), email("sent", source="/a", id="9", event_id=FAIR)
    by_bytes = email("sent", id="\uffff", event_id=GALA), email("sent", id="\U00010000", event_id=FAIR)

    for facts in (by_source, by_id, by_bytes):
        assert state_of(*facts).event_id == state_of(*reversed(facts)).event_id == GALA


def test_attributes_may_come_from_different_facts() -> None:
    state = state_of(email("sent", minute=1, event_id=GALA), email("opened", minute=0, sponsor_id=FAIR))

    assert (state.event_id, state.sponsor_id) == (GALA, FAIR)


def test_a_machines_click_gives_attributes_though_no_time() -> None:
    assert state_of(email("clicked", machine=True, event_id=GALA)).event_id == GALA


def test_a_fact_told_again_changes_nothing() -> None:
    facts = email("sent", event_id=GALA), email("opened", sponsor_id=FAIR, minute=4)

    assert fold(state_of(*facts), facts) == state_of(*facts)
