from __future__ import annotations

import pytest

from policy_middleware.model.field_paths import FieldStep, Wildcard, parse_field_path

ITEM, KEY, DEPTH = Wildcard.ANY_ITEM, Wildcard.ANY_KEY, Wildcard.ANY_DEPTH


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("email", ("email",)),
        ("a.b.c", ("a", "b", "c")),
        ("customers[*].email", ("customers", ITEM, "email")),
        ("rows[3][*].x-y", ("rows", 3, ITEM, "x-y")),
        ("[*].email", (ITEM, "email")),
        ("[0]", (0,)),
        ("*.email", (KEY, "email")),
        ("*[*]", (KEY, ITEM)),
        ("**.ssn", (DEPTH, "ssn")),
        ("a.**.b[*]", ("a", DEPTH, "b", ITEM)),
        ("**.*", (DEPTH, KEY)),
        ("first name.@id", ("first name", "@id")),
        ("größe", ("größe",)),
    ],
)
def test_field_paths_are_split_into_their_steps(text: str, steps: tuple[FieldStep, ...]) -> None:
    assert parse_field_path(text) == steps


@pytest.mark.parametrize(
    "text",
    [
        "a..b",
        ".a",
        "a.",
        "a[",
        "a[]",
        "a[-1]",
        "a[01]",
        "a[x]",
        "a.[0]",
        "***",
        "a*",
        "a b ",
        " a",
        "'a'",
        "a\nb",
    ],
)
def test_what_is_not_a_field_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a field path; write keys with dots"):
        parse_field_path(text)


@pytest.mark.parametrize("text", ["**", "a.**", "**.**.b", "**[*]", "**[0].a"])
def test_any_depth_needs_a_key_after_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"has a \*\* that no key follows"):
        parse_field_path(text)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("$.a", ("a",)),
        ("$['a b'][\"c.d\"]", ("a b", "c.d")),
        ("$[0][*].*", (0, Wildcard.ANY_KEY, Wildcard.ANY_KEY)),
        ("$..email", (Wildcard.ANY_DEPTH, "email")),
        ("$.a..[1]", ("a", Wildcard.ANY_DEPTH, 1)),
        ("$..*", (Wildcard.ANY_DEPTH, Wildcard.ANY_KEY)),
        (r"$['it\'s']", ("it's",)),
        (r'$["\u0061\/"]', ("a/",)),
        ("$.é_1[ 'x' ]", ("é_1", "x")),
    ],
)
def test_jsonpath_names_the_same_steps(text: str, steps: tuple[FieldStep, ...]) -> None:
    assert parse_field_path(text) == steps


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("$", "is the whole body"),
        ("$.a[?@.b == 1]", r"a filter \(\?\) is not understood"),
        ("$..[?@.b]", r"a filter \(\?\) is not understood"),
        ("$.a[1:2]", r"a slice \(:\) is not understood"),
        ("$[::2]", r"a slice \(:\) is not understood"),
        ("$.a[-1]", "an index from the end is not understood"),
        ("$['a','b']", "several selectors in one bracket"),
        ("$[0, 1]", "several selectors in one bracket"),
        ("$.a b", "it cannot be read from ' b' on"),
        ("$a", "it cannot be read"),
        ("$.", "it cannot be read"),
        ("$..", "it cannot be read"),
        ("$.[0]", "it cannot be read"),
        ("$.1", "it cannot be read"),
        ("$[01]", "it cannot be read"),
        ("$['a", "it cannot be read"),
        (r"$['\x']", "it cannot be read"),
    ],
)
def test_jsonpath_that_is_not_understood_is_refused_with_the_reason(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_field_path(text)


@pytest.mark.parametrize("text", ["", "a" * 501])
def test_field_paths_have_a_length(text: str) -> None:
    with pytest.raises(ValueError, match="a field path has 1 to 500 characters"):
        parse_field_path(text)
