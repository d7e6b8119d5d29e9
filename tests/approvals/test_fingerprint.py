"""Two requests share a fingerprint only when an approver could not tell them apart."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.approvals import body_digest, fingerprint

PARTS: dict[str, str] = {
    "tenant": "acme",
    "subject": "alice",
    "method": "POST",
    "path": "/exports",
    "query": "a=1",
    "content_type": "text/plain",
    "body_digest": body_digest(b"rows"),
    "action": "report.export",
    "resource": "report:7",
}
NAMES = tuple(PARTS)
OPTIONAL = ("content_type", "resource")


def test_a_fingerprint_is_a_sha256_digest_and_repeats() -> None:
    assert fingerprint(**PARTS) == fingerprint(**PARTS)
    assert len(bytes.fromhex(fingerprint(**PARTS))) == 32


def test_the_digest_of_a_body_is_its_sha256() -> None:
    assert body_digest(b"rows") == hashlib.sha256(b"rows").hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_every_part_counts(name: str) -> None:
    assert fingerprint(**PARTS | {name: PARTS[name] + "x"}) != fingerprint(**PARTS)


@pytest.mark.parametrize("name", OPTIONAL)
def test_absent_is_not_empty(name: str) -> None:
    absent: dict[str, str | None] = {**PARTS, name: None}
    assert fingerprint(**absent) != fingerprint(**PARTS | {name: ""})  # type: ignore[arg-type]


@pytest.mark.parametrize(("left", "right"), list(itertools.pairwise(NAMES)))
def test_text_cannot_move_from_one_part_to_the_next(left: str, right: str) -> None:
    one = PARTS | {left: "ab", right: "c"}
    other = PARTS | {left: "a", right: "bc"}
    assert fingerprint(**one) != fingerprint(**other)


texts = st.text(st.characters(), max_size=6)


@settings(max_examples=200)
@given(st.lists(texts, min_size=9, max_size=9), st.lists(texts, min_size=9, max_size=9))
def test_different_requests_differ(one: list[str], other: list[str]) -> None:
    same = fingerprint(**dict(zip(NAMES, one, strict=True))) == fingerprint(
        **dict(zip(NAMES, other, strict=True))
    )
    assert same == (one == other)


def test_undecodable_octets_are_kept_apart() -> None:
    # Servers hand on octets that are not UTF-8 as lone surrogates.
    assert fingerprint(**PARTS | {"path": "/\udc80"}) != fingerprint(**PARTS | {"path": "/\udc81"})
