"""Engagement: its order does not matter, it fades, and its explanation adds up exactly."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.lead_scoring.decay import factor
from services.lead_scoring.domain import Count, all_counts, contribution, engagement, lead
from services.lead_scoring.fit import Fit, exact_similarity_points, similarity_points
from services.lead_scoring.rules import load_rules

RULES = load_rules()
TODAY = date(2026, 11, 1)

days = st.integers(-40, 900).map(lambda age: TODAY - timedelta(days=age))
counts = st.dictionaries(st.tuples(st.sampled_from(sorted(RULES.signals)), days), st.integers(1, 300), max_size=25).map(
    lambda table: [(signal, day, n) for (signal, day), n in table.items()]
)
half_lives = st.sampled_from(sorted({signal.half_life for signal in RULES.signals.values()}))


@given(counts, st.randoms(use_true_random=False), st.integers(0, 100), st.booleans())
def test_counts_in_any_order_give_the_same_lead(some: list[Count], random: Random, fit: int, gate_closed: bool) -> None:
    shuffled = random.sample(some, len(some))
    assert lead(shuffled, Fit(fit, 3), gate_closed, TODAY, RULES) == lead(some, Fit(fit, 3), gate_closed, TODAY, RULES)


@given(counts)
def test_contributions_of_counts_add_up_to_signals_and_these_to_groups(some: list[Count]) -> None:
    engaged = engagement(some, TODAY, RULES)
    by_signal, by_group = Counter[str](), Counter[str]()
    for name, day, n in some:
        signal = RULES.signals[name]
        by_signal[name] += contribution(signal, max(0, (TODAY - day).days), n)
    for name, millipoints in engaged.factors.items():
        by_group[RULES.signals[name].group] += millipoints
    assert engaged.factors == by_signal
    assert engaged.groups == {name: min(by_group[name], group.limit) for name, group in RULES.groups.items()}
    taken = engaged.groups["negative"]
    total = max(0, sum(engaged.groups.values()) - 2 * taken)
    assert engaged.points == min(100, (total + 500) // 1000)


@given(st.lists(counts, min_size=1, max_size=4))
def test_a_sponsors_counts_are_those_of_all_events_however_they_are_spread(parts: Sequence[list[Count]]) -> None:
    together = Counter[tuple[str, date]]()
    for part in parts:
        for signal, day, n in part:
            together[signal, day] += n
    spread: dict[str | None, list[Count]] = {str(place): part for place, part in enumerate(parts)}
    assert dict(((signal, day), n) for signal, day, n in all_counts(spread)) == together


@given(half_lives, st.integers(0, 9000))
def test_a_signal_never_grows_with_age(half_life: int, age: int) -> None:
    assert 0 <= factor(half_life, age + 1) <= factor(half_life, age) <= factor(half_life, 0) == 1 << 20


@given(half_lives, st.integers(0, 9000), st.integers(1, 50))
def test_more_of_a_signal_is_never_worth_less(half_life: int, age: int, n: int) -> None:
    for signal in RULES.signals.values():
        assert contribution(signal, age, n) <= contribution(signal, age, n + 1)


components = st.floats(-1, 1, width=32)
vectors = st.integers(1, 12).flatmap(lambda size: st.tuples(*[st.lists(components, min_size=size, max_size=size)] * 2))


@given(vectors)
def test_exact_points_agree_with_a_rounded_cosine_wherever_that_decides(pair: tuple[list[float], list[float]]) -> None:
    one, other = pair
    squares = sum(x * x for x in one) * sum(x * x for x in other)
    exact = exact_similarity_points(one, other, 5)
    assert exact == exact_similarity_points(other, one, 5)
    if squares > 1e-200:
        cosine = sum(x * y for x, y in zip(one, other, strict=True)) / squares**0.5
        assert similarity_points(cosine, 5) in (None, exact)
