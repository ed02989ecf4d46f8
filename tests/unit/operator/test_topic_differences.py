"""What `topics apply` finds to do."""

from contracts.topics import EMAIL_ENGAGEMENT, LEAD_SCORES
from services.operator.kafka_admin import Existing, Wanted, differences
from services.operator.topics import wanted_topic

WANTED = Wanted("t", 12, {"retention.ms": "1000", "cleanup.policy": "delete"})


def existing(partitions: int = 12, **changed: str) -> dict[str, Existing]:
    configs = {"retention.ms": "1000", "cleanup.policy": "delete", "segment.ms": "5"}
    configs.update({name.replace("_", "."): value for name, value in changed.items()})
    return {"t": Existing(partitions, 0, configs, own={})}


def changes(found: dict[str, Existing]) -> list[tuple[str, str, str]]:
    return [(change.action, change.before, change.after) for change in differences([WANTED], found)]


def test_a_topic_that_is_as_declared_is_left_alone() -> None:
    assert changes(existing()) == []


def test_a_missing_topic_is_created() -> None:
    assert [action for action, _, _ in changes({})] == ["create"]


def test_partitions_are_added_and_never_taken_away() -> None:
    assert changes(existing(3)) == [("partitions", "3", "12")]
    assert changes(existing(24)) == []


def test_an_option_that_differs_is_set() -> None:
    assert changes(existing(retention_ms="7")) == [("retention.ms", "7", "1000")]


def test_options_that_are_not_declared_are_nobodys_business() -> None:
    assert changes(existing(segment_ms="99")) == []


def test_records_far_above_the_contracts_limit_still_reach_us() -> None:
    assert int(wanted_topic(EMAIL_ENGAGEMENT, "x.").configs["max.message.bytes"]) > 65_536


def test_brokers_stamp_records_and_lead_scores_are_compacted() -> None:
    assert wanted_topic(EMAIL_ENGAGEMENT, "x.").configs["message.timestamp.type"] == "LogAppendTime"
    assert wanted_topic(LEAD_SCORES, "x.").configs["cleanup.policy"] == "compact"
