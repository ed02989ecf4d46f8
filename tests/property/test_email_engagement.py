"""However facts of e-mails are shuffled, repeated and batched, they give the same messages and the same sums."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.derived import AgentActivityRecorded
from contracts.envelope import Event
from services.email_engagement.changes import Change, Outcome, outcome
from services.email_engagement.domain import MessageState, activity, contributions, fold
from tests.support.facts import email

IDS = ["07923986-bb96-4a43-bd5c-8dfc5eda92d8", "3b1a11df-587f-4280-bbab-6c398d88348a"]
NAMES = ["sent", "delivered", "opened", "clicked", "replied", "bounced", "complained", "unsubscribed"]
attributes = st.fixed_dictionaries(
    {
        name: st.sampled_from([None, *IDS])
        for name in ("sponsor_id", "event_id", "campaign_id", "template_id", "sequence_id")
    }
)


@st.composite
def facts(draw: st.DrawFn) -> Event[Any]:
    """One fact of one of three messages; times are few, so that ranks are settled by source and id too."""
    name = draw(st.sampled_from(NAMES))
    data: dict[str, Any] = draw(attributes)
    data["message_id"] = draw(st.sampled_from(["m-1", "m-2", "m-3"]))
    if name in ("opened", "clicked"):
        data["machine"] = draw(st.booleans())
    if name == "bounced":
        data["bounce_kind"] = draw(st.sampled_from(["hard", "soft"]))
    minute, source = draw(st.sampled_from([0, 1, 800, 1600])), draw(st.sampled_from(["/a", "/b"]))
    return email(name, minute=minute, source=source, **data)


Messages = dict[str, MessageState]


def settle(batches: Sequence[Sequence[Event[Any]]]) -> tuple[Messages, list[Outcome]]:
    """Take the batches one after the other, as the service does; return the states, and what each batch did."""
    messages: Messages = {}
    outcomes = []
    for batch in batches:
        told: defaultdict[str, list[Event[Any]]] = defaultdict(list)
        for event in batch:
            told[event.data.message_id].append(event)
        before = dict(messages)
        for message_id, each in told.items():
            messages[message_id] = fold(before.get(message_id, MessageState(message_id)), each)
        changed = [Change(before.get(id_), messages[id_]) for id_ in told if messages[id_] != before.get(id_)]
        outcomes.append(outcome(changed))
    return messages, outcomes


def sums(outcomes: Sequence[Outcome]) -> Counter[Any]:
    """All signals, counters and subjects, added up."""
    total: Counter[Any] = Counter()
    for each in outcomes:
        for tally in (each.effects.signals, each.effects.counters, each.subjects):
            total.update(tally)
    return Counter({key: n for key, n in total.items() if n})


def activities(outcomes: Sequence[Outcome]) -> dict[tuple[str, Any], Any]:
    """The rows of agent_sales_activities as they stand in the end, by primary key."""
    rows: dict[tuple[str, Any], Any] = {}
    for each in outcomes:
        for key in each.obsolete:
            del rows[key]
        rows.update({(row.id, row.created_at): row for row in each.activities})
    return rows


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Event[Any]], list[list[Event[Any]]]]:
    """Facts as they happened, and as they may arrive: in any order, some again, in any batches."""
    happened = draw(st.lists(facts(), max_size=14))
    again = draw(st.lists(st.sampled_from(happened), max_size=4)) if happened else []
    arrived = draw(st.permutations([*happened, *again]))
    cuts = sorted(draw(st.lists(st.integers(0, len(arrived)), max_size=4)))
    return happened, [arrived[start:end] for start, end in zip([0, *cuts], [*cuts, len(arrived)], strict=True)]


@given(arrivals())
def test_any_order_repetition_and_batching_gives_the_same_states_and_sums(
    given: tuple[list[Event[Any]], list[list[Event[Any]]]],
) -> None:
    happened, batches = given
    messages, at_once = settle([happened])
    messages_as_arrived, one_by_one = settle(batches)

    assert messages_as_arrived == messages
    assert sums(one_by_one) == sums(at_once)
    assert activities(one_by_one) == activities(at_once)


@given(arrivals())
def test_what_messages_added_is_what_their_states_contribute(
    given: tuple[list[Event[Any]], list[list[Event[Any]]]],
) -> None:
    messages, outcomes = settle(given[1])
    contributed: Counter[Any] = Counter()
    for state in messages.values():
        for keys in contributions(state):
            contributed.update(keys)

    assert sums(outcomes) == contributed
    assert sorted(activities(outcomes).values()) == sorted(filter(None, map(activity, messages.values())))


@given(arrivals())
def test_the_last_that_was_told_of_an_activity_is_its_status(
    given: tuple[list[Event[Any]], list[list[Event[Any]]]],
) -> None:
    _, outcomes = settle(given[1])
    told = [
        AgentActivityRecorded.model_validate_json(event.data or b"")
        for each in outcomes
        for event in each.news.values()
    ]
    last: dict[str, str] = {}
    for data in told:
        assert data.previous_status == last.get(data.activity_id)
        last[data.activity_id] = data.status

    assert last == {row.id: row.status for row in activities(outcomes).values()}


of_one_message = facts().filter(lambda fact: fact.data.message_id == "m-1")


@given(st.lists(of_one_message, max_size=5), st.lists(of_one_message, max_size=5))
def test_folding_is_joining(some: list[Event[Any]], others: list[Event[Any]]) -> None:
    """Commutative, associative and idempotent."""
    nothing = MessageState("m-1")

    assert fold(fold(nothing, some), others) == fold(nothing, [*others, *some])
    assert fold(fold(nothing, some), some) == fold(nothing, some)
