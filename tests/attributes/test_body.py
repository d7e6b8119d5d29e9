from __future__ import annotations

from typing import Any

import pytest

from policy_middleware.attributes import BodySource, MalformedAttribute, body, values_in_body
from policy_middleware.model.errors import SettingsError

JSON = "application/json"


def _read(pointer: str, raw: bytes, content_type: str = JSON, **options: Any) -> object:
    source = body(pointer, **options)
    assert isinstance(source, BodySource)
    (value,) = values_in_body([source], raw, content_type).values()
    if isinstance(value, Exception):
        raise value
    return value


@pytest.mark.parametrize(
    ("pointer", "raw", "expected"),
    [
        ("/amount", b'{"amount": 5}', 5),
        ("/a/b/1", b'{"a": {"b": [1, "x"]}}', "x"),
        ("/a~1b/~0", b'{"a/b": {"~": true}}', True),
        ("", b'"text"', "text"),
        ("/tags", b'{"tags": ["a", "b"]}', ("a", "b")),
        ("/missing", b'{"amount": 5}', None),
        ("/a/9", b'{"a": [1]}', None),
        ("/a/x", b'{"a": 5}', None),
        ("/a", b'{"a": null}', None),
        ("/a", b"", None),
        ("/a/-1", b'{"a": [1]}', None),
    ],
)
def test_a_value_is_found_by_json_pointer(pointer: str, raw: bytes, expected: object) -> None:
    assert _read(pointer, raw) == expected


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "", JSON])
def test_a_body_is_read_whatever_it_claims_to_be(content_type: str) -> None:
    assert _read("/amount", b'{"amount": 5000}', content_type) == 5000


@pytest.mark.parametrize(
    ("raw", "content_type"),
    [
        (b'{"amount": 1, "amount": 5000}', JSON),
        (b'{"amount": 1, "amount": 5000}', "text/plain"),
        (b'{"amount": 5000', JSON),
        (b"not json", JSON),
        (b"not json", "application/merge-patch+json"),
        ('{"amount": 5000}'.encode("utf-16"), "text/plain"),
        (b'{"amount": NaN}', "text/plain"),
        (b"[" * 100_000, JSON),
    ],
)
def test_a_body_that_two_parsers_may_read_differently_is_malformed(raw: bytes, content_type: str) -> None:
    with pytest.raises(MalformedAttribute):
        _read("/amount", raw, content_type)


def test_a_form_has_no_json_values() -> None:
    assert _read("/amount", b"amount=5000", "application/x-www-form-urlencoded") is None


@pytest.mark.parametrize(
    ("wanted", "raw"),
    [(int, b"true"), (int, b'"5"'), (int, b"5.5"), (bool, b"1"), (float, b"true"), (str, b"{}")],
)
def test_a_value_of_another_type_is_malformed(wanted: type, raw: bytes) -> None:
    with pytest.raises(MalformedAttribute, match="must be of type"):
        _read("", raw, type=wanted)


def test_an_object_is_no_value() -> None:
    with pytest.raises(MalformedAttribute, match="value or a list of values"):
        _read("/a", b'{"a": {}}')


def test_a_pointer_starts_with_a_slash() -> None:
    with pytest.raises(SettingsError, match="starts with '/'"):
        body("amount")
