"""What changes in the CRM leaves exactly the marks that the views reading it need."""

import pytest

from services.runtime.database import Connection
from tests.support.crm import add_event, add_proposal, add_sponsor

Marks = list[tuple[str, str, str, str | None]]

VECTOR, OTHER_VECTOR = f"[1{',0' * 1535}]", f"[0,1{',0' * 1534}]"

READ_BY_FIT_OF_SPONSORS = {
    "industry": "fashion",
    "industries_of_interest": "{food,finance}",
    "event_types": "{gala}",
    "geographic_preferences": "{Toronto}",
    "values": "{education}",
    "min_budget": "100",
    "max_budget": "5000",
    "currency": "EUR",
    "total_sponsorships": "3",
    "average_roi": "2",
    "renewal_rate": "50",
}
READ_BY_NOBODY_OF_SPONSORS = {
    "company_name": "Other",
    "website": "https://example.org",
    "primary_contact_name": "A. Person",
    "engagement_score": "71",
}
READ_BY_FIT_OF_EVENTS = {
    "industry": "fashion",
    "event_type": "expo",
    "values": "{education}",
    "location": "Toronto",
    "embedding": VECTOR,
}
READ_BY_DASHBOARDS_OF_EVENTS: dict[str, str | None] = {"currency": "EUR", "capacity": "500", "organizer_id": None}
READ_BY_NOBODY_OF_EVENTS = {"title": "Other", "status": "published"}
READ_BY_FIT_OF_PROPOSALS = {"proposed_amount": "900", "currency": "EUR"}
READ_BY_NOBODY_OF_PROPOSALS = {"status": "sent", "package_level": "gold", "total_views": "3", "content": "{}"}


async def taken_marks(connection: Connection) -> Marks:
    """Take all marks; each must be live, and lie in the shard of its key."""
    rows = await connection.fetch(
        "DELETE FROM stale_marks RETURNING projection, kind, key::text, other::text, shard, priority"
    )
    assert all(row["shard"] == int(row["key"][-1], 16) and row["priority"] == 0 for row in rows)
    return sorted(((*row,)[:4] for row in rows), key=str)


async def change(connection: Connection, table: str, id_: str, column: str, value: str | None) -> None:
    """Set one column of one row."""
    literal = "NULL" if value is None else f"'{value}'"
    await connection.execute(f'UPDATE {table} SET "{column}" = {literal} WHERE id = $1', id_)  # noqa: S608


@pytest.fixture
async def sponsor(connection: Connection) -> str:
    sponsor = await add_sponsor(connection)
    await taken_marks(connection)
    return sponsor


@pytest.fixture
async def event(connection: Connection) -> str:
    event = await add_event(connection)
    await taken_marks(connection)
    return event


@pytest.fixture
async def proposal(connection: Connection, sponsor: str, event: str) -> str:
    proposal = await add_proposal(connection, sponsor, event)
    await taken_marks(connection)
    return proposal


class TestSponsors:
    async def test_a_new_one_is_marked_for_its_leads(self, connection: Connection) -> None:
        sponsor = await add_sponsor(connection)
        assert await taken_marks(connection) == [("lead_scores", "sponsor", sponsor, None)]

    async def test_a_change_of_what_fit_reads_is_one_mark_and_saying_it_again_is_none(
        self, connection: Connection, sponsor: str
    ) -> None:
        for column, value in READ_BY_FIT_OF_SPONSORS.items():
            await change(connection, "sponsors", sponsor, column, value)
            assert await taken_marks(connection) == [("lead_scores", "sponsor", sponsor, None)], column
            await change(connection, "sponsors", sponsor, column, value)
            assert await taken_marks(connection) == [], column

    async def test_what_fit_does_not_read_marks_nothing_and_neither_does_the_score_that_is_written(
        self, connection: Connection, sponsor: str
    ) -> None:
        for column, value in READ_BY_NOBODY_OF_SPONSORS.items():
            await change(connection, "sponsors", sponsor, column, value)
            assert await taken_marks(connection) == [], column

    async def test_every_column_is_accounted_for(self, connection: Connection) -> None:
        names = await connection.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'sponsors'::regclass AND attnum > 0"
        )
        plain = {"id", "created_at", "created_by", "logo_url", "primary_contact_email", "primary_contact_phone"}
        assert {name for (name,) in names} == plain | READ_BY_FIT_OF_SPONSORS.keys() | READ_BY_NOBODY_OF_SPONSORS.keys()

    async def test_whoever_may_change_a_sponsor_needs_no_right_on_marks(
        self, connection: Connection, sponsor: str
    ) -> None:
        await connection.execute(
            "WITH organiser AS (INSERT INTO auth.users DEFAULT VALUES RETURNING id), owned AS ("
            "    UPDATE sponsors SET created_by = organiser.id FROM organiser RETURNING created_by"
            ") SELECT set_config('request.jwt.claims', json_build_object('sub', created_by)::text, false) FROM owned"
        )
        await connection.execute("SET ROLE authenticated")
        await connection.execute("UPDATE public.sponsors SET industry = 'fashion'")
        await connection.execute("RESET ROLE")
        assert await taken_marks(connection) == [("lead_scores", "sponsor", sponsor, None)]

    async def test_a_change_that_is_rolled_back_leaves_no_mark(self, connection: Connection, sponsor: str) -> None:
        transaction = connection.transaction()
        await transaction.start()
        await change(connection, "sponsors", sponsor, "industry", "fashion")
        await transaction.rollback()
        assert await taken_marks(connection) == []


