"""Ids that follow from what they name are those that everybody else would compute."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from contracts.names import name_uuid


@given(st.uuids(), st.text(st.characters(exclude_categories=["Cs"])))
def test_the_id_of_a_name_is_the_uuid5_of_the_standard_library(namespace: UUID, name: str) -> None:
    assert name_uuid(namespace.bytes, name) == str(uuid5(namespace, name))
