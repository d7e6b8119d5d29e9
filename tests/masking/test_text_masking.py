"""Rules meet text: overlaps, counts, names."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from policy_middleware.masking import linear_search
from policy_middleware.masking.operators.replacing import Replace
from policy_middleware.masking.pattern_admission import custom_recognizer
from policy_middleware.masking.recognition import RecognizerError, Span, recognize
from policy_middleware.masking.text_masking import TextMasker
from policy_middleware.model.errors import SettingsError


@dataclass
class Sign:
    """Writes one sign, so that a test sees which operator was chosen."""

    sign: str
    strictness: int

    def text(self, value: str, entity: str) -> str:
        return self.sign


def test_values_are_replaced_and_counted_by_entity() -> None:
    masker = TextMasker({"EMAIL_ADDRESS": Sign("E", 1), "IP_ADDRESS": Sign("I", 1)})

    masked = masker.mask("a@b.co and c@d.co from 10.0.0.1")

    assert masked.text == "E and E from I"
    assert masked.findings == {"EMAIL_ADDRESS": 2, "IP_ADDRESS": 1}


def test_overlapping_values_are_replaced_as_one_by_the_strictest_operator() -> None:
    text = "see https://x.com/?to=john@x.com now"

    assert TextMasker({"URL": Sign("U", 1), "EMAIL_ADDRESS": Sign("E", 2)}).mask(text).text == "see E now"
    assert TextMasker({"URL": Sign("U", 2), "EMAIL_ADDRESS": Sign("E", 1)}).mask(text).text == "see U now"


def test_a_custom_recogniser_is_named_beside_the_built_in_ones() -> None:
    employee = custom_recognizer("EMPLOYEE", r"EMP-\d{6}")

    assert TextMasker({"EMPLOYEE": Sign("X", 1)}, [employee]).mask("of EMP-123456.").text == "of X."


def test_a_rule_for_an_unknown_entity_is_refused() -> None:
    with pytest.raises(RecognizerError, match="not a known entity"):
        TextMasker({"EMPLOYEE": Sign("X", 1)})


def test_spans_are_offsets_of_the_original_text() -> None:
    text = "é\u200b日 jo\u200bhn@example.com\u200b."

    assert recognize(text, ["EMAIL_ADDRESS"]) == [Span("EMAIL_ADDRESS", 4, 21, 1.0)]


def test_without_re2_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "re2", None)

    with pytest.raises(SettingsError, match=r"pip install 'policy-middleware\[mask\]'"):
        linear_search.require_engine()


def test_a_presence_set_that_gives_up_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    presence = linear_search.PresenceSet([b"a", b"b"])
    assert presence.present(b"xbx") == [1]

    class OutOfMemory:
        def Match(self, text: bytes) -> None:  # noqa: N802 (RE2's name)
            return None

    monkeypatch.setattr(presence, "_set", OutOfMemory())

    assert presence.present(b"xbx") == [0, 1]


def test_searching_by_the_binding_equals_searching_by_the_module() -> None:
    import re2

    text = b"xab 12ab ab"
    for start in range(len(text)):
        found = re2.compile(rb"\bab\b").search(text, start)

        assert linear_search.Searcher(rb"\bab\b").search(text, start) == (found and found.span())


@pytest.mark.parametrize(
    "text",
    [
        "(415) 555-0132 4155550132",
        "536-90-4399 or 536904399",
        "of 943 476 5919, then 9434765919",
    ],
)
def test_a_placeholder_announces_nothing_so_masking_again_changes_nothing(text: str) -> None:
    masker = TextMasker(
        {name: Replace(3, None) for name in ("PHONE_NUMBER", "UK_NHS", "US_PASSPORT", "US_SSN")}
    )
    once = masker.mask(text).text

    assert once != text
    assert masker.mask(once).text == once


def test_a_tag_right_before_a_value_announces_it() -> None:
    masker = TextMasker({"PHONE_NUMBER": Sign("P", 1)})

    assert masker.mask("<PHONE_NUMBER>4155550132</PHONE_NUMBER>").text == "<PHONE_NUMBER>P</PHONE_NUMBER>"