class TestSponsorEmbeddings:
    async def test_its_coming_changing_and_going_mark_the_sponsor(self, connection: Connection, sponsor: str) -> None:
        mark = ("lead_scores", "sponsor", sponsor, None)
        await connection.execute(
            "INSERT INTO sponsor_embeddings VALUES ($1, ($2::text)::vector, 'm', '1')", sponsor, VECTOR
        )
        assert await taken_marks(connection) == [mark]
        await connection.execute("UPDATE sponsor_embeddings SET embedding = ($1::text)::vector", OTHER_VECTOR)
        assert await taken_marks(connection) == [mark]
        await connection.execute(
            "UPDATE sponsor_embeddings SET embedding = ($1::text)::vector, model_version = '2'", OTHER_VECTOR
        )
        assert await taken_marks(connection) == []
        await connection.execute("DELETE FROM sponsor_embeddings")
        assert await taken_marks(connection) == [mark]


class TestEvents:
    async def test_a_new_one_is_marked_for_its_leads_and_its_dashboard(self, connection: Connection) -> None:
        event = await add_event(connection)
        assert await taken_marks(connection) == [
            ("dashboards", "event", event, None),
            ("lead_scores", "event", event, None),
        ]

    @pytest.mark.parametrize(
        ("columns", "projections"),
        [
            (READ_BY_FIT_OF_EVENTS, ["lead_scores"]),
            (READ_BY_DASHBOARDS_OF_EVENTS, ["dashboards"]),
            (READ_BY_NOBODY_OF_EVENTS, []),
        ],
        ids=["fit", "dashboards", "nobody"],
    )
    async def test_a_change_marks_what_reads_the_column_and_saying_it_again_nothing(
        self, connection: Connection, event: str, columns: dict[str, str | None], projections: list[str]
    ) -> None:
        for column, value in columns.items():
            await change(connection, "events", event, column, value)
            assert await taken_marks(connection) == [(each, "event", event, None) for each in projections], column
            await change(connection, "events", event, column, value)
            assert await taken_marks(connection) == [], column


class TestProposals:
    async def test_a_new_one_marks_its_pair_and_its_views_that_may_have_come_before(
        self, connection: Connection, sponsor: str, event: str
    ) -> None:
        proposal = await add_proposal(connection, sponsor, event)
        expected = [("lead_scores", "pair", sponsor, event), ("proposal_views", "proposal", proposal, None)]
        assert await taken_marks(connection) == expected

    async def test_a_change_of_what_fit_reads_marks_the_pair(
        self, connection: Connection, sponsor: str, event: str, proposal: str
    ) -> None:
        for column, value in READ_BY_FIT_OF_PROPOSALS.items():
            await change(connection, "sponsor_proposals", proposal, column, value)
            assert await taken_marks(connection) == [("lead_scores", "pair", sponsor, event)], column
            await change(connection, "sponsor_proposals", proposal, column, value)
            assert await taken_marks(connection) == [], column
        for column, value in READ_BY_NOBODY_OF_PROPOSALS.items():
            await change(connection, "sponsor_proposals", proposal, column, value)
            assert await taken_marks(connection) == [], column

    async def test_its_age_counts_for_the_newest_one_is_read(
        self, connection: Connection, sponsor: str, event: str, proposal: str
    ) -> None:
        await change(connection, "sponsor_proposals", proposal, "created_at", "2026-01-01T00:00:00Z")
        assert await taken_marks(connection) == [("lead_scores", "pair", sponsor, event)]

    async def test_one_that_moves_marks_the_pair_it_leaves_and_the_pair_it_joins(
        self, connection: Connection, sponsor: str, event: str, proposal: str
    ) -> None:
        other = await add_sponsor(connection)
        await taken_marks(connection)
        await change(connection, "sponsor_proposals", proposal, "sponsor_id", other)
        assert await taken_marks(connection) == sorted(
            ("lead_scores", "pair", each, event) for each in (sponsor, other)
        )

    async def test_one_that_goes_marks_its_pair(
        self, connection: Connection, sponsor: str, event: str, proposal: str
    ) -> None:
        await connection.execute("DELETE FROM sponsor_proposals WHERE id = $1", proposal)
        assert await taken_marks(connection) == [("lead_scores", "pair", sponsor, event)]


