"""What a source of an attribute is, and what it may look at."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Final, Protocol

from policy_middleware.model.errors import PolicyError, SettingsError


class CredentialError(PolicyError):
    """A credential was presented and does not verify (answered with 401)."""


class MalformedAttribute(PolicyError):
    """The request carries a value that cannot be used: malformed, repeated or unconvertible (400)."""


class WouldBlock(Exception):
    """A source usually knows, but now has to look something up: call `look_up` where blocking is allowed.

    Afterwards the source is asked again, and must not answer with this once more.
    """

    def __init__(self, look_up: Callable[[], None]) -> None:
        super().__init__()
        self.look_up = look_up


class HeaderNames:
    """A few headers as each protocol spells them, prepared once; for reading all of them in one look."""

    __slots__ = ("encoded", "variables")

    def __init__(self, names: Sequence[str]) -> None:
        """Take lower-case names."""
        self.encoded: Final = tuple(name.encode("latin-1") for name in names)
        """As in ASGI's list of headers."""
        self.variables: Final = tuple(header_variable(name) for name in names)
        """As in WSGI's environ."""


@lru_cache(maxsize=256)
def header_variable(name: str) -> str:
    """Return the environ key of a header given by its lower-case name (RFC 3875 section 4.1.18)."""
    return _UNPREFIXED.get(name) or "HTTP_" + name.upper().replace("-", "_")


_UNPREFIXED: Final = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


class SourceRequest(Protocol):
    """The part of a request that sources read; `policy_middleware.steps.RequestView` has it."""

    @property
    def query(self) -> str: ...
    @property
    def host(self) -> str | None: ...
    @property
    def client(self) -> str | None: ...
    @property
    def path_params(self) -> Mapping[str, object]: ...
    @property
    def native(self) -> object: ...
    @property
    def joins_duplicates(self) -> bool: ...
    def header(self, name: str) -> Sequence[str]: ...
    def single_headers(self, names: HeaderNames) -> tuple[object, ...] | None: ...
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
    gathered: ClassVar[bool] = False
    """True for sources whose value is gathered before the others are read: callables, and the body."""
    reads_identity: ClassVar[bool] = False
    """True for sources that look at what the identity source found."""

    def read(self, request: SourceRequest, identity: Identity | None) -> object | None:
        """Return the raw value; raises MalformedAttribute, CredentialError or WouldBlock."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Custom(Source):
    """A callable of the application; it receives the framework's request object."""

    function: Callable[[object], object]
    gathered: ClassVar[bool] = True

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
