"""What is recognised in the texts, keys and numbers of a JSON body, masked where it stands.

Works on valid JSON only: then every token can be told by its own spelling.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from policy_middleware.masking.json_body import check_strict
from policy_middleware.masking.quick_json import orjson

if TYPE_CHECKING:
    from policy_middleware.masking.text_masking import TextMasker

_TOKEN: Final = re.compile(r'("[^"\\]*+(?:\\.[^"\\]*+)*+"|-?[0-9][0-9.eE+-]*+)', re.DOTALL)
_ESCAPE: Final = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))"
)
_SHORT_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def mask_texts(text: str, texts: TextMasker) -> tuple[str, Counter[str]]:
    """Return valid JSON with everything masked that `texts` finds in strings, keys and spellings of numbers.

    A string that holds something is written anew, a number becomes 0; every other character stays.
    """
    findings: Counter[str] = Counter()
    # One search of everything tells that most bodies are clean. Quotes and brackets between the tokens are no
    # part of words, so nothing that occurs in a token alone is hidden by what is around it.
    if not texts.detects(_ESCAPE.sub(_unescaped, text) if "\\" in text else text):
        return text, findings
    parts = _TOKEN.split(text)
    tokens = list(dict.fromkeys(parts[1::2]))
    replaced: dict[str, str] = {}
    found_in: dict[str, Iterable[tuple[str, int]]] = {}
    for token, masked in zip(tokens, texts.mask_all([_decoded(token) for token in tokens]), strict=True):
        if masked.findings:
            replaced[token] = _literal(token, masked.text)
            found_in[token] = tuple(masked.findings.items())
    if not replaced:
        return text, findings
    for number in range(1, len(parts), 2):
        token = parts[number]
        written = replaced.get(token)
        if written is not None:
            parts[number] = written
            for entity, count in found_in[token]:
                findings[entity] += count
    return "".join(parts), findings


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


def _decoded(token: str) -> str:
    if token[0] != '"':
        return token
    decoded: str = token[1:-1] if "\\" not in token else json.loads(token)
    return decoded


def _literal(token: str, masked: str) -> str:
    if token[0] != '"':
        return "0"
    # What was written in ASCII stays so; half a surrogate pair has no other spelling.
    return json.dumps(masked, ensure_ascii=token.isascii() or _SURROGATE.search(masked) is not None)


def _unescaped(escape: re.Match[str]) -> str:
    high, low, single, short = escape.groups()
    if high is not None:
        return chr(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00)
    if single is not None:
        return chr(int(single, 16))
    return _SHORT_ESCAPES.get(short, short)