class TestCampaignsAndTemplates:
    async def test_a_new_one_is_marked_for_e_mails_may_have_been_counted_before(
        self, connection: Connection, event: str
    ) -> None:
        campaign = await connection.fetchval(
            "INSERT INTO marketing_campaigns (event_id, name) VALUES ($1, 'Spring') RETURNING id::text", event
        )
        assert await taken_marks(connection) == [("email_subjects", "campaign", campaign, None)]
        template = await connection.fetchval(
            "INSERT INTO email_templates (campaign_id, subject, template_type)"
            " VALUES ($1, 'Hello', 'invitation') RETURNING id::text",
            campaign,
        )
        assert await taken_marks(connection) == [("email_subjects", "template", template, None)]


class TestSequences:
    """The status that the owner gave, and the one that e-mails give."""

    @pytest.fixture
    async def sequence(self, connection: Connection, sponsor: str) -> str:
        id_: str = await connection.fetchval(
            "INSERT INTO follow_up_sequences (sponsor_id, sequence_type, status, owner_status)"
            " VALUES ($1, 'post_proposal', 'paused', 'active') RETURNING id::text",
            sponsor,
        )
        return id_

    async def statuses(self, connection: Connection) -> tuple[str, str]:
        row = await connection.fetchrow("SELECT status, owner_status FROM follow_up_sequences")
        assert row is not None
        return row["status"], row["owner_status"]

    async def as_service(self, connection: Connection, status: str) -> None:
        async with connection.transaction():
            await connection.execute("SET LOCAL ROLE eventos_email_engagement")
            await connection.execute("UPDATE follow_up_sequences SET status = $1, emails_sent = 2", status)

    async def test_a_new_one_keeps_the_status_it_came_with_as_its_owners(
        self, connection: Connection, sequence: str
    ) -> None:
        assert await self.statuses(connection) == ("paused", "paused")
        assert await taken_marks(connection) == [("email_subjects", "sequence", sequence, None)]

    async def test_what_its_owner_says_is_kept_and_marks_it(self, connection: Connection, sequence: str) -> None:
        await taken_marks(connection)
        await connection.execute("UPDATE follow_up_sequences SET status = 'completed'")
        assert await self.statuses(connection) == ("completed", "completed")
        assert await taken_marks(connection) == [("email_subjects", "sequence", sequence, None)]

    async def test_what_the_service_says_leaves_the_owners_word_alone_and_marks_nothing(
        self, connection: Connection, sequence: str
    ) -> None:
        await taken_marks(connection)
        await self.as_service(connection, "replied")
        assert await self.statuses(connection) == ("replied", "paused")
        assert await taken_marks(connection) == []

    async def test_an_owner_who_overrides_the_service_marks_it_so_that_e_mails_have_the_last_word(
        self, connection: Connection, sequence: str
    ) -> None:
        await self.as_service(connection, "stopped")
        await taken_marks(connection)
        await connection.execute("UPDATE follow_up_sequences SET status = 'paused'")
        assert await self.statuses(connection) == ("paused", "paused")
        assert await taken_marks(connection) == [("email_subjects", "sequence", sequence, None)]

    async def test_a_row_written_back_as_it_was_read_says_nothing(self, connection: Connection, sequence: str) -> None:
        await self.as_service(connection, "replied")
        await taken_marks(connection)
        await connection.execute("UPDATE follow_up_sequences SET status = 'replied', sequence_type = 'renewal'")
        assert await self.statuses(connection) == ("replied", "paused")
        assert await taken_marks(connection) == []

    async def test_counts_mark_nothing(self, connection: Connection, sequence: str) -> None:
        await taken_marks(connection)
        await connection.execute("UPDATE follow_up_sequences SET emails_sent = 3, replies_received = 1")
        assert await taken_marks(connection) == []


@pytest.mark.parametrize("table", ["sponsors", "events"])
async def test_a_lead_that_goes_with_its_sponsor_or_event_leaves_a_tombstone(
    connection: Connection, table: str
) -> None:
    sponsor, event = await add_sponsor(connection), await add_event(connection)
    await connection.execute(
        "INSERT INTO sponsor_lead_scores (sponsor_id, event_id, score, conversion_probability, priority)"
        " VALUES ($1, $2, 50, 0.25, 'warm')",
        sponsor,
        event,
    )
    await connection.execute({"sponsors": "DELETE FROM sponsors", "events": "DELETE FROM events"}[table])
    told = await connection.fetch("SELECT aggregatetype, aggregateid, type, payload, source FROM outbox")
    assert [tuple(row) for row in told] == [("lead-scores", f"{sponsor}:{event}", None, None, "/eventos/lead_scoring")]


async def test_a_lead_that_its_service_removes_is_told_by_the_service_alone(connection: Connection) -> None:
    sponsor, event = await add_sponsor(connection), await add_event(connection)
    await connection.execute(
        "INSERT INTO sponsor_lead_scores (sponsor_id, event_id, score, conversion_probability, priority)"
        " VALUES ($1, $2, 50, 0.25, 'warm')",
        sponsor,
        event,
    )
    await connection.execute("SET ROLE eventos_lead_scoring")
    await connection.execute("DELETE FROM sponsor_lead_scores")
    await connection.execute("RESET ROLE")
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
