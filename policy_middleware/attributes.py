"""Where tenant, identity, roles and other attributes of a request come from.

A *source* says how to read one attribute. The built-in ones look only at the request in hand and are read in
place; your own callables receive the framework's request object, synchronous ones in a worker thread where
there is an event loop to protect, asynchronous ones awaited.
"""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Final, Protocol
from urllib.parse import parse_qsl

from policy_middleware.model.errors import PolicyError, SettingsError

AttributeType = type[str] | type[int] | type[float]
"""What a query parameter is converted to; bool is an int to Python's types."""

_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}


class CredentialError(PolicyError):
    """A credential was presented and does not verify (answered with 401)."""


class MalformedAttribute(PolicyError):
    """The request carries a value that cannot be used: malformed, repeated or unconvertible (400)."""


class SourceRequest(Protocol):
    """The part of a request that sources read; `policy_middleware.gate.RequestView` has it."""

    @property
    def query(self) -> str: ...
    @property
    def host(self) -> str | None: ...
    @property
    def path_params(self) -> Mapping[str, object]: ...
    @property
    def native(self) -> object: ...
    @property
    def joins_duplicates(self) -> bool: ...
    def header(self, name: str) -> Sequence[str]: ...
    def user(self) -> object | None: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking, as an identity source found it.

    `user` is the framework's own object, where there is one; `claims` are those of a verified token.
    """

    id: str
    roles: tuple[str, ...] = ()
    claims: Mapping[str, object] = field(default_factory=dict)
    user: object | None = None


class Source:
    """How to read one attribute; None (or nothing) means that the request does not have it."""

    __slots__ = ()
    custom: ClassVar[bool] = False
    """True for callables of the application, which may block."""
    reads_identity: ClassVar[bool] = False
    """True for sources that look at what the identity source found."""

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        """Return the raw value; raises MalformedAttribute or CredentialError."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class _Const(Source):
    value: object

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        return self.value


@dataclass(frozen=True, slots=True)
class _Header(Source):
    name: str
    many: bool

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        values = request.header(self.name)
        if not values:
            return None
        if len(values) > 1:
            # First-wins and last-wins disagree between proxies and applications, so neither is safe.
            raise MalformedAttribute(f"the header {self.name} is given {len(values)} times; send it once")
        try:
            parse = _header_values if self.many else _header_value
            # A cache of long texts would be memory for whoever sends them.
            found = parse(values[0]) if len(values[0]) <= 256 else parse.__wrapped__(values[0])
        except ValueError:
            raise MalformedAttribute(
                f"the header {self.name} holds characters other than printable ASCII"
            ) from None
        if request.joins_duplicates and not self.many and found is not None and "," in found:
            raise MalformedAttribute(
                f"the header {self.name} holds a comma: on WSGI that is how a repeated header arrives"
            )
        return found


# Checking a text costs more than looking it up, and the same few subjects and tenants come again and again.
@lru_cache(maxsize=4096)
def _header_value(text: str) -> str | None:
    text = text.strip()
    if not text.isascii() or not text.isprintable():
        raise ValueError(text)
    return text or None


@lru_cache(maxsize=4096)
def _header_values(text: str) -> tuple[str, ...]:
    return tuple(part for part in map(str.strip, (_header_value(text) or "").split(",")) if part)


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


@dataclass(frozen=True, slots=True)
class _User(Source):
    attribute: str
    reads_identity: ClassVar[bool] = True

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        user: object | None = identity.user if identity is not None else request.user()
        for name in self.attribute.split("."):
            if user is None:
                return None
            user = getattr(user, name, None)
            if callable(user):
                user = user()
        return user


@dataclass(frozen=True, slots=True)
class _Claim(Source):
    name: str
    reads_identity: ClassVar[bool] = True

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        value: object | None = identity.claims if identity is not None else None
        for name in self.name.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class _IdentityId(Source):
    """The id of whom the identity source found: the default of `subject`."""

    reads_identity: ClassVar[bool] = True

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        return None if identity is None else identity.id


@dataclass(frozen=True, slots=True)
class _IdentityRoles(Source):
    """The roles of whom the identity source found: the default of `roles`."""

    reads_identity: ClassVar[bool] = True

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        return None if identity is None else identity.roles


