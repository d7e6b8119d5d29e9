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


@pytest.mark.parametrize("text", ["$", "$.a", "$..email"])
def test_jsonpath_is_said_to_be_missing(text: str) -> None:
    with pytest.raises(ValueError, match="is JSONPath, which is not built yet"):
        parse_field_path(text)


@pytest.mark.parametrize("text", ["", "a" * 501])
def test_field_paths_have_a_length(text: str) -> None:
    with pytest.raises(ValueError, match="a field path has 1 to 500 characters"):
        parse_field_path(text)
