"""Keys of JSON that tell what their values are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.masking.json_view import JsonView
from policy_middleware.masking.recognition import RECOGNIZERS
from policy_middleware.masking.scanner import scanner_of

SCANNER = scanner_of((RECOGNIZERS["US_SSN"], RECOGNIZERS["PHONE_NUMBER"]))


def found_in(source: str) -> list[str]:
    view = JsonView(source, SCANNER.alphabet)
    return [source[view.start(one.start) : view.end(one.end)] for one in SCANNER.scan_json(view)]


@pytest.mark.parametrize(
    "source",
    [
        '{"ssn":"536904399"}',
        '{"ssn" \n:\t536904399}',
        '{"a": true, "my_ssn": "536904399", "b": null}',
        '{"x": {"ssn": "n 536904399"}}',
        r'{"\u0073sn": "536904399"}',
        '{"ssn": "536904399", "phone": "none"}',
        '{"ssn\u200b": "\u200b536904399"}',
    ],
)
def test_a_name_before_the_colon_announces_its_value(source):
    assert found_in(source) == ["536904399"]


@pytest.mark.parametrize(
    "source",
    [
        '["ssn", "536904399"]',
        '{"ssn": null, "536904399": 1}',
        '{"ssn": true, "n": "536904399"}',
        '{"ssn": ["536904399"]}',
        '{"ssn": {"n": 536904399}}',
        '{"a": "ssn", "n": 536904399}',
        '{"lesson": "536904399"}',
        '{"account": "536904399"}',
    ],
)
def test_no_other_text_announces_anything(source):
    assert found_in(source) == []


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ssn", "SSN", "homePhone", "tel", "other", "a ssn b", "é"]),
            st.sampled_from(["536904399", 4155550132, "4155550132", "n 536904399 n", None, [], "x"]),
        ),
        max_size=6,
    )
)
def test_what_a_key_announces_does_not_depend_on_what_is_around_it(pairs):
    alone = [value for key, one in pairs for value in found_in(json.dumps([{key: one}]))]
    assert sorted(found_in(json.dumps([{key: one} for key, one in pairs]))) == sorted(alone)