@dataclass(frozen=True, slots=True)
class _FrameworkUser(Source):
    """The user the framework authenticated: the default identity."""

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        user = request.user()
        return None if user is None else identity_of(user)


@dataclass(frozen=True, slots=True)
class Custom(Source):
    """A callable of the application; it receives the framework's request object."""

    function: Callable[[object], object]
    custom: ClassVar[bool] = True

    @property
    def asynchronous(self) -> bool:
        """True when calling it gives something to await."""
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(
            getattr(self.function, "__call__", None)  # noqa: B004 -- asks whether it is `async def`, not whether it exists
        )

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        return self.function(request.native)

    def read_async(self, request: SourceRequest) -> Awaitable[object]:
        """Return what has to be awaited for the value."""
        result = self.function(request.native)
        if not inspect.isawaitable(result):
            raise SettingsError(f"the source {self.function!r} is declared async but returned no awaitable")
        return result


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


def user(attribute: str) -> Source:
    """Read an attribute (dotted path, called when callable) of the user the identity source found."""
    return _User(attribute)


def claim(name: str) -> Source:
    """Read a claim (dotted path) of the verified token the identity source found."""
    return _Claim(name)


def framework_user() -> Source:
    """Take the framework's authenticated user as the identity; the default of every adapter."""
    return _FrameworkUser()


def identity_id() -> Source:
    """Take the id of whom the identity source found; the default of `subject`."""
    return _IdentityId()


def identity_roles() -> Source:
    """Take the roles of whom the identity source found; the default of `roles`."""
    return _IdentityRoles()


def as_source(spec: object, setting: str, *, many: bool = False) -> Source:
    """Turn a setting into a source: a source, a callable, or the dotted path of either.

    Raises SettingsError naming the setting.
    """
    if isinstance(spec, str):
        spec = _imported(spec, setting)
    if isinstance(spec, Source):
        return _Header(spec.name, True) if many and isinstance(spec, _Header) else spec
    if callable(spec):
        return Custom(spec)
    raise SettingsError(
        f"{setting}: {spec!r} is no source; give header('X-Name'), claim('name'), a callable or a dotted path"
    )


def identity_of(found: object) -> Identity | None:
    """Turn what an identity source returned into an Identity: one already, text, a mapping or a user object.

    A mapping is read as `{"id", "roles", "claims"}`. Of a user object the id is what `get_username()`
    (Django), `get_id()` (Flask-Login), `identity`, `username`, `display_name` (Starlette) or `id` gives.
    """
    if found is None or isinstance(found, Identity):
        return found
    if isinstance(found, str):
        return Identity(found) if found else None
    if isinstance(found, Mapping):
        identifier = found.get("id", found.get("sub"))
        claims = found.get("claims", found)
        return (
            None
            if identifier in (None, "")
            else Identity(
                str(identifier),
                text_values(found.get("roles"), "roles"),
                claims if isinstance(claims, Mapping) else {},
            )
        )
    identifier = _user_id(found)
    if identifier is None:
        return None
    return Identity(identifier, text_values(getattr(found, "roles", None), "roles"), user=found)


def text_values(value: object, name: str) -> tuple[str, ...]:
    """Return a value of a source as a tuple of texts; raises MalformedAttribute for anything else."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            if not isinstance(item, str):
                break
        else:
            return tuple(value)
    raise MalformedAttribute(f"{name} must be text or a list of texts")


def _user_id(found: object) -> str | None:
    for name in ("get_username", "get_id", "identity", "username", "display_name", "id"):
        try:
            value = getattr(found, name, None)
        except NotImplementedError:  # starlette.authentication.SimpleUser.identity
            continue
        if callable(value):
            value = value()
        if value not in (None, ""):
            return str(value)
    return None


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


def _imported(path: str, setting: str) -> object:
    module, separator, name = path.partition(":")
    if not separator:
        module, separator, name = path.rpartition(".")
    if not separator:
        raise SettingsError(f"{setting}: {path!r} is not a dotted path such as 'myapp.tenancy.get_tenant'")
    try:
        found: object = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"{setting}: {path!r} cannot be imported ({error})") from error
    return found
