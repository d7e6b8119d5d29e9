"""A pattern, and the language of its prefixes.

A stream may emit a character only when no match that has begun at or before it can still grow. What could
still grow is the longest end of the text that is a *prefix* of some match, and the prefixes of a regular
language are a regular language, built from the syntax tree:

    Pre(c) = c?    Pre(r s) = Pre(r) | r Pre(s)    Pre(r | s) = Pre(r) | Pre(s)
    Pre(r{n,m}) = r{0,m-1} Pre(r)    Pre(assertion) = empty

The tree is that of the standard library's parser. Pattern and prefixes are written anew from it for RE2, so
both always mean the same; what has no translation (look-around, back-references) is refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from re import _constants as _code  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from re import error as _SyntaxError  # noqa: N812
from typing import Any, Final

from policy_middleware.masking.normalized import JOINT, LETTER, SYMBOL

ByteOf = Callable[[str], int | None]

_NEWLINE: Final = 0x0A
_DIGITS: Final = frozenset(b"0123456789")
_LETTERS_ABROAD: Final = frozenset(range(0x80, LETTER + 1)) - {SYMBOL}
_WORD: Final = _DIGITS | frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") | _LETTERS_ABROAD
_ASCII_ALPHANUMERIC: Final = _WORD - _LETTERS_ABROAD - {0x5F}
_SPACE: Final = frozenset(b" \t\n\r\f\v")
_ANY: Final = frozenset(range(1, 256)) - {JOINT}
_CATEGORIES: Final = {
    _code.CATEGORY_DIGIT: _DIGITS,
    _code.CATEGORY_NOT_DIGIT: _ANY - _DIGITS,
    _code.CATEGORY_SPACE: _SPACE,
    _code.CATEGORY_NOT_SPACE: _ANY - _SPACE,
    _code.CATEGORY_WORD: _WORD,
    _code.CATEGORY_NOT_WORD: _ANY - _WORD,
}
_BOUNDARIES: Final = {_code.AT_BOUNDARY: b"\\b", _code.AT_NON_BOUNDARY: b"\\B"}
_EMPTY: Final = b"(?:)"
_IGNORE_CASE: Final = 2
_DOT_ALL: Final = 16
_LONGEST_RANGE: Final = 512


class ExpressionError(ValueError):
    """A pattern that cannot be searched; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A pattern for RE2, the pattern of its prefixes, and the shortest and longest match in characters."""

    source: bytes
    prefixes: bytes
    shortest: int
    longest: int


def expression(pattern: str, byte_of: ByteOf) -> Expression:
    """Translate `pattern`; `byte_of` says which byte a character is in the view.

    Raises ExpressionError for syntax that RE2 or a stream cannot follow.
    """
    try:
        with warnings.catch_warnings():
            # A FutureWarning means that "[[:alpha:]]" would be read as something else than RE2 reads.
            warnings.simplefilter("error")
            tree = _parser.parse(pattern)
    except (_SyntaxError, FutureWarning, DeprecationWarning, OverflowError) as error:
        raise ExpressionError(f"the pattern cannot be read: {error}") from None
    except RecursionError:
        raise ExpressionError("the pattern is nested too deeply") from None
    shortest, longest = tree.getwidth()
    writer = _Writer(byte_of)
    try:
        source, prefixes = writer.sequence(tree, tree.state.flags)
    except RecursionError:
        raise ExpressionError("the pattern is nested too deeply") from None
    return Expression(source, prefixes, int(shortest), int(longest))


def begins_word(pattern: str, byte_of: ByteOf) -> bool:
    """Return True when every match begins at a boundary and with an ASCII letter or digit.

    False where that cannot be told in a simple way. Raises ExpressionError as `expression` does.
    """
    tree = _parser.parse(pattern)
    return _Writer(byte_of).begins_word(tree, tree.state.flags)


def characters(pattern: str) -> set[str]:
    """Return the characters outside ASCII that `pattern` names, in either case; raises ExpressionError."""
    met: set[str] = set()

    def note(character: str) -> int:
        if ord(character) > 0x7F:
            met.add(character)
        return LETTER

    expression(pattern, note)
    return met


class _Writer:
    """Writes syntax trees as (pattern, pattern of the prefixes)."""

    def __init__(self, byte_of: ByteOf) -> None:
        self._byte_of = byte_of

    def sequence(self, nodes: Iterable[Any], flags: int) -> tuple[bytes, bytes]:
        written = [self._node(node, flags) for node in nodes]
        if not written:
            return _EMPTY, _EMPTY
        prefixes = written[-1][1]
        for whole, started in reversed(written[:-1]):
            prefixes = b"(?:" + started + b"|" + whole + prefixes + b")"
        return b"".join(whole for whole, _ in written), prefixes

    def begins_word(self, nodes: Iterable[Any], flags: int, *, at_boundary: bool = False) -> bool:
        """Return True when what `nodes` match begins at a boundary with an ASCII letter or digit."""
        for code, value in nodes:
            if code is _code.AT:
                at_boundary = at_boundary or value is _code.AT_BOUNDARY
            elif code is _code.BRANCH:
                return all(self.begins_word(one, flags, at_boundary=at_boundary) for one in value[1])
            elif code is _code.SUBPATTERN:
                _, added, removed, inner = value
                return self.begins_word(inner, (flags | added) & ~removed, at_boundary=at_boundary)
            elif code in (_code.MAX_REPEAT, _code.MIN_REPEAT):
                least, _, inner = value
                begins = self.begins_word(inner, flags, at_boundary=at_boundary)
                if least or not begins:
                    return begins
            else:
                return at_boundary and self._one_of(code, value, flags) <= _ASCII_ALPHANUMERIC
        return False

    def _node(self, node: tuple[Any, Any], flags: int) -> tuple[bytes, bytes]:
        code, value = node
        if code is _code.AT:
            if value not in _BOUNDARIES:
                raise ExpressionError("anchors (^ $ \\A \\Z) have no meaning in a stream; leave them out")
            return _BOUNDARIES[value], _EMPTY
        if code is _code.BRANCH:
            branches = [self.sequence(branch, flags) for branch in value[1]]
            return _either(whole for whole, _ in branches), _either(started for _, started in branches)
        if code is _code.SUBPATTERN:
            _, added, removed, inner = value
            whole, started = self.sequence(inner, (flags | added) & ~removed)
            return b"(?:" + whole + b")", started
        if code in (_code.MAX_REPEAT, _code.MIN_REPEAT):
            return self._repeated(code, value, flags)
        chosen = self._one_of(code, value, flags)
        if not chosen:
            raise ExpressionError("the pattern holds a class that no character belongs to")
        written = byte_class(chosen)
        return written, written + b"?"

    def _repeated(self, code: Any, value: tuple[int, int, Any], flags: int) -> tuple[bytes, bytes]:
        least, most, inner = value
        whole, started = self.sequence(inner, flags)
        endless = most == _code.MAXREPEAT
        if most == 0:
            return _EMPTY, _EMPTY
        times = b"{%d,}" % least if endless else b"{%d,%d}" % (least, most)
        lazy = b"?" if code is _code.MIN_REPEAT else b""
        before = b"*" if endless else b"{0,%d}" % (most - 1)
        repeated = b"(?:" + whole + b")" + times + lazy
        if most == 1:
            return repeated, started
        return repeated, b"(?:(?:" + whole + b")" + before + started + b")"

    def _one_of(self, code: Any, value: Any, flags: int) -> frozenset[int]:
        if code is _code.LITERAL:
            return self._literals((value,), flags)
        if code is _code.NOT_LITERAL:
            return _ANY - self._literals((value,), flags)
        if code is _code.ANY:
            return _ANY if flags & _DOT_ALL else _ANY - {_NEWLINE}
        if code is _code.IN:
            return self._class_of(value, flags)
        raise ExpressionError(
            "look-around, back-references and possessive or conditional groups are not linear in the text;"
            " write the pattern without them"
        )

    def _class_of(self, items: Sequence[tuple[Any, Any]], flags: int) -> frozenset[int]:
        chosen: frozenset[int] = frozenset()
        negated = False
        for code, value in items:
            if code is _code.NEGATE:
                negated = True
            elif code is _code.LITERAL:
                chosen |= self._literals((value,), flags)
            elif code is _code.RANGE:
                low, high = value
                if high > 0x7F and high - low > _LONGEST_RANGE:
                    raise ExpressionError(
                        "a range outside ASCII is too long; \\w holds letters of all scripts"
                    )
                chosen |= self._literals(range(low, high + 1), flags)
            else:
                chosen |= _CATEGORIES[value]
        return _ANY - chosen if negated else chosen

    def _literals(self, codes: Iterable[int], flags: int) -> frozenset[int]:
        chosen = set()
        for code in codes:
            character = chr(code)
            cases = {character, character.lower(), character.upper()} if flags & _IGNORE_CASE else {character}
            for case in cases:
                if len(case) != 1:
                    continue
                byte = self._byte_of(case)
                if byte is None:
                    raise ExpressionError(
                        f"{case!r} never occurs in normalised text; write what it stands for"
                    )
                chosen.add(byte)
        return frozenset(chosen) - {JOINT}


def _either(alternatives: Iterable[bytes]) -> bytes:
    return b"(?:" + b"|".join(alternatives) + b")"


def byte_class(chosen: frozenset[int]) -> bytes:
    """Return the pattern of one byte out of `chosen`, as ranges."""
    ordered = sorted(chosen)
    if len(ordered) == 1:
        return b"\\x%02x" % ordered[0]
    written = [b"["]
    first = last = ordered[0]
    for byte in (*ordered[1:], None):
        if byte is not None and byte == last + 1:
            last = byte
            continue
        written.append(b"\\x%02x" % first if first == last else b"\\x%02x-\\x%02x" % (first, last))
        if byte is not None:
            first = last = byte
    written.append(b"]")
    return b"".join(written)
