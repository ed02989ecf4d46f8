"""docs/schema.md says what the migrated database is."""

import psycopg
import pytest

from infra.postgres.schema_page import PAGE, page, read


def test_the_page_is_that_of_the_migrated_database(database_url: str) -> None:
    assert PAGE.read_text("utf-8") == page(read(database_url)), "docs/schema.md is stale: make schema-page"


def test_the_page_does_not_depend_on_when_it_is_made(database_url: str) -> None:
    before = page(read(database_url))
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT streams.ensure_sales_activity_months('2033-01-01', '2034-01-01')")
    assert page(read(database_url)) == before


def test_every_index_and_policy_of_organisers_says_what_it_is_for(database_url: str) -> None:
    silent = [
        (table["name"], it["name"])
        for table in read(database_url)
        for it in (*table["indexes"], *table["policies"])
        if not (it.get("serves") or it.get("comment") or it.get("unique"))
    ]
    assert silent == []


def test_a_table_that_no_part_names_is_refused(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE public.stray (n integer)")
    with pytest.raises(ValueError, match="stray"):
        page(read(database_url))
