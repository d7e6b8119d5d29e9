"""A Django request as the gate sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError
from django.http.request import RawPostDataException
from django.utils.functional import LazyObject

from policy_middleware.attributes import HeaderNames, WouldBlock, header_variable
from policy_middleware.routing import RoutePolicy
from policy_middleware.wsgi import FILE_WRAPPER, unmaskable_variables
from policy_middleware.wsgi_input import declared_length

_NO_PARAMETERS: Final[Mapping[str, object]] = MappingProxyType({})


class DjangoView:
    """One request, routed by Django; custom sources receive the HttpRequest."""

    __slots__ = (
        "_request",
        "joins_duplicates",
        "method",
        "native",
        "on_event_loop",
        "path",
        "path_params",
        "route",
        "uses_user",
    )

    def __init__(self, request: HttpRequest, *, uses_user: bool) -> None:
        self._request = request
        self.uses_user = uses_user
        """True when the identity is Django's own user; another identity source has the only say."""
        self.native = request
        self.on_event_loop = False
        self.route: RoutePolicy | None = None
        self.path_params: Mapping[str, object] = _NO_PARAMETERS
        self.method = (request.method or "").upper()
        self.path = request.path_info
        # Asking by name would raise and catch an AttributeError for each request of a WSGI server.
        self.joins_duplicates = "scope" not in request.__dict__

    @property
    def root_path(self) -> str:
        """SCRIPT_NAME, or what FORCE_SCRIPT_NAME says."""
        return str(self._request.META.get("SCRIPT_NAME", ""))

    @property
    def query(self) -> str:
        """The raw query string."""
        return str(self._request.META.get("QUERY_STRING", ""))

    @property
    def host(self) -> str | None:
        """The Host header itself; `request.get_host()` would refuse what is only to be compared."""
        return self._request.META.get("HTTP_HOST")

    @property
    def client(self) -> str | None:
        """The peer's address, or what a trusted middleware outside has put in its place."""
        return self._request.META.get("REMOTE_ADDR") or None

    def header(self, name: str) -> Sequence[str]:
        """Return every value of a header.

        META is asked first, because middlewares outside may have replaced what a client sent.
        """
        value = self._request.META.get(header_variable(name))
        if value is None:
            return ()
        if not self.joins_duplicates and "," in value:
            sent = _sent(self._request, name)
            if ",".join(sent) == value:
                return sent
        return (value,)

    def single_headers(self, names: HeaderNames) -> tuple[object, ...] | None:
        """Return the raw value of each header; None under ASGI, where META may join repeated ones."""
        return tuple(map(self._request.META.get, names.variables)) if self.joins_duplicates else None

    def user(self) -> object | None:
        """Return the user whom Django has authenticated, or None; raises WouldBlock on the event loop.

        Looking at a lazy user asks the session and the database. It is the very object that views will see:
        `request.auser()` knows nothing of a middleware that has put another user in its place.
        """
        if not self.uses_user:
            return None
        user: object = getattr(self._request, "user", None)
        if self.on_event_loop and issubclass(type(user), LazyObject):
            raise WouldBlock(self._leave_event_loop)
        return user if getattr(user, "is_authenticated", False) else None

    def _leave_event_loop(self) -> None:
        self.on_event_loop = False


def is_asgi(request: HttpRequest) -> bool:
    """True when the request came by ASGI, however the middleware chain runs."""
    return hasattr(request, "scope")


def take_unmaskable(request: HttpRequest) -> Mapping[str, object]:
    """Take from a request what leads to answers that cannot be masked; return what was taken."""
    # META is the server's own environ, in which gunicorn looks for its file wrapper once Django has answered.
    # A FileResponse, the only one that would use it, never gets by the mask.
    names = unmaskable_variables((request.method or "").upper()) - {FILE_WRAPPER}
    taken = {name: request.META.pop(name) for name in names if name in request.META}
    request.__dict__.pop("headers", None)  # a cached view of META
    return taken


def give_back(request: HttpRequest, taken: Mapping[str, object]) -> None:
    """Put back what was taken, for middlewares outside that compress what has been masked."""
    request.META.update(taken)
    request.__dict__.pop("headers", None)


def close_input(request: HttpRequest) -> None:
    """Close what the body of a request that came by ASGI is read from, perhaps a file."""
    request._stream.close()


def keep_form(request: HttpRequest, limit: int) -> None:
    """Read a short multipart body before anybody parses it: parsing leaves nothing to bind an approval to."""
    if request.content_type == "multipart/form-data" and request.META.get("CONTENT_LENGTH"):
        read_body(request, limit)


def read_body(request: HttpRequest, limit: int) -> bytes | None:
    """Return the body and leave it to be read; None when it exceeds `limit` bytes or cannot be had whole."""
    declared = request.META.get("CONTENT_LENGTH")
    length = declared_length(declared) if declared else _spooled_size(request)
    if length is None or length > limit:
        return None
    try:
        body = request.body
    except (RequestDataTooBig, UnreadablePostError, RawPostDataException):
        return None
    return None if len(body) < length else body


def _spooled_size(request: HttpRequest) -> int:
    """Return the size of a body of undeclared length: received already under ASGI, none under WSGI."""
    if not is_asgi(request):
        return 0
    spool = request._stream
    spool.seek(0, 2)
    size: int = spool.tell()
    spool.seek(0)
    return size


def _sent(request: HttpRequest, name: str) -> tuple[str, ...]:
    wanted = name.encode("latin-1")
    headers = request.scope["headers"]  # type: ignore[attr-defined]  # an ASGIRequest has it
    return tuple(value.decode("latin-1") for key, value in headers if key == wanted)
