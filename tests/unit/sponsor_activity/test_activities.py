"""What each activity of a sponsor leaves behind."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from contracts.envelope import Event
from contracts.lead_signals import LEAD_SIGNALS
from services.runtime.effects import Mark
from services.sponsor_activity.app import SponsorActivity
from services.sponsor_activity.domain import ACTIVITY_COLUMNS, fold
from tests.support.facts import NOON, activity

GALA = "35bf992d-c9e9-4616-a12e-7696a6cecc1b"
SPONSOR = "07923986-bb96-4a43-bd5c-8dfc5eda92d8"
PROPOSAL = "282ee0bc-04a1-4de4-8806-aa81e65150b5"
SIGNED = {"package_level": "gold", "amount": "4741.04", "currency": "USD"}
NAMES = [
    "website_visited",
    "package_viewed",
    "proposal_viewed",
    "deck_downloaded",
    "enquiry_submitted",
    "meeting_booked",
    "meeting_held",
    "meeting_missed",
    "intent_letter_received",
    "proposal_declined",
    "note_added",
    "sponsorship_signed",
]


def of(name: str, **more: Any) -> Event[Any]:
    signed = SIGNED if name == "sponsorship_signed" else {}
    return activity(name, **{"sponsor_id": SPONSOR, "event_id": GALA, **signed, **more})


def rows_of(*events: Event[Any]) -> list[dict[str, Any]]:
    return [dict(zip(ACTIVITY_COLUMNS, row, strict=True)) for row in fold(events).activities]


@pytest.mark.parametrize("name", NAMES)
def test_every_activity_leaves_one_row_with_its_own_time(name: str) -> None:
    event = of(name, proposal_id=PROPOSAL, metadata={"page": 3}, minute=0)

    assert rows_of(event) == [
        {
            "id": event.uuid(),
            "sponsor_id": SPONSOR,
            "activity_type": name,
            "event_id": GALA,
            "proposal_id": PROPOSAL,
            "metadata": {"page": 3},
            "created_at": NOON,
        }
    ]


def test_the_id_of_a_row_follows_from_the_identity_of_its_event() -> None:
    first, same, other = (of("note_added", id=id) for id in ("1", "1", "2"))
    ids = [row["id"] for row in rows_of(first, same, other)]

    assert ids[0] == ids[1] != ids[2]
    assert UUID(ids[0]).version == 5


def test_what_an_activity_leaves_out_stays_out() -> None:
    (row,) = rows_of(activity("website_visited", sponsor_id=SPONSOR))

    assert (row["event_id"], row["proposal_id"], row["metadata"]) == (None, None, {})


@pytest.mark.parametrize("name", NAMES)
def test_an_activity_is_a_signal_on_its_day_where_scoring_lists_its_name(name: str) -> None:
    signals = fold([of(name, minute=12 * 60)]).effects.signals

    listed = name in LEAD_SIGNALS["sponsor_activity"]
    assert signals == ({(SPONSOR, GALA, name, date(2026, 9, 2)): 1} if listed else {})


def test_a_note_and_a_signature_are_no_signals() -> None:
    assert not fold([of("note_added"), of("sponsorship_signed")]).effects.signals


def test_an_activity_without_an_event_is_a_signal_of_the_sponsor_alone_and_on_no_dashboard() -> None:
    effects = fold([of("website_visited", event_id=None)]).effects

    assert effects.signals == {(SPONSOR, None, "website_visited", date(2026, 9, 1)): 1}
    assert not effects.counters


@pytest.mark.parametrize("name", NAMES)
def test_activities_of_an_event_are_counted_by_name(name: str) -> None:
    assert fold([of(name), of(name)]).effects.counters == {(GALA, "activities", name): 2}


def test_a_view_counts_for_its_proposal_and_marks_it_whoever_knows_it() -> None:
    outcome = fold([of("proposal_viewed", proposal_id=PROPOSAL), of("proposal_viewed", proposal_id=PROPOSAL)])

    assert outcome.proposal_views == {PROPOSAL: 2}
    assert outcome.effects.marks == {Mark("proposal_views", "proposal", PROPOSAL)}


def test_only_views_of_a_named_proposal_count_for_one() -> None:
    outcome = fold([of("proposal_viewed"), of("proposal_declined", proposal_id=PROPOSAL)])

    assert not outcome.proposal_views
    assert not outcome.effects.marks


def test_each_signature_makes_a_sponsorship_of_its_own() -> None:
    once, again = fold([of("sponsorship_signed", id="1"), of("sponsorship_signed", id="2")]).sponsorships

    assert once[1:] == (GALA, SPONSOR, "gold", Decimal("4741.04"), "USD", "signed", NOON)
    assert once[1:] == again[1:]
    assert once.id != again.id


def test_only_a_signature_makes_a_sponsorship() -> None:
    assert not fold(of(name) for name in NAMES if name != "sponsorship_signed").sponsorships


def test_the_sponsor_must_exist_and_the_event_where_one_is_named() -> None:
    handler = SponsorActivity()

    assert handler.references(of("note_added")) == (SPONSOR, GALA)
    assert handler.references(of("note_added", event_id=None)) == (SPONSOR, None)
