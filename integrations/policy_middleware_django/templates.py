"""Route templates in the common form, from what Django's resolver says of path() and re_path() routes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from django.urls import URLPattern, URLResolver

_CONVERTER: Final = re.compile(r"<(?:[^>:]+:)?(\w+)>")
_REGEX_SIGNS: Final = re.compile(r"[\\^$(\[]")
_NAMED_GROUP: Final = re.compile(r"\(\?P<(\w+)>")
_UNCAPTURED_GROUP: Final = re.compile(r"\(\?[a-z]*:")
_QUANTIFIER: Final = re.compile(r"(?:[*+?]|\{\d*,?\d*\})[?+]?")

_ANCHORS: Final = frozenset("AZbB")
_CLASSES: Final = frozenset("dDsSwW")
ANYTHING: Final = "*"
"""Stands for text that a regular expression takes without handing it to the view."""


def template_of(route: str) -> str:
    """Return `/customers/{id}` for `customers/<int:id>` and for `^customers/(?P<id>[0-9]+)$`.

    Unnamed groups become `{arg1}`, `{arg2}`, ... or, where there are named ones and Django ignores them, `*`.
    What a regular expression says beyond groups is simplified, always in the same way.
    """
    # A re_path() included under a path() keeps its syntax, so both may occur in one route. Django's own
    # simplify_regex is no help: it drops optional parts, parameters included, and imports the admin.
    plain = _rendered(route) if _REGEX_SIGNS.search(route) else _CONVERTER.sub(r"{\1}", route)
    return plain if plain.startswith("/") else "/" + plain


def is_regex(route: str) -> bool:
    """True when the route has a part that re_path() made."""
    return _REGEX_SIGNS.search(route) is not None


def all_routes(
    patterns: Sequence[URLPattern | URLResolver], base: str = ""
) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every route below some URL patterns, as `resolver_match.route` spells it, and its view."""
    for pattern in patterns:
        route = str(pattern.pattern)
        joined = base + route.removeprefix("^") if base else route
        if isinstance(pattern, URLResolver):
            yield from all_routes(pattern.url_patterns, joined)
        else:
            yield joined, pattern.callback


def _rendered(regex: str) -> str:
    ignores_unnamed = _NAMED_GROUP.search(regex) is not None or _CONVERTER.search(regex) is not None
    parts: list[str] = []
    groups = 0
    at = 0
    while at < len(regex):
        sign = regex[at]
        if sign == "\\":
            parts.append(_escaped(regex[at + 1 : at + 2]))
            at += 2
        elif sign == "[":
            parts.append(ANYTHING)
            at = _class_end(regex, at)
        elif converter := _CONVERTER.match(regex, at):
            parts.append(f"{{{converter[1]}}}")
            at = converter.end()
        elif named := _NAMED_GROUP.match(regex, at):
            parts.append(f"{{{named[1]}}}")
            at = _group_end(regex, at)[0]
        elif uncaptured := _UNCAPTURED_GROUP.match(regex, at):
            at = uncaptured.end()
        elif regex.startswith("(?", at):
            at = _group_end(regex, at)[0]  # flags and look-arounds take no text
        elif sign == "(":
            parts.append(ANYTHING if ignores_unnamed else f"{{arg{groups + 1}}}")
            at, captured = _group_end(regex, at)
            groups += captured
        elif quantifier := _QUANTIFIER.match(regex, at):
            at = quantifier.end()
        else:
            # A closing parenthesis here is that of an uncaptured group, whose content has been rendered.
            parts.append("" if sign in "^$)" else sign)
            at += 1
    return "".join(parts)


def _escaped(sign: str) -> str:
    if sign in _CLASSES:
        return ANYTHING
    return "" if sign in _ANCHORS else sign


def _class_end(regex: str, start: int) -> int:
    """Return where a character class that opens at `start` has ended; a `]` that comes first is a member."""
    at = start + (2 if regex.startswith("[^", start) else 1)
    at += regex.startswith("]", at)
    while at < len(regex) and regex[at] != "]":
        at += 2 if regex[at] == "\\" else 1
    return at + 1


def _group_end(regex: str, start: int) -> tuple[int, int]:
    """Return where a group that opens at `start` has ended, and how many capturing groups it is made of."""
    depth = captured = 0
    at = start
    while at < len(regex):
        sign = regex[at]
        if sign == "\\":
            at += 2
            continue
        if sign == "[":
            at = _class_end(regex, at)
            continue
        if sign == "(":
            depth += 1
            captured += not regex.startswith("(?", at) or regex.startswith("(?P<", at)
        elif sign == ")":
            depth -= 1
            if not depth:
                return at + 1, captured
        at += 1
    return at, captured
