"""JSON beyond its grammar: what is refused, and how deep it may nest."""

import pytest

from contracts.strict_json import MAX_NESTING, NotJson, canonical, parse


@pytest.mark.parametrize("text", [r'"\u0000"', r'"\\\u0000"', r'{"a\u0000": 1}', r'["\u0000", 1]', r'"\u0000\\"'])
def test_no_string_holds_u0000(text: str) -> None:
    with pytest.raises(NotJson, match="U\\+0000"):
        parse(text.encode())


@pytest.mark.parametrize("text", [r'"\\u0000"', r'"\\\\u0000"', r'"\u00000"'.replace("0000", "0001"), '"u0000"'])
def test_what_only_looks_like_u0000_is_text(text: str) -> None:
    assert isinstance(parse(text.encode()), str)


@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}"), ('[{"[":', "}]"), ('["]]","\\"]",', "]")])
def test_values_nest_to_the_bound_and_no_deeper(opening: str, closing: str) -> None:
    each = 2 if opening.startswith("[{") else 1
    levels = MAX_NESTING // each

    deepest = parse((opening * levels + "1" + closing * levels).encode())

    assert canonical([deepest])
    with pytest.raises(NotJson, match="levels deep"):
        parse((opening * (levels + 1) + "1" + closing * (levels + 1)).encode())
    with pytest.raises(NotJson):
        parse((opening * 30_000 + "1" + closing * 30_000).encode())


def test_brackets_side_by_side_or_in_strings_are_not_nested() -> None:
    assert len(parse(b"[" + b"[]," * 1000 + b"1]")) == 1001
    assert parse(b'"' + b"[{" * 1000 + b'"') == "[{" * 1000


def test_why_a_value_is_refused_never_cites_it() -> None:
    with pytest.raises(NotJson) as refused:
        parse(b'{"email": "anna@example.org", "email": anna}')

    assert "anna" not in str(refused.value)
