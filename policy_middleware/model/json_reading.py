"""JSON read as a policy needs it: one meaning per text, and a path for everything that is refused."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

from policy_middleware.model.errors import DocumentError, Problem

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
Path: TypeAlias = tuple[str | int, ...]
"""Where something stands in a JSON tree: keys and indexes from the root."""

_Trail: TypeAlias = "tuple[_Trail, str | int] | None"
"""A path that shares its beginning with those beside it: what leads to the container, and the last step."""

MAX_NESTING: Final = 64
"""Levels of lists and objects in data that arrives as Python objects, and in `metadata`."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*", re.ASCII)
_ESCAPED_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_SOUND: Final = frozenset({bool, int, float, type(None)})
"""Classes of values that nothing can be wrong with once they are read."""
_LONGEST_INTEGER: Final = len(str(-(2**63)))
_LONGEST_QUOTE: Final = 60
_MEANINGS: Final = {
    "Extra data": "something follows the end of the document",
    "Invalid control character": "a quote is missing, or a line break inside text is not written \\n",
}
"""Messages of the standard library that would leave an author guessing."""
_TOO_LARGE: Final = "is a number of more than 64 bits; write it as text"
_NOT_TEXT: Final = "holds half of a surrogate pair, which is not text"


def json_path(path: Path) -> str:
    """Write a path as JSONPath does (RFC 9535): `$.rules[2].when['resource.rows']`."""
    return "$" + "".join(_step(part) for part in path)


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _IDENTIFIER.fullmatch(part) else f"[{part!r}]"


def kind_of(value: object) -> str:
    """Name what a JSON value is, with its article, for use in a sentence."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case Mapping():
            return "an object"
        case _:
            return f"a Python {type(value).__name__}"


def shown(value: object) -> str:
    """Quote a scalar for a sentence, shortened; lists and objects are only named."""
    if isinstance(value, (str, bool, int, float)):
        text = repr(value) if isinstance(value, str) else json.dumps(value)
        return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 3] + "..."
    return kind_of(value)


def read_json(raw: bytes | str, max_bytes: int) -> JSON:
    """Read UTF-8 JSON (a byte order mark is skipped), or raise DocumentError with every finding.

    Stricter than `json.loads`: no repeated keys (parsers disagree on which one counts), no NaN or Infinity,
    no number beyond 64 bits, no lone surrogate, at most `max_bytes` bytes.
    """
    text = _decoded(raw, max_bytes)
    hooks = _Hooks()
    decoder = json.JSONDecoder(
        object_pairs_hook=hooks.object,
        parse_int=hooks.integer,
        parse_float=hooks.float,
        parse_constant=hooks.constant,
    )
    try:
        tree: JSON = decoder.decode(text)
    except json.JSONDecodeError as error:
        place = _at_trailing_comma(error)
        _refuse(f"is not JSON (line {place.lineno}, column {place.colno}): {_hint(place)}")
    except RecursionError:
        _refuse("is nested too deeply to be read")
    # The decoder knows no paths, so the tree is searched for what the hooks left in it, and only then.
    if hooks.met_something or _ESCAPED_SURROGATE.search(text):
        problems = [Problem(json_path(path), message) for path, message in _findings(tree)]
        if problems:
            raise DocumentError(problems)
    return tree


def plain_json(value: object) -> JSON:
    """Copy Python data into a JSON tree under the rules of `read_json`, or raise DocumentError."""
    problems: list[Problem] = []
    tree = _copied(value, (), problems)
    if problems:
        raise DocumentError(problems)
    return tree


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands in the tree for a value that cannot be accepted, until its path is known."""

    message: str


class _Repeating(dict[str, object]):
    """An object that gives the keys in `repeated` more than once."""

    repeated: tuple[str, ...] = ()


class _Hooks:
    """Build the values of one text, leaving a mark in the tree where something is refused."""

    def __init__(self) -> None:
        self.met_something = False

    def object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        times = Counter(key for key, _ in pairs)
        repeating = _Repeating(found)
        repeating.repeated = tuple(key for key in found if times[key] > 1)
        self.met_something = True
        return repeating

    def integer(self, literal: str) -> int | _Refused:
        # The length comes first: converting a very long literal is slow, and Python itself refuses some.
        if len(literal) <= _LONGEST_INTEGER and _fits(value := int(literal)):
            return value
        return self._refused(_TOO_LARGE)

    def float(self, literal: str) -> float | _Refused:
        value = float(literal)
        return value if math.isfinite(value) else self._refused(_TOO_LARGE)

    def constant(self, literal: str) -> _Refused:
        return self._refused(f"is {literal}, which JSON does not have")

    def _refused(self, message: str) -> _Refused:
        self.met_something = True
        return _Refused(message)


