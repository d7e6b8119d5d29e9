"""A text masked in parts is the text masked whole, for every way of cutting it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.masking.found import LONGEST_MATCH
from policy_middleware.masking.pattern_admission import custom_recognizer
from policy_middleware.masking.recognition import RECOGNIZERS, Recognizer, Shape
from policy_middleware.masking.text_masking import TextMasker
from policy_middleware.masking.text_stream import MOST_HELD
from policy_middleware.model.errors import MaskError


class Replace:
    """Writes the entity's name."""

    strictness = 1

    def text(self, value: str, entity: str) -> str:
        assert value
        return f"<{entity}>"


CUSTOM = custom_recognizer("CUSTOMER", r"K\d{3,8}(?:-[a-zä]{1,4})?")
MASKER = TextMasker(dict.fromkeys((*RECOGNIZERS, "CUSTOMER"), Replace()), [CUSTOM])
PARTS = [
    *(example for recognizer in RECOGNIZERS.values() for example in recognizer.examples),
    *("12 ", "4111 ", "\u200b", "\u2488", "\uff11", "\ufb01", "é", "日本", "passport ", "ssn ", "a" * 70),
    *(" ", "  ", "\n", ". ", "(", ")", "@", "hello", "-", "1", ".com", "::", "+", '"', "<", "http://", "K12"),
    *("K123-ä", "x" * (LONGEST_MATCH + 10), "1.", "2024-", "Mar", "eyJ", "\0", "_", "/", "\ud800"),
]
TEXTS = st.lists(
    st.one_of(st.sampled_from(PARTS), st.text(alphabet="ab1.@-: +(_é", max_size=6)), max_size=20
).map("".join)


def streamed(text: str, lengths: list[int]) -> tuple[str, Counter[str]]:
    stream = MASKER.stream()
    pieces, at, turn = [], 0, 0
    while at < len(text):
        length = lengths[turn % len(lengths)]
        pieces.append(stream.feed(text[at : at + length]))
        at, turn = at + length, turn + 1
    pieces.append(stream.close())
    return "".join(pieces), stream.findings


@settings(max_examples=120, deadline=None)
@given(TEXTS, st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_a_stream_equals_the_whole_however_it_is_cut(text: str, lengths: list[int]) -> None:
    whole = MASKER.mask(text)

    assert streamed(text, lengths) == (whole.text, whole.findings)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_many_texts_at_once_are_masked_as_each_by_itself(texts: list[str]) -> None:
    alone = {at: MASKER.mask(text) for at, text in enumerate(texts)}
    assert MASKER.mask_all(texts) == {at: one for at, one in alone.items() if one.findings}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=20))
def test_masking_twice_changes_nothing_where_words_are_apart(parts: list[str]) -> None:
    once = MASKER.mask(" ".join(parts)).text

    assert MASKER.mask(once).text == once


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_what_is_not_detected_is_not_masked(text: str) -> None:
    if not MASKER.detects(text):
        assert MASKER.mask(text).text == text


def test_an_address_over_six_tokens_never_shows() -> None:
    stream = MASKER.stream()
    tokens = ["Ask ", "jo", "hn.sm", "ith", "@exa", "mple", ".com", " today"]

    sent = [stream.feed(token) for token in tokens]

    assert sent[:1] == ["Ask "]
    assert sent[1:7] == [""] * 6
    assert "".join(sent) + stream.close() == "Ask <EMAIL_ADDRESS> today"


def test_an_endless_value_is_masked_in_pieces_and_holds_back_a_bounded_number_of_characters() -> None:
    stream = MASKER.stream()
    most = 0
    sent = stream.feed("https://example.com/")
    for _ in range(500):
        sent += stream.feed("abcdefghij")
        most = max(most, stream.held)
    sent += stream.close()

    assert most <= 2 * LONGEST_MATCH
    assert set(sent.replace("<URL>", "")) == set()
    assert stream.findings["URL"] == -(-5020 // LONGEST_MATCH)


def test_a_value_swollen_by_invisible_characters_ends_the_stream() -> None:
    stream = MASKER.stream()
    stream.feed("john@exam")

    with pytest.raises(MaskError, match="held back"):
        stream.feed("\u200b" * (MOST_HELD + 1) + "p")
    with pytest.raises(MaskError, match="closed"):
        stream.feed("le.com")
    assert stream.close() == ""


def held_after(text: str, entity: str) -> int:
    stream = TextMasker({entity: Replace()}).stream()
    stream.feed(text)
    return stream.held


def test_an_account_number_waits_for_one_more_character_only_whatever_words_follow() -> None:
    number = "DE89 3704 0044 0532 0130 00"

    assert held_after(number, "IBAN_CODE") == len(number)
    assert held_after(f"{number} The", "IBAN_CODE") == 0


def test_what_the_character_before_it_rules_out_is_not_held_back() -> None:
    assert held_after("part 536-90-43", "US_SSN") == len("536-90-43")
    assert held_after("part-536-90-43", "US_SSN") == 0
    assert held_after("part-_536-90-43", "US_SSN") == len("_536-90-43")


def test_digits_that_only_a_word_makes_a_value_wait_only_behind_that_word() -> None:
    assert held_after("part 536904", "US_SSN") == 0
    assert held_after("SSN 536904", "US_SSN") == len("536904")


def test_a_word_that_announces_does_not_do_so_within_a_match_that_was_not_announced() -> None:
    shape = Shape(r"[xq][a-z0-9]{3,9}", context=(b"ab",))
    masker = TextMasker({"CODE": Replace()}, [Recognizer("CODE", "A code.", (), (shape,))])
    for text in ("xcabq1234 ", "ab xcabq1234 ", "xc ab q1234 "):
        stream = masker.stream()
        assert "".join(map(stream.feed, text)) + stream.close() == masker.mask(text).text


def test_an_account_number_behind_an_underscore_is_found_also_where_a_likeness_ends() -> None:
    text = "NO9386011117947AB12DE_NO9386011117947"
    stream = TextMasker({"IBAN_CODE": Replace()}).stream()

    assert "".join(map(stream.feed, text)) + stream.close() == "NO9386011117947AB12DE_<IBAN_CODE>"
    assert TextMasker({"IBAN_CODE": Replace()}).mask(text).findings == {"IBAN_CODE": 1}
