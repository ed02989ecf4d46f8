"""Which shards share a round of a projection."""

from services.runtime.projection import share_rounds


def test_shards_with_few_marks_share_a_round_and_one_with_many_has_its_own() -> None:
    assert share_rounds({3: 400, 1: 600, 7: 1, 2: 1000, 5: 999}, 1000) == [[3, 1], [7], [2], [5]]


def test_a_shard_with_parked_keys_only_goes_along() -> None:
    assert share_rounds({3: 1000, 1: 0, 2: 0}, 1000) == [[3, 1, 2]]
    assert share_rounds({}, 1000) == []


def test_a_shard_of_parked_keys_may_be_alone() -> None:
    assert share_rounds({9: 0}, 1000) == [[9]]
