"""The state that a set of records must lead to, recomputed from the specification in the plainest way.

Nothing here knows the services' code or the contracts' models: plain JSON, dicts and exact arithmetic. It reads all
facts first and derives everything from them at the end, so that no order of arrival can matter.
"""

from tests.support.truth.contributions import expected_signals
from tests.support.truth.state import expected_state

__all__ = ["expected_signals", "expected_state"]
