"""What is recognised in the texts, keys and numbers of a JSON body, masked where it stands.

Works on valid JSON only: then every token can be told by its own spelling.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import TYPE_CHECKING, Final

from policy_middleware.masking.json_body import check_strict
from policy_middleware.masking.quick_json import orjson

if TYPE_CHECKING:
    from policy_middleware.masking.text_masking import MaskedText, TextMasker

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
    tokens = parts[1::2]
    single = list(dict.fromkeys(tokens))
    decoded = [_decoded(token) for token in single]
    replaced: dict[str, str] = {}
    found_in: dict[str, Mapping[str, int]] = {}
    for number, masked in texts.mask_all(decoded).items():
        token = single[number]
        replaced[token] = _literal(token, masked.text)
        found_in[token] = masked.findings
    occurring = Counter(filter(replaced.__contains__, tokens))
    written = list(map(replaced.get, tokens, tokens))
    for position, masked in _announced(parts, texts):
        token = tokens[position]
        written[position] = _literal(token, masked.text)
        if token in replaced:
            occurring[token] -= 1
        findings.update(masked.findings)
    if not replaced and not findings:
        return text, findings
    for token, count in occurring.items():
        for entity, found in found_in[token].items():
            findings[entity] += found * count
    parts[1::2] = written
    return "".join(parts), findings


def _announced(parts: Sequence[str], texts: TextMasker) -> Iterator[tuple[int, MaskedText]]:
    """Yield the positions of values that are told by their keys what they are, with what they become."""
    if not texts.scanner.has_names:
        return
    tokens, behind = parts[1::2], parts[2::2]
    colons = {part for part in set(behind) if ":" in part}
    is_key = list(map(colons.__contains__, behind))
    keys = set(compress(tokens, is_key))
    announcements = {key: texts.scanner.announcement(_decoded(key)) for key in keys}
    announcing = {key for key in keys if announcements[key]}
    if not announcing:
        return
    # A value stands right behind its key, unless it is a container or a constant.
    positions = [
        at + 1
        for at in compress(range(len(tokens)), is_key)
        if tokens[at] in announcing and behind[at].strip() == ":"
    ]
    pairs = [(tokens[at - 1], tokens[at]) for at in positions]
    awaits = texts.scanner.awaits_name
    if not awaits("\n".join([_decoded(value) for value in dict.fromkeys(pair[1] for pair in pairs)])):
        return
    single = [(key, value) for key, value in dict.fromkeys(pairs) if awaits(_decoded(value))]
    found = texts.mask_announced([(announcements[key], _decoded(value)) for key, value in single])
    masked = {single[number]: one for number, one in found.items()}
    for position, pair in zip(positions, pairs, strict=True):
        if pair in masked:
            yield position, masked[pair]


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
    if token.isascii() or _SURROGATE.search(masked) is not None:
        return encode_basestring_ascii(masked)
    return encode_basestring(masked)


def _unescaped(escape: re.Match[str]) -> str:
    high, low, single, short = escape.groups()
    if high is not None:
        return chr(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00)
    if single is not None:
        return chr(int(single, 16))
    return _SHORT_ESCAPES.get(short, short)
