"""How signals fade: factors as integers, the same on every machine. Pure."""

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import cache

FACTOR_BITS = 20
"""A factor of 1 is 2^20."""


@cache
def factor(half_life: int, age: int) -> int:
    """What is left of a signal after `age` days: round_half_even(2^20 · 2^(−age/half_life)), with 50 digits."""
    with localcontext() as context:
        context.prec = 50
        left = Decimal(2) ** (FACTOR_BITS - Decimal(age) / half_life)
        return int(left.to_integral_value(ROUND_HALF_EVEN))


class Decay(dict[int, int]):
    """What one count of a signal is worth by its age in days, in millipoints times 2^20; made when asked for.

    A day to come weighs as today. What is so old that nothing is left of it is not kept.
    """

    def __init__(self, points: int, half_life: int) -> None:
        self._millipoints, self._half_life = 1000 * points, half_life

    def __missing__(self, age: int) -> int:
        if age > (FACTOR_BITS + 2) * self._half_life:
            return 0
        weight = self[age] = self._millipoints * factor(self._half_life, max(0, age))
        return weight
