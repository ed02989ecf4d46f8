"""The records that are measured with: always the same ones, valid, in the order of their times, unevenly spread."""

from collections import Counter
from datetime import UTC, datetime, time, timedelta

import pytest

from contracts.envelope import Event, decode
from contracts.topics import EMAIL_ENGAGEMENT, SPONSOR_ACTIVITY, TICKET_SALES, Topic
from tests.benchmarks.workload import AS_OF, Workload

TOPICS = (SPONSOR_ACTIVITY, EMAIL_ENGAGEMENT, TICKET_SALES)
LATEST = datetime.combine(AS_OF, time.max, UTC)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_same_seed_gives_the_same_records_and_another_seed_others(topic: Topic) -> None:
    one, again, other = Workload(seed=7), Workload(seed=7), Workload(seed=8)
    first = list(one.records(topic, 300))
    assert first == list(one.records(topic, 300)) == list(again.records(topic, 300))
    assert first != list(other.records(topic, 300))
    assert one.core() == again.core()


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_record_is_a_valid_event_of_its_own_about_rows_that_exist(topic: Topic) -> None:
    workload = Workload()
    known = {row["id"] for rows in workload.core().values() for row in rows}
    events = [decode(topic, value, (), LATEST) for _, value in workload.records(topic, 3000)]
    assert len(events) == 3000
    valid = [event for event in events if isinstance(event, Event)]
    assert valid == events
    assert len({event.id for event in valid}) == 3000
    for event in valid:
        named = {getattr(event.data, name, None) for name in ("sponsor_id", "event_id", "proposal_id", "campaign_id")}
        assert named - {None} <= known


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_records_come_in_the_order_of_their_times_over_the_whole_season(topic: Topic) -> None:
    times = [
        event.time
        for _, value in Workload().records(topic, 5000)
        if isinstance(event := decode(topic, value, (), LATEST), Event)
    ]
    assert times == sorted(times)
    assert times[-1] - times[0] > timedelta(days=50)


def test_a_few_keys_have_much_of_the_traffic_and_most_have_some() -> None:
    keys = Counter(key for key, _ in Workload(sponsors=500).records(SPONSOR_ACTIVITY, 10_000))
    busiest = sum(count for _, count in keys.most_common(25))
    assert 0.2 < busiest / 10_000 < 0.6
    assert len(keys) > 400