def _decoded(raw: bytes | str, max_bytes: int) -> str:
    if isinstance(raw, str):
        try:
            raw = raw.encode()
        except UnicodeEncodeError:
            _refuse(_NOT_TEXT)
    if len(raw) > max_bytes:
        _refuse(f"is {len(raw)} bytes long; at most {max_bytes} are accepted")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        _refuse("is UTF-16; save it as UTF-8")
    try:
        text = raw.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        _refuse(f"is not UTF-8 (byte {raw[error.start]:#04x}); save it as UTF-8")
    if not text.strip():
        _refuse('is empty; a document without rules is written {"default": "deny", "rules": []}')
    return text


def _refuse(message: str) -> NoReturn:
    raise DocumentError([Problem("$", message)]) from None


def _at_trailing_comma(error: json.JSONDecodeError) -> json.JSONDecodeError:
    """Point at the comma before a closing bracket, as Python 3.13 does; earlier ones point behind it."""
    before = error.doc[: error.pos].rstrip()
    if before.endswith(",") and error.doc[error.pos : error.pos + 1] in ("]", "}"):
        return json.JSONDecodeError(error.msg, error.doc, len(before) - 1)
    return error


def _hint(error: json.JSONDecodeError) -> str:
    found = error.doc[error.pos : error.pos + 1]
    rest = error.doc[error.pos : error.pos + 10]
    if found == "":
        return "it ends too early; a closing bracket or quote is missing"
    if found == "," and error.doc[error.pos + 1 :].lstrip().startswith(("]", "}")):
        return "remove the comma before the closing bracket"
    if found in "'\u2018\u2019\u201c\u201d":
        return 'text is written in straight double quotes: "like this"'
    if rest.startswith(("//", "/*", "#")):
        return 'JSON has no comments; a rule may carry a "note"'
    for python, written in (("True", "true"), ("False", "false"), ("None", "null")):
        if rest.startswith(python):
            return f"write {written} instead of {python}"
    for message, meaning in _MEANINGS.items():
        if error.msg.startswith(message):
            return meaning
    return error.msg[0].lower() + error.msg[1:]


def _findings(tree: object) -> Iterator[tuple[Path, str]]:
    # A stack instead of recursion: what could be read may still be deeper than Python calls can go. Trails
    # instead of paths: whole ones of many values far down would take gigabytes for a body of one megabyte.
    waiting: list[tuple[_Trail, object]] = [(None, tree)]
    while waiting:
        trail, value = waiting.pop()
        if isinstance(value, _Refused):
            yield _path_of(trail), value.message
        elif isinstance(value, str):
            if not _is_text(value):
                yield _path_of(trail), _NOT_TEXT
        elif isinstance(value, list):
            waiting.extend(
                ((trail, index), value[index])
                for index in range(len(value) - 1, -1, -1)
                if value[index].__class__ not in _SOUND
            )
        elif isinstance(value, dict):
            if isinstance(value, _Repeating):
                for key in value.repeated:
                    yield (*_path_of(trail), key), "is given more than once; keep one"
            for key in value:
                if not _is_text(key):
                    yield _path_of(trail), f"has a key that {_NOT_TEXT}"
            waiting.extend(
                ((trail, key), item) for key, item in reversed(value.items()) if item.__class__ not in _SOUND
            )


def _path_of(trail: _Trail) -> Path:
    steps: list[str | int] = []
    while trail is not None:
        trail, step = trail
        steps.append(step)
    return tuple(reversed(steps))


def _copied(value: object, path: Path, problems: list[Problem]) -> JSON:
    problem: str
    if len(path) > MAX_NESTING:
        problem = f"is nested deeper than {MAX_NESTING} levels"
    elif value is None or isinstance(value, bool):
        return value
    elif isinstance(value, str):
        if _is_text(value):
            return str.__str__(value)
        problem = _NOT_TEXT
    elif isinstance(value, int):
        if _fits(value):
            return int.__int__(value)
        problem = _TOO_LARGE
    elif isinstance(value, float):
        if math.isfinite(value):
            return float.__float__(value)
        problem = "is not a finite number"
    elif isinstance(value, (list, tuple)):
        return [_copied(item, (*path, index), problems) for index, item in enumerate(value)]
    elif isinstance(value, Mapping):
        return _copied_object(value, path, problems)
    else:
        problem = f"is {kind_of(value)}, which JSON does not have"
    problems.append(Problem(json_path(path), problem))
    return None


def _copied_object(value: Mapping[object, object], path: Path, problems: list[Problem]) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    for key, item in value.items():
        if isinstance(key, str) and _is_text(key):
            found[str.__str__(key)] = _copied(item, (*path, str.__str__(key)), problems)
        else:
            problems.append(Problem(json_path(path), f"has the key {shown(key)}, which is not text"))
    return found


def _fits(value: int) -> bool:
    return -(2**63) <= value < 2**63


def _is_text(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
