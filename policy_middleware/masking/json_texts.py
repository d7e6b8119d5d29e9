"""What is recognised in the texts, keys and numbers of a JSON body, masked where it stands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from policy_middleware.masking.found import Found, regions
from policy_middleware.masking.json_body import check_strict
from policy_middleware.masking.json_exponents import has_exponents, spelled_out
from policy_middleware.masking.json_view import JsonView, escapes_deeper
from policy_middleware.masking.quick_json import orjson

if TYPE_CHECKING:
    from policy_middleware.masking.text_masking import TextMasker

_PLAIN: Final = re.compile(r"[ !#-\[\]-~]*+")
"""What is spelt in a JSON string as it is."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_REPEATED: Final = re.compile("%(?:25)++")
"""A percent sign that was encoded itself, however often."""
_LITERAL: Final = re.compile("%(?![2-7][0-9a-fA-F])")
"""One that begins no character of ASCII."""
_NUMBER: Final = "0"
"""What is written in place of a number in which something was found."""


def mask_texts(text: str, texts: TextMasker) -> tuple[str, Counter[str]]:
    """Return valid JSON with everything masked that `texts` finds in strings, keys and spellings of numbers.

    A number that holds something becomes 0; in strings only the values that were found change. A string may
    be JSON itself, so what its escapes hide is masked as well.
    """
    masked, findings = _searched(text, texts, is_deep=False)
    if escapes_deeper(masked) and _may_hide(masked, texts):
        masked, more = _searched(masked, texts, is_deep=True)
        findings.update(more)
    if has_exponents(masked):
        masked, more = _exponents_searched(masked, texts)
        findings.update(more)
    return masked, findings


def _may_hide(text: str, texts: TextMasker) -> bool:
    """Return whether escapes of addresses may hide a value: most are blanks and slashes in ordinary links."""
    if "\\" in text or not text.isascii():
        return True
    shown = unquote_to_bytes(_LITERAL.sub("%25", _REPEATED.sub("%", text)))
    return bool(texts.scanner.present(shown))


def has_other_readings(text: str) -> bool:
    """Return whether a JSON text may hold values that do not show as they are written."""
    return escapes_deeper(text) or has_exponents(text)


def _exponents_searched(text: str, texts: TextMasker) -> tuple[str, Counter[str]]:
    """Write 0 for the numbers with an exponent that hold something without it."""
    numbers = spelled_out(text)
    searched, findings = _searched(
        "[" + ",\n".join([one.json for one in numbers]) + "]", texts, is_deep=False
    )
    if not findings:
        return text, findings
    pieces: list[str] = []
    done = 0
    # No string of JSON has a line end in it.
    for one, shown in zip(numbers, searched[1:-1].split(",\n"), strict=True):
        if shown != one.json:
            pieces += (text[done : one.start], _NUMBER)
            done = one.end
    pieces.append(text[done:])
    return "".join(pieces), findings


def _searched(text: str, texts: TextMasker, *, is_deep: bool) -> tuple[str, Counter[str]]:
    scanner = texts.scanner
    likely: Sequence[int] | None = None
    if not is_deep and "\\" not in text and text.isascii():
        # Most bodies are clean, and the whole text shows it: what occurs in a string or number occurs in it.
        likely = scanner.present(text.encode())
        if not likely:
            return text, Counter()
    view = JsonView(text, scanner.alphabet, is_deep=is_deep)
    found = scanner.scan_json(view, likely)
    if not found:
        return text, Counter()
    return _rewritten(view, texts, found)


def _rewritten(view: JsonView, texts: TextMasker, found: Sequence[Found]) -> tuple[str, Counter[str]]:
    """Return the source of `view` with `found` replaced, and how many values of each entity were."""
    source, apart, coincides = view.source, view.apart, view.coincides
    span, constants = texts.span, texts.constants
    findings: Counter[str] = Counter()
    pieces: list[str] = []
    plain: set[str] = set()
    united, _ = regions(found, len(view.view.data))
    done = token_start = token_end = 0
    is_number = False
    for members in united:
        start, end, recognizer = span(members)
        if not coincides:
            start, end = view.start(start), view.end(end)
        if start >= token_end:
            token_start = apart.rfind("\0", token_end, start) + 1
            token_end = apart.find("\0", start)
            token_end = len(apart) if token_end < 0 else token_end
            is_number = not token_start or source[token_start - 1] != '"'
            if is_number:
                pieces += (source[done:token_start], _NUMBER)
                done = token_end
        if not is_number:
            if start < done:
                start = done
            if end <= start:  # Both lie in one character that stands for several.
                continue
        constant = constants[recognizer]
        name, written = constant or texts.replacement(view.decoded(start, end), recognizer)
        findings[name] += 1
        if is_number:
            continue
        if written not in plain:
            if _PLAIN.fullmatch(written) is not None:
                plain.add(written)
            else:
                written = _escaped(written, source[token_start:token_end])
                if view.is_deep:
                    written = encode_basestring_ascii(written)[1:-1]
        pieces += (source[done:start], written)
        done = end
    pieces.append(source[done:])
    return "".join(pieces), findings


def _escaped(written: str, literal: str) -> str:
    """Return what spells `written` within the string `literal`."""
    # What was written in ASCII stays so; half a surrogate pair has no other spelling.
    if literal.isascii() or _SURROGATE.search(written) is not None:
        return encode_basestring_ascii(written)[1:-1]
    return encode_basestring(written)[1:-1]


def check_json(body: bytes | None, text: str) -> None:
    """Raise MaskError unless `text` is one JSON value; `body`, the same as bytes, makes it quick."""
    if body is not None and orjson is not None:
        try:
            orjson.loads(body)
        except orjson.JSONDecodeError:
            pass  # orjson reads less than all of JSON; the strict reader has the last word
        else:
            return
    check_strict(text)
