"""However a sponsor's activities are shuffled and batched, they leave the same rows and the same sums."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import Event
from services.sponsor_activity.domain import Outcome, fold
from tests.support.facts import activity

SPONSORS = ["07923986-bb96-4a43-bd5c-8dfc5eda92d8", "3b1a11df-587f-4280-bbab-6c398d88348a"]
EVENT = "35bf992d-c9e9-4616-a12e-7696a6cecc1b"
PROPOSAL = "282ee0bc-04a1-4de4-8806-aa81e65150b5"


@st.composite
def activities(draw: st.DrawFn) -> Event[Any]:
    """One activity on one of two days."""
    names = ["website_visited", "proposal_viewed", "note_added", "sponsorship_signed"]
    name = draw(st.sampled_from(names))
    data: dict[str, Any] = {"sponsor_id": draw(st.sampled_from(SPONSORS)), "event_id": EVENT}
    if name == "sponsorship_signed":
        data |= {"package_level": "gold", "amount": "1.5", "currency": "EUR"}
    else:
        data["event_id"] = draw(st.sampled_from([EVENT, None]))
        data["proposal_id"] = draw(st.sampled_from([PROPOSAL, None]))
    return activity(name, minute=draw(st.sampled_from([0, 800])), **data)


def summed(outcomes: Sequence[Outcome]) -> Outcome:
    total = Outcome()
    for outcome in outcomes:
        total.activities += outcome.activities
        total.sponsorships += outcome.sponsorships
        total.proposal_views += outcome.proposal_views
        total.effects.signals += outcome.effects.signals
        total.effects.counters += outcome.effects.counters
        total.effects.marks |= outcome.effects.marks
    total.activities.sort()
    total.sponsorships.sort()
    return total


@given(st.lists(activities(), max_size=12), st.data())
def test_any_order_and_batching_leaves_the_same_rows_and_sums(happened: list[Event[Any]], data: st.DataObject) -> None:
    arrived = data.draw(st.permutations(happened))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arrived)), max_size=4)))
    batches = [arrived[start:end] for start, end in zip([0, *cuts], [*cuts, len(arrived)], strict=True)]

    assert summed([fold(batch) for batch in batches]) == summed([fold(happened)])
