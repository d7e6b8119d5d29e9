"""Sources that read the request itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import parse_qsl

from policy_middleware.attributes.source import (
    HeaderNames,
    Identity,
    MalformedAttribute,
    Source,
    SourceRequest,
)

Network = IPv4Network | IPv6Network

AttributeType = type[str] | type[int] | type[float]
"""What a query parameter is converted to; bool is an int to Python's types."""

_KEPT_TEXTS: Final = 4096
_KEPT_TEXT: Final = 256
"""How many header texts are kept, and of how many characters at most."""

_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class _Const(Source):
    value: object

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        return self.value


@dataclass(frozen=True, slots=True)
class _Header(Source):
    name: str
    many: bool
    _known: dict[str, str | tuple[str, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What texts were found to mean: the same few come again, and looking up is cheaper than checking."""

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        values = request.header(self.name)
        if len(values) == 1:
            return self._known.get(values[0]) or self._checked(values[0], request.joins_duplicates)
        if not values:
            return None
        # First-wins and last-wins disagree between proxies and applications, so neither is safe.
        raise MalformedAttribute(f"the header {self.name} is given {len(values)} times; send it once")

    def _checked(self, text: str, joins_duplicates: bool) -> str | tuple[str, ...] | None:
        # Blanks of other kinds are part of the value (RFC 9110 section 5.5), and refused like the rest.
        value = text.strip(" \t")
        if not value.isascii() or not value.isprintable():
            raise MalformedAttribute(f"the header {self.name} holds characters other than printable ASCII")
        if "," in value and not self.many:
            if joins_duplicates:
                raise MalformedAttribute(
                    f"the header {self.name} holds a comma: on WSGI that is how a repeated header arrives"
                )
            return value  # not to be kept: the same source may serve a WSGI application too
        found = tuple(filter(None, map(str.strip, value.split(",")))) if self.many else value or None
        if found and len(text) <= _KEPT_TEXT:  # keeping long texts would be memory for whoever sends them
            if len(self._known) >= _KEPT_TEXTS:
                self._known.clear()
            self._known[text] = found
        return found


@dataclass(frozen=True, slots=True)
class _Behind(Source):
    """A header that counts only when the peer is a proxy that is known to replace it."""

    source: Source
    proxies: tuple[Network, ...]

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        return self.source.read(request, identity) if _is_among(request.client, self.proxies) else None


# A connection's peer is one of few addresses: the proxies, and whoever tries to pass by them.
@lru_cache(maxsize=1024)
def _is_among(peer: str | None, networks: tuple[Network, ...]) -> bool:
    try:
        address = ip_address(peer or "")
    except ValueError:  # no address: a unix socket, or a server that does not say
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any((mapped or address) in network for network in networks)


@dataclass(frozen=True, slots=True)
class _PathParam(Source):
    name: str

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        value = request.path_params.get(self.name)
        return value if value is None or isinstance(value, (str, int, float)) else str(value)


@dataclass(frozen=True, slots=True)
class _Query(Source):
    name: str
    type: AttributeType
    many: bool

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        if self.name not in request.query and "%" not in request.query and "+" not in request.query:
            return None
        try:
            pairs = parse_qsl(request.query, keep_blank_values=True, errors="strict")
        except ValueError:
            raise MalformedAttribute("the query string is not valid UTF-8 form encoding") from None
        found = [value for name, value in pairs if name == self.name]
        if self.many:
            return tuple(_converted(value, self.type, self.name) for value in found)
        if len(found) > 1:
            raise MalformedAttribute(f"the query parameter {self.name!r} is given {len(found)} times")
        return _converted(found[0], self.type, self.name) if found else None


@dataclass(frozen=True, slots=True)
class _Subdomain(Source):
    domain: str | None

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        host = (request.host or "").rsplit(":", 1)[0].rstrip(".").lower()
        if self.domain is not None:
            suffix = "." + self.domain
            return host.removesuffix(suffix) or None if host.endswith(suffix) else None
        label, dot, rest = host.partition(".")
        return label if dot and "." in rest and not rest.replace(".", "").isdigit() else None


def header(name: str, *, many: bool = False) -> Source:
    """Read a request header; with `many` a comma-separated list.

    Safe for identity only behind a proxy that replaces the header on every request and drops names with
    underscores (`X_User` and `X-User` are one variable under WSGI); anybody else can send what they like.
    """
    return _Header(name.lower(), many)


def path_param(name: str) -> Source:
    """Read a converted path parameter of the route."""
    return _PathParam(name)


def query(name: str, type: AttributeType = str, *, many: bool = False) -> Source:  # noqa: A002 -- the contract's name
    """Read a query parameter as text, int, float or bool (`true false 1 0`); a repeated one is refused."""
    return _Query(name, type, many)


def subdomain(of: str | None = None) -> Source:
    """Read the first label of the Host header, or what stands before `.of`.

    The client chooses its Host header: use this beside a claim, or behind a proxy that checks it.
    """
    return _Subdomain(of.lower().strip(".") if of else None)


def const(value: object) -> Source:
    """Give every request the same value."""
    return _Const(value)


def _converted(value: str, wanted: AttributeType, name: str) -> str | int | float | bool:
    if wanted is str:
        return value
    if wanted is bool:
        if value.lower() in _BOOLEANS:
            return _BOOLEANS[value.lower()]
    else:
        try:
            # int() takes digits of every script, underscores and spaces; a policy compares plain numbers.
            if value.isascii() and "_" not in value and value == value.strip():
                number = float(value) if wanted is float else int(value)
                if math.isfinite(number):
                    return number
        except ValueError:
            pass
    raise MalformedAttribute(f"{name!r} must be {_ARTICLES[wanted]}, not {value[:64]!r}")


_ARTICLES: Final[Mapping[AttributeType, str]] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
}


def listed(source: Source) -> Source:
    """Return a header source as one that reads a comma-separated list; others are what they are."""
    return _Header(source.name, True) if isinstance(source, _Header) else source


def behind(source: Source, proxies: Sequence[Network]) -> Source:
    """Return a source whose headers are believed only from one of the proxies (none: from anybody)."""
    return _Behind(source, tuple(proxies)) if proxies and isinstance(source, _Header) else source


def headers_read(sources: Sequence[Source]) -> HeaderNames | None:
    """Return the headers that alone determine, with the peer, what these sources say; None when more does."""
    names: list[str] = []
    for source in sources:
        inner = source.source if isinstance(source, _Behind) else source
        if isinstance(inner, _Header):
            names.append(inner.name)
        elif not isinstance(inner, _Const):
            return None
    return HeaderNames(names)


def believes_anybody(source: Source) -> bool:
    """True for what the client chooses unless a proxy replaces it: a header, and the Host."""
    return isinstance(source, (_Header, _Subdomain))
