"""Masks of several rules at work together: none weakens what another asks for."""

from __future__ import annotations

from itertools import permutations

import pytest

from policy_middleware.masking import Masker
from policy_middleware.masking.operators import register_operator
from policy_middleware.model.mask_models import MaskModel
from policy_middleware.model.policy import MaskSpec

KEY = b"k" * 32


def mask(**said: object) -> MaskSpec:
    return MaskModel.model_validate(said).spec({})


def masked(spec: MaskSpec, body: str, content_type: str = "application/json") -> str:
    masker = Masker.from_spec(spec, tenant_key=KEY)
    once = masker.mask(body.encode(), content_type).body
    assert masker.mask(once, content_type).body == once
    return once.decode()


SEARCHED = mask(entities={"US_SSN": "redact", "EMAIL_ADDRESS": "redact", "DATE_TIME": "redact"})
register_operator("united_tests_as_it_is", lambda value, entity: value)


@pytest.mark.parametrize(
    ("asked", "body"),
    [
        ("show_last_4", '{"ssn":"536-90-4399"}'),
        ("show_last_4", '{"ssn":"536904399"}'),
        ("email_mask", '{"ssn":"ann@example.com"}'),
        ("generalize", '{"ssn":"2024-05-17"}'),
        ("date_shift", '{"ssn":"2024-05-17"}'),
        ({"operator": "custom", "function": "united_tests_as_it_is"}, '{"ssn":"to ann@example.com"}'),
        ("keep", '{"ssn":"536904399"}'),
    ],
    ids=str,
)
@pytest.mark.parametrize("order", list(permutations(range(2))), ids=str)
def test_a_field_shows_nothing_of_what_another_rule_looks_for(
    asked: object, body: str, order: tuple[int, ...]
) -> None:
    specs = [mask(fields={"ssn": asked}), SEARCHED]
    written = masked(specs[order[0]] | specs[order[1]], body)
    assert written in ('{"ssn":"[REDACTED]"}', '{"ssn":"to [REDACTED]"}')


def test_numbers_and_columns_show_nothing_of_it_either() -> None:
    ranges = mask(fields={"ssn": {"operator": "generalize", "bucket": 1000}})
    assert masked(ranges, '{"ssn":536904399}') == '{"ssn":536904000}'
    assert masked(ranges | SEARCHED, '{"ssn":536904399}') == '{"ssn":0}'
    assert masked(ranges | SEARCHED, '{"ssn":4399}') == '{"ssn":4000}'
    ends = mask(fields={"ssn": "show_last_4"}) | SEARCHED
    assert masked(ends, "ssn,n\n536904399,1\n", "text/csv") == "ssn,n\n[REDACTED],1\n"


def test_what_the_other_rule_does_not_look_for_is_shown_as_the_field_says() -> None:
    united = mask(fields={"card": "show_last_4", "ssn": "hash"}) | SEARCHED
    alone = mask(fields={"card": "show_last_4", "ssn": "hash"})
    body = '{"card":"4111 1111 1111 1111","ssn":"536904399"}'
    assert masked(united, body) == masked(alone, body)


def test_a_rule_that_says_both_means_its_own_field() -> None:
    both = mask(fields={"ssn": "show_last_4"}, entities={"US_SSN": "redact"})
    assert masked(both | both, '{"ssn":"536904399"}') == '{"ssn":"*****4399"}'
    assert masked(both | mask(entities={"US_SSN": "redact"}), '{"ssn":"536904399"}') == '{"ssn":"[REDACTED]"}'
    assert masked(both | mask(entities={"URL": "redact"}), '{"ssn":"536904399"}') == '{"ssn":"*****4399"}'


def test_a_header_shows_nothing_of_what_another_rule_looks_for() -> None:
    united = mask(headers={"X-User": "show_last_4"}) | SEARCHED
    masker = Masker.from_spec(united, tenant_key=KEY)
    assert masker.mask_header("X-User", "ann@example.com").value == "[REDACTED]"
    assert masker.mask_header("X-User", "ann of sales").value == "********ales"
