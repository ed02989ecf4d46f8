"""What it does to the world when the states of messages change."""

from typing import Any

from contracts.derived import AgentActivityRecorded
from contracts.envelope import Event
from services.email_engagement.changes import Change, Outcome, outcome
from services.email_engagement.domain import MessageState, activity, contributions, fold
from services.runtime.effects import Derived, Mark
from tests.support.facts import NOON, email

SPONSOR, OTHER = "07923986-bb96-4a43-bd5c-8dfc5eda92d8", "3b1a11df-587f-4280-bbab-6c398d88348a"
GALA, FAIR = "35bf992d-c9e9-4616-a12e-7696a6cecc1b", "619699cf-e198-4ad9-b06c-144a025b413f"
CAMPAIGN = "19a2105c-5080-4f01-ba1d-556cb62c228e"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SENT = email("sent", sponsor_id=SPONSOR, event_id=GALA)


def state_of(*facts: Event[Any]) -> MessageState:
    return fold(MessageState("m-1"), facts)


def change(*later: Event[Any], known: tuple[Event[Any], ...] = (), trace: str | None = None) -> Outcome:
    """What `later` facts of a message do, of which some facts may be known."""
    old = state_of(*known) if known else None
    return outcome([Change(old, fold(old or MessageState("m-1"), later), trace)])


def told(changed: Outcome) -> list[AgentActivityRecorded]:
    return [AgentActivityRecorded.model_validate_json(event.data or b"") for event in changed.news.values()]


def test_a_new_message_adds_all_that_it_contributes() -> None:
    facts = SENT, email("opened", campaign_id=CAMPAIGN)
    changed, all_of_it = change(*facts), contributions(state_of(*facts))

    assert changed.effects.signals == dict.fromkeys(all_of_it.signals, 1)
    assert changed.effects.counters == dict.fromkeys(all_of_it.counters, 1)
    assert changed.subjects == dict.fromkeys(all_of_it.subjects, 1)


def test_a_known_message_adds_only_what_is_new() -> None:
    assert change(email("opened"), known=(SENT,)).effects.counters == {(GALA, "opened", ""): 1}


def test_an_earlier_open_takes_the_signal_to_another_day() -> None:
    signals = change(email("opened", minute=-1440), known=(SENT, email("opened"))).effects.signals

    assert signals == {
        (SPONSOR, GALA, "email_opened", NOON.date()): -1,
        (SPONSOR, GALA, "email_opened", email("opened", minute=-1440).time.date()): 1,
    }


def test_when_an_attribute_changes_all_contributions_move() -> None:
    known = SENT, email("opened", minute=1)
    changed = change(email("delivered", minute=-1, sponsor_id=OTHER, event_id=FAIR), known=known)

    day = NOON.date()
    assert changed.effects.signals == {
        (SPONSOR, GALA, "email_opened", day): -1,
        (OTHER, FAIR, "email_opened", day): 1,
    }
    assert changed.effects.counters == {
        (GALA, "sent", ""): -1,
        (GALA, "opened", ""): -1,
        (FAIR, "sent", ""): 1,
        (FAIR, "opened", ""): 1,
        (FAIR, "delivered", ""): 1,
    }


def test_the_subjects_whose_counts_move_are_marked() -> None:
    known = (email("sent", campaign_id=CAMPAIGN),)
    moved = change(email("delivered", campaign_id=GALA, minute=-1), known=known)
    unmoved = change(email("delivered"), known=known)

    assert moved.effects.marks == {Mark("email_subjects", "campaign", of) for of in (CAMPAIGN, GALA)}
    assert unmoved.effects.marks == set()


def test_a_subject_whose_count_stays_the_same_is_not_marked() -> None:
    one, other = email("sent", campaign_id=CAMPAIGN), email("sent", campaign_id=GALA, minute=-1)
    came = Change(None, fold(MessageState("m-2"), [one]))
    went = Change(state_of(one), state_of(one, other))

    assert outcome([came, went]).effects.marks == {Mark("email_subjects", "campaign", GALA)}


def test_closing_a_sponsors_gate_marks_all_of_the_sponsors_pairs() -> None:
    assert change(email("unsubscribed"), known=(SENT,)).effects.marks == {Mark("lead_scores", "sponsor", SPONSOR)}


def test_a_gate_that_is_closed_already_marks_nothing() -> None:
    known = SENT, email("unsubscribed")

    assert change(email("complained"), known=known).effects.marks == set()


def test_a_refusal_that_moves_to_another_sponsor_marks_the_pairs_of_both() -> None:
    moved = change(email("sent", sponsor_id=OTHER, minute=-1), known=(SENT, email("complained")))

    assert moved.effects.marks == {Mark("lead_scores", "sponsor", sponsor) for sponsor in (SPONSOR, OTHER)}


def test_a_new_activity_is_written_and_told() -> None:
    changed = change(SENT, trace=TRACE)

    written = activity(state_of(SENT))
    assert written is not None
    assert (changed.activities, changed.obsolete) == ([written], [])
    assert told(changed) == [
        AgentActivityRecorded(
            activity_id=written.id,
            activity_type="email_sent",
            agent_id="email_engagement",
            message_id="m-1",
            event_id=GALA,
            sponsor_id=SPONSOR,
            status="pending",
            previous_status=None,
            required_human_review=False,
            escalation_reason=None,
            created_at=NOON,
        )
    ]


def test_what_is_told_is_the_json_of_its_contract_under_its_key_with_the_trace() -> None:
    for facts in ((SENT, email("replied")), (email("sent", sponsor_id=SPONSOR, minute=0.0001),)):
        changed = change(*facts, trace=TRACE)

        (data,) = told(changed)
        assert list(changed.news.values()) == [
            Derived(data.TOPIC.name, data.partition_key, data.TYPE, data.model_dump_json().encode(), TRACE)
        ]


def test_another_status_is_told_with_the_one_before() -> None:
    (data,) = told(change(email("replied"), known=(SENT, email("delivered"))))

    assert (data.previous_status, data.status) == ("success", "escalated")
    assert (data.required_human_review, data.escalation_reason) == (True, "sponsor_replied")


def test_an_activity_that_changes_but_for_its_status_is_written_and_not_told() -> None:
    changed = change(email("opened"), known=(SENT, email("delivered")))

    assert changed.activities == [activity(state_of(SENT, email("delivered"), email("opened")))]
    assert changed.news == {}


def test_an_earlier_sent_moves_the_activity_and_is_no_news() -> None:
    changed = change(email("sent", minute=-9), known=(SENT,))

    (written,) = changed.activities
    assert changed.obsolete == [(written.id, NOON)]
    assert written.created_at == email("sent", minute=-9).time
    assert changed.news == {}


def test_a_message_that_is_no_activity_is_neither_written_nor_told() -> None:
    for facts in ((email("sent", event_id=GALA),), (email("opened", sponsor_id=SPONSOR),)):
        changed = change(*facts)

        assert (changed.activities, changed.obsolete, changed.news) == ([], [], {})


def test_a_known_message_becomes_an_activity_when_its_sent_or_its_sponsor_comes() -> None:
    late_sent = change(SENT, known=(email("delivered", sponsor_id=SPONSOR),))
    late_sponsor = change(email("delivered", sponsor_id=SPONSOR), known=(email("sent", event_id=GALA),))

    for changed in (late_sent, late_sponsor):
        assert [(data.previous_status, data.status) for data in told(changed)] == [(None, "success")]
        assert changed.obsolete == []
