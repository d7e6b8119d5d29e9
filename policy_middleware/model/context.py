"""What is asked: the attributes of one request, canonical, typed and immutable by convention."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from policy_middleware.model.conditions import Scalar
from policy_middleware.model.errors import ContextError
from policy_middleware.model.times import MOMENT_EXAMPLE, moment_seconds
from policy_middleware.model.vocabulary import (
    HOUR,
    ROOTS,
    TIME,
    WEEKDAY,
    canonical_attribute,
    is_tenant_id,
    why_not_an_attribute,
)

AttributeValue = Scalar | tuple[Scalar, ...]
"""A scalar (a set of one) or a tuple of scalars (the empty one is present but empty)."""

_CLOCK = frozenset({TIME, HOUR, WEEKDAY})
_PLAIN = frozenset({str, int, bool})
"""Classes whose values need no look: every one of them can be compared."""
_AUTHZEN_ACTION = "action.name"
"""AuthZEN 1.0 makes the action an object and keeps what we call `action` in its `name`."""
_DEEPEST = 8
_MOST_PATHS = 4096


class _Paths(dict[str, str]):
    """Canonical paths by the spelling that callers use, so that a request pays one look-up per attribute.

    Bounded, because callers may pass on names that a client chose. Clock attributes are never kept: they
    are the ones that need a look at every time.
    """

    def learn(self, key: str, path: str) -> None:
        if len(self) >= _MOST_PATHS:
            self.clear()
        self[key] = path


_PATHS = _Paths()


# Not frozen: one is made per request, and freezing makes that three times as expensive.
@dataclass(slots=True)
class RequestContext:
    """The attributes of one request.

    `attributes` maps canonical dotted paths to values; a missing key is a missing attribute. It never holds
    `environment.time`, `.hour` or `.weekday`: those follow from `now` (seconds since the epoch, UTC).
    """

    tenant: str
    attributes: Mapping[str, AttributeValue]
    now: float = field(default_factory=time.time)

    def values(self, attribute: str) -> tuple[Scalar, ...] | None:
        """Return the attribute as a tuple of values, or None when it is missing."""
        value = self.clock_value(attribute) if attribute in _CLOCK else self.attributes.get(attribute)
        if value is None or isinstance(value, tuple):
            return value
        return (value,)

    def clock_value(self, attribute: str) -> float | int:
        """Return what `environment.time|hour|weekday` is at `now`: seconds, 0-23, ISO weekday 1-7 (UTC)."""
        if attribute == TIME:
            return self.now
        moment = datetime.fromtimestamp(self.now, UTC)
        return moment.hour if attribute == HOUR else moment.isoweekday()

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object], now: float | None = None) -> RequestContext:
        """Build a context from plain data: dotted paths, the decision record's aliases, or AuthZEN nesting.

        Raises ContextError for an unknown root, a value that is neither scalar nor a list of scalars, two
        spellings of one attribute, or a missing tenant or action.
        """
        attributes: dict[str, AttributeValue] = {}
        moment: object = None
        known_path = _PATHS.get
        for key, value in mapping.items():
            path = known_path(key)
            kind = value.__class__
            if path is None or path in attributes:  # new to us, a clock's, or a second spelling
                moment = _take(key, value, attributes, moment)
            elif kind is str or kind is int or kind is bool:
                attributes[path] = value  # type: ignore[assignment]  # narrowed by class
            elif kind is list or kind is float:
                attributes[path] = attribute_value(key, value)  # type: ignore[assignment]  # never None here
            else:
                moment = _take(key, value, attributes, moment)
        if now is None:
            now = time.time() if moment is None else parse_time(TIME, moment)
        tenant = attributes.get("tenant")
        if not isinstance(tenant, str) or not is_tenant_id(tenant):
            raise ContextError(
                "tenant", "must be 1-128 characters of A-Za-z0-9._:@- that do not start with '_'"
            )
        if not isinstance(attributes.get("action"), str):
            raise ContextError("action", "is missing; every request asks for one action, given as text")
        attributes.setdefault("subject.roles", ())
        attributes.setdefault("subject.type", "user")
        attributes.setdefault("resource.tags", ())
        return cls(tenant, attributes, now)


def parse_time(attribute: str, value: object) -> float:
    """Return seconds since the epoch for an RFC 3339 text with offset, a number of seconds or a datetime."""
    if isinstance(value, str):
        try:
            return moment_seconds(value)
        except ValueError as error:
            raise ContextError(attribute, str(error)) from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ContextError(attribute, f"a time needs an offset, such as the Z of {MOMENT_EXAMPLE}")
        return value.timestamp()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ContextError(attribute, f"{value!r} is not a time")


def attribute_value(attribute: str, value: object) -> AttributeValue | None:
    """Return `value` as an attribute value (None: missing), or raise ContextError naming the attribute.

    What comes back is made of exactly `str`, `bool`, `int` and `float`, so that evaluation can tell types
    by class: an enum member or a framework's own kind of text is reduced to its value.
    """
    if value is None or value.__class__ in _PLAIN:
        return value  # type: ignore[return-value]  # None, or one of three scalar classes
    if isinstance(value, (list, tuple, set, frozenset)):
        items = tuple(value)
        for item in items:
            if item.__class__ not in _PLAIN:
                return tuple([_scalar(attribute, item) for item in items])
        return items
    if attribute == TIME and isinstance(value, datetime):
        return parse_time(attribute, value)
    return _scalar(attribute, value)


def _scalar(attribute: str, value: object) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if not isinstance(value, float):
        raise ContextError(
            attribute,
            f"a value of type {type(value).__name__} cannot be compared; "
            "give text, a number, a boolean or a list of these",
        )
    if not math.isfinite(value):
        raise ContextError(
            attribute, "NaN and infinities cannot be compared; leave the attribute out instead"
        )
    return float.__float__(value)


def _take(key: str, value: object, into: dict[str, AttributeValue], moment: object) -> object:
    """Add an attribute that is met for the first time, nested, repeated or the clock's; return the moment."""
    if not isinstance(key, str):
        raise ContextError(repr(key), "is not the name of an attribute, which is text")
    if isinstance(value, Mapping) and key.partition(".")[0] in ROOTS:
        return _take_nested(value, key, into, moment, 1)
    path = "action" if key == _AUTHZEN_ACTION else canonical_attribute(key)
    reason = None if key == _AUTHZEN_ACTION else why_not_an_attribute(key)
    if reason is not None or path is None:
        raise ContextError(key, reason or "is not an attribute")
    if path not in _CLOCK:
        _PATHS.learn(key, path)
    return _put(key, path, value, into, moment)


def _take_nested(
    mapping: Mapping[str, object], prefix: str, into: dict[str, AttributeValue], moment: object, depth: int
) -> object:
    """Add what is inside an entity; a name that no rule could spell (some JWT claims) does no harm there."""
    if depth > _DEEPEST:
        raise ContextError(prefix, f"is nested deeper than {_DEEPEST} levels")
    for key, value in mapping.items():
        path = f"{prefix}.{key}"
        if isinstance(value, Mapping):
            # AuthZEN 1.0 keeps the further attributes of an entity under `properties`.
            inner = prefix if key == "properties" and prefix in ROOTS else path
            moment = _take_nested(value, inner, into, moment, depth + 1)
        else:
            moment = _put(path, "action" if path == _AUTHZEN_ACTION else path, value, into, moment)
    return moment


def _put(key: str, path: str, value: object, into: dict[str, AttributeValue], moment: object) -> object:
    if path in _CLOCK:
        return value if path == TIME else moment
    normal = attribute_value(key, value)
    if normal is None:
        return moment
    if path in into:
        raise ContextError(key, f"is a second spelling of {path!r}; give it once")
    into[path] = normal
    return moment
