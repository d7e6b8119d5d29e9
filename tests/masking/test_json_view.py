"""A JSON text as patterns see it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.masking.json_view import JsonView
from policy_middleware.masking.normalized import Alphabet
from tests.masking import documents


def view_of(source: str) -> JsonView:
    return JsonView(source, Alphabet())


def texts_of(view: JsonView) -> list[bytes]:
    return [text for text in view.view.data.split(b"\0") if text]


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ('{"a": "b c", "d":[-1.5E+3 , true, null,"e"]}', [b"a", b"b c", b"d", b"-1.5E+3", b"e"]),
        (r'["a\"b", "\\", "c\/d\u0041\n"]', [b'a"b', b"\\", b"c/dA\n"]),
        ('"true: [null], {}"', [b"true: [null], {}"]),
        (r'["\u0000", "\u0022,\u0022"]', [b'","']),
        ("12", [b"12"]),
        ('""', []),
    ],
)
def test_strings_keys_and_numbers_are_kept_apart_and_nothing_else_is_seen(source, texts):
    assert texts_of(view_of(source)) == texts


def test_offsets_lead_to_what_is_written_in_the_source():
    view = view_of(r'["x\u0041\ud83d\ude00\n", "\uff11b"]')
    data = view.view.data
    at = data.index(b"A")
    assert view.source[view.start(at) : view.end(at + 1)] == r"\u0041"
    assert view.source[view.start(at + 1) : view.end(at + 2)] == r"\ud83d\ude00"
    one = data.index(b"1")
    assert view.source[view.start(one) : view.end(one + 2)] == r"\uff11b"
    assert view.decoded(view.start(one), view.end(one + 2)) == "\uff11b"


@settings(max_examples=200, deadline=None)
@given(documents.documents)
def test_every_string_of_a_document_is_seen_as_it_would_be_alone(node):
    source = documents.printed(node)
    alphabet = Alphabet()
    seen: list[bytes] = []

    def collect(part):
        if isinstance(part, documents.Container):
            for item in part.items:
                if item.key is not None:
                    seen.append(alphabet.view(json.loads(item.key)).data)
                collect(item.value)
        elif part.literal[0] == '"':
            seen.append(alphabet.view(json.loads(part.literal)).data)
        elif part.literal not in ("true", "false", "null"):
            seen.append(part.literal.encode())

    collect(node)
    assert texts_of(JsonView(source, alphabet)) == [text for text in seen if text]


@settings(max_examples=200, deadline=None)
@given(st.text(), st.booleans())
def test_each_character_of_a_string_is_found_in_the_source(text, ascii_only):
    source = json.dumps([text, "end"], ensure_ascii=ascii_only)
    view = view_of(source)
    end = view.view.data.rindex(b"end")
    assert source[view.start(end) : view.end(end + 3)] == "end"
