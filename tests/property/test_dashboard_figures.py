"""Integer arithmetic of dashboards agrees with decimal arithmetic."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.event_dashboards.domain import conversion_rate, money

pytestmark = pytest.mark.property


@given(orders=st.integers(0, 10**9), views=st.integers(1, 10**9))
def test_conversion_is_the_quotient_rounded_half_up_and_at_most_1(orders: int, views: int) -> None:
    rounded = min(Decimal(orders) / views, Decimal(1)).quantize(Decimal("0.0001"), ROUND_HALF_UP)

    assert conversion_rate(orders, views) == str(rounded)


@given(st.integers(0, 10**16))
def test_money_is_a_hundredth_of_its_cents(cents: int) -> None:
    assert money(cents) == f"{Decimal(cents) / 100:.2f}"
