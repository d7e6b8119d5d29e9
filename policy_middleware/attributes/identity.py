"""Who is asking: the identity source and what reads from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from policy_middleware.attributes.source import Identity, MalformedAttribute, Source, SourceRequest


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


def identity_of(found: object) -> Identity | None:
    """Turn what an identity source returned into an Identity: one already, text, a mapping or a user object.

    A mapping is read as `{"id", "roles", "claims"}`. Of a user object the id is what `get_username()`
    (Django), `get_id()` (Flask-Login), `identity`, `username`, `display_name` (Starlette) or `id` gives; one
    whose `is_authenticated` is False is nobody.
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
    if getattr(found, "is_authenticated", True) is False:
        return None  # a framework's stand-in for nobody, which may have a name to show
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
