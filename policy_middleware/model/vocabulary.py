"""The names of attributes and documents: roots, aliases of the decision record, reserved names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import Final

ROOTS: Final = frozenset({"tenant", "subject", "action", "resource", "environment", "http", "context"})
"""The first segment of every attribute path."""

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tenant_id": "tenant",
        "role": "subject.roles",
        "roles": "subject.roles",
        "user": "subject.id",
        "tags": "resource.tags",
        "resource_tags": "resource.tags",
    }
)
"""The decision record's spellings of canonical attributes."""

SINGLE_ATTRIBUTES: Final = frozenset({"tenant", "action"})
"""Roots that are attributes themselves; every other root is a group of them."""

RESERVED_ATTRIBUTES: Final = frozenset(
    {
        "tenant",
        "subject.id",
        "subject.type",
        "subject.roles",
        "action",
        "resource.type",
        "resource.id",
        "resource.tags",
        "environment.time",
        "environment.hour",
        "environment.weekday",
        "environment.ip",
        "http.method",
        "http.path",
        "http.route",
        "http.host",
    }
)
"""Attributes the package itself fills in; configured sources cannot overwrite them."""

TIME: Final = "environment.time"
HOUR: Final = "environment.hour"
WEEKDAY: Final = "environment.weekday"

ATTRIBUTE_PATH: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*", re.ASCII)

GLOBAL: Final = "_global"
INCIDENT: Final = "_incident"
DEFAULT: Final = "_default"
GUARDRAILS: Final = (INCIDENT, GLOBAL)
"""Documents evaluated for every tenant; they hold restricting rules only and have no default."""
RESERVED_DOCUMENTS: Final = frozenset({GLOBAL, INCIDENT, DEFAULT})

_LONGEST_TENANT_ID: Final = 128
_TENANT_ID: Final = re.compile(r"[A-Za-z0-9.:@-][A-Za-z0-9._:@-]*", re.ASCII)


def is_tenant_id(name: str) -> bool:
    """True for 1-128 characters of `A-Za-z0-9._:@-` that do not start with `_`."""
    # A cache of long texts would be memory for whoever sends them.
    return len(name) <= _LONGEST_TENANT_ID and _is_tenant_id(name)


@lru_cache(maxsize=1024)
def _is_tenant_id(name: str) -> bool:
    return _TENANT_ID.fullmatch(name) is not None


def is_document_name(name: str) -> bool:
    """True for a tenant id or one of `_global`, `_incident`, `_default`."""
    return name in RESERVED_DOCUMENTS or is_tenant_id(name)


@lru_cache(maxsize=4096)
def canonical_attribute(name: str) -> str | None:
    """Return the canonical dotted path of `name` (an alias or a path), or None when no root knows it."""
    canonical = ALIASES.get(name, name)
    if ATTRIBUTE_PATH.fullmatch(canonical) is None or canonical.partition(".")[0] not in ROOTS:
        return None
    return canonical


def why_not_an_attribute(name: str) -> str | None:
    """Return the sentence that tells an author why `name` is no attribute, or None when it is one."""
    canonical = canonical_attribute(name)
    if canonical is None:
        return _unknown(name)
    if canonical in ROOTS and canonical not in SINGLE_ATTRIBUTES:
        known = sorted(path for path in RESERVED_ATTRIBUTES if path.startswith(f"{canonical}."))
        return f"is a group of attributes; name one of them, such as {(known or ['context.channel'])[0]}"
    if canonical == "action.name":
        return "is AuthZEN's spelling of 'action'; write action"
    return None


def _unknown(name: str) -> str:
    if ATTRIBUTE_PATH.fullmatch(name) is None:
        return "is not an attribute; its path is made of letters, digits, '_' and '-' between dots"
    close = get_close_matches(name, [*ALIASES, *sorted(RESERVED_ATTRIBUTES)], 1, 0.75)
    if close:
        return f"is an unknown attribute; did you mean {close[0]!r}?"
    return (
        f"is an unknown attribute; the first part must be one of {', '.join(sorted(ROOTS))} "
        f"(an attribute of your own could be context.{name.rpartition('.')[2]})"
    )
