"""The policy middleware for any WSGI application (PEP 3333), and what the WSGI frameworks' adapters share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from http import HTTPStatus
from types import MappingProxyType, TracebackType
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from policy_middleware.attributes import HeaderNames, header_variable
from policy_middleware.gate import Gate, build_gate
from policy_middleware.masking import BrokenOff, stripped_request_headers
from policy_middleware.model.errors import MaskError
from policy_middleware.responses import Headers, Response
from policy_middleware.routing import RoutePolicy
from policy_middleware.steps import Proceed, ProceedMasked, Respond, drive
from policy_middleware.wsgi_input import read_body

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None
Write = Callable[[bytes], object]

FILE_WRAPPER: Final = "wsgi.file_wrapper"
"""Where the server offers to send a file by its descriptor (PEP 3333)."""

_PAST_THE_BODY: Final = frozenset(
    {
        FILE_WRAPPER,
        "HTTP_UPGRADE",
        "eventlet.input",
        "gunicorn.socket",
        "werkzeug.socket",
        "wsgi.early_hints",
        "wsgi.websocket",
    }
)
"""Where servers offer a file to be sent by its descriptor, headers to be sent ahead (103), or the socket
itself, from which WebSockets of Flask-Sock and others are made: what leaves there never comes by the mask."""

DECIDED: Final = "policy_middleware.decided"
"""Environ key: the enforcers that have decided on this request, each with its mode and what it decided on."""

_RAISED: Final = "the application raised before its response was complete"

_NO_PARAMETERS: Final[Mapping[str, object]] = MappingProxyType({})


class EnvironView:
    """One request as the gate sees it, read from a WSGI environ; `native` is what custom sources receive."""

    __slots__ = ("environ", "method", "native", "path", "path_params", "route")

    joins_duplicates = True

    def __init__(
        self,
        environ: WSGIEnvironment,
        *,
        path: str | None = None,
        native: object | None = None,
        route: RoutePolicy | None = None,
        path_params: Mapping[str, object] = _NO_PARAMETERS,
    ) -> None:
        self.environ = environ
        self.native = environ if native is None else native
        self.route = route
        self.path_params = path_params
        self.method = str(environ.get("REQUEST_METHOD", "GET")).upper()
        self.path = router_path(environ) if path is None else path

    @property
    def root_path(self) -> str:
        """Where the application is mounted."""
        return _decoded(self.environ.get("SCRIPT_NAME"))

    @property
    def query(self) -> str:
        """The raw query string."""
        return str(self.environ.get("QUERY_STRING", ""))

    @property
    def host(self) -> str | None:
        """The Host header."""
        value = self.environ.get("HTTP_HOST")
        return value if isinstance(value, str) else None

    @property
    def client(self) -> str | None:
        """The peer's address, or what a trusted proxy middleware outside has put in its place."""
        value = self.environ.get("REMOTE_ADDR")
        return value if isinstance(value, str) and value else None

    def header(self, name: str) -> tuple[str, ...]:
        """Return the header's only value: the server has folded repeated ones into it."""
        value = self.environ.get(header_variable(name))
        return () if value is None else (str(value),)

    def single_headers(self, names: HeaderNames) -> tuple[object, ...]:
        """Return the raw value of each header."""
        return tuple(map(self.environ.get, names.variables))

    def user(self) -> object | None:
        """Return None: WSGI itself knows no user."""
        return None


class PolicyMiddleware:
    """Decide every request before a WSGI application sees it.

    Takes `enforcer=` or the settings to make one, and the settings of the request side; raises SettingsError.
    WSGI knows no routes, so actions are `METHOD /path`. Put it inside the middleware that rewrites methods or
    paths, and inside the one that compresses or caches responses.
    """

    def __init__(self, app: WSGIApplication, **options: object) -> None:
        self._app = app
        self.gate: Final = build_gate(options)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        gate = self.gate
        if is_decided(environ, gate):
            return self._app(environ, start_response)
        view = EnvironView(environ)
        step = gate.open(view)
        final = step if isinstance(step, Proceed) else drive(step, partial(read_body, environ))
        if isinstance(final, Respond):
            return send(final.response, environ, start_response)
        if final.decision is not None:
            mark_decided(environ, gate)
        if isinstance(final, ProceedMasked):
            return masked_answer(final, self._app, without_unmaskable(environ, view.method), start_response)
        return self._app(environ, adding_headers(start_response, final.headers))


def router_path(environ: WSGIEnvironment) -> str:
    """Return PATH_INFO as routers read it: decoded from UTF-8, beginning with exactly one slash."""
    # Werkzeug and Bottle run `/docs` for `//docs`, and for the `docs` that is left by a server which cuts
    # SCRIPT_NAME off inside a segment; a rule about `/docs` has to see it as they do.
    return "/" + _decoded(environ.get("PATH_INFO")).lstrip("/")


def is_decided(environ: Mapping[str, object], gate: Gate) -> bool:
    """True when the gate's enforcer has decided this very request: a rewritten method or path is another one.

    What was only observed is not decided for a gate that enforces.
    """
    decided = environ.get(DECIDED)
    return isinstance(decided, tuple) and (gate.enforcer, gate.settings.mode, *_target(environ)) in decided


def mark_decided(environ: WSGIEnvironment, gate: Gate) -> None:
    """Let middlewares further inside that share the gate's enforcer know that it has decided."""
    decided = environ.get(DECIDED)
    earlier = decided if isinstance(decided, tuple) else ()
    environ[DECIDED] = (*earlier, (gate.enforcer, gate.settings.mode, *_target(environ)))


# Clients invent methods without end, hence a bound.
@lru_cache(maxsize=32)
def unmaskable_variables(method: str) -> frozenset[str]:
    """Return the environ keys that a handler must not see when its response is masked."""
    headers = frozenset(header_variable(name) for name in stripped_request_headers(method))
    return headers | _PAST_THE_BODY


def without_unmaskable(environ: WSGIEnvironment, method: str) -> WSGIEnvironment:
    """Return a copy of the environ without what leads to answers that cannot be masked."""
    taken = unmaskable_variables(method)
    return {name: value for name, value in environ.items() if name not in taken}


def adding_headers(start_response: StartResponse, headers: Headers) -> StartResponse:
    """Wrap `start_response` so that the response carries `headers` too."""
    if not headers:
        return start_response

    def start(status: str, response_headers: list[tuple[str, str]], *exc_info: ExcInfo) -> Write:
        # Some servers and test clients take two arguments, so a third is handed on only when there is one.
        return start_response(status, [*response_headers, *headers], *exc_info)

    return start


def send(response: Response, environ: Mapping[str, object], start_response: StartResponse) -> list[bytes]:
    """Send a complete response of the package's own."""
    start_response(status_line(response.status), list(response.headers))
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [response.body]


def status_line(status: int) -> str:
    """Return `403 Forbidden` for 403."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


def masked_answer(
    step: ProceedMasked, app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Run the application and answer with its response masked: at once, or while it is made.

    What the application raises goes on to the server, after a refusal where nothing has been sent yet.
    """
    collected = Collected(step, environ, start_response)
    try:
        body = app(environ, collected.start_response)
    except Exception as error:  # noqa: BLE001 -- goes on to the server
        return collected.refused(error)
    return collected.answer(body)


class Collected:
    """The server's side of an application whose response is masked: it keeps what a server would send."""

    def __init__(
        self, step: ProceedMasked, environ: Mapping[str, object], start_response: StartResponse
    ) -> None:
        self._step = step
        self._environ = environ
        self._start_response = start_response
        self._started = False
        self._fed = False
        self._error: MaskError | None = None
        self._write: Write | None = None
        """The server's `write`, once status and headers of a stream were sent."""

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo = None, /
    ) -> Write:
        """Take status and headers; as on a server, an application may start anew until the first byte."""
        if self._fed and exc_info is not None and exc_info[1] is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        if exc_info is None and self._started:
            raise AssertionError("start_response was called a second time without exc_info")
        self._started = True
        self._error = None
        try:
            self._step.mask.open(_status_code(status), headers)
        except MaskError as error:
            self._error = error
        return self._written

    def answer(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """Return the masked response, or a refusal without one byte of the original.

        A response that is masked while it is made is returned as soon as it has begun.
        """
        try:
            chunks = iter(() if self._is_lost() else body)
            for chunk in chunks:
                masked = self._feed(chunk)
                if self._write is not None:
                    return _MaskedStream(self, body, masked, chunks)
                if self._is_lost():
                    break
        except Exception as error:  # noqa: BLE001 -- goes on to the server
            close_body(body)
            return self.refused(error)
        except BaseException:
            close_body(body)
            raise
        if self._write is not None:  # all of it came by write()
            return _MaskedStream(self, body, b"", iter(()))
        close_body(body)
        return self._whole()

    def refused(self, raised: Exception) -> Iterable[bytes]:
        """Return a refusal in place of the response of an application that raised, and then its error."""
        problem = MaskError(_RAISED)
        if self._write is not None:
            self._step.refuse(problem, self._step.mask.report())
            raise raised
        # Debuggers and servers outside answer an error with pages nobody masks, unless they see an answer.
        return _answered_and_raised(
            send(self._step.refuse(problem), self._environ, self._start_response), raised
        )

    def abandon(self) -> None:
        """Record what was masked for a client that left; of a stream that has ended that is known already."""
        self._step.masked(self._step.mask.abandon())

    def watched(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the chunks of an application; an error of its own goes on once it is recorded."""
        try:
            yield from chunks
        except Exception:
            self._step.refuse(MaskError(_RAISED), self._step.mask.report())
            raise

    def following(self, chunk: bytes) -> bytes:
        """Return what may leave after a further chunk of a stream; raises BrokenOff."""
        masked = self._feed(chunk)
        self._check_unbroken()
        return masked

    def rest(self) -> bytes:
        """Return the end of a stream; raises BrokenOff."""
        self._check_unbroken()
        try:
            masked = self._step.mask.close()
        except MaskError as error:
            self._error = error
        self._check_unbroken()
        self._step.masked(masked.report)
        return masked.body

    def _is_lost(self) -> bool:
        return self._error is not None

    def _feed(self, chunk: bytes) -> bytes:
        if not self._started:
            raise AssertionError("the application sent a body before calling start_response")
        self._fed = self._fed or bool(chunk)
        # An error must not surface inside the application's write(), where it could be answered with data.
        if self._error is None:
            try:
                return self._masked(chunk)
            except MaskError as error:
                self._error = error
        return b""

    def _masked(self, chunk: bytes) -> bytes:
        mask = self._step.mask
        masked = mask.feed(chunk)
        if mask.streams and self._write is None and chunk:
            head = mask.head()
            # A reason phrase is the application's own words, which nobody masks.
            self._write = self._start_response(status_line(head.status), [*head.headers, *self._step.headers])
        return masked

    def _written(self, chunk: bytes) -> None:
        masked = self._feed(chunk)
        if masked and self._write is not None:
            self._write(masked)

    def _check_unbroken(self) -> None:
        if self._error is not None:
            self._step.refuse(self._error, self._step.mask.report())
            raise BrokenOff

    def _whole(self) -> list[bytes]:
        step = self._step
        try:
            if self._error is not None:
                raise self._error
            masked = step.mask.close()
        except MaskError as error:
            return send(step.refuse(error), self._environ, self._start_response)
        step.masked(masked.report)
        self._start_response(status_line(masked.status), [*masked.headers, *step.headers])
        return [masked.body] if masked.body else []


class _MaskedStream:
    """What the server iterates over while the application makes a response that is masked."""

    def __init__(
        self, collected: Collected, body: Iterable[bytes], first: bytes, chunks: Iterator[bytes]
    ) -> None:
        self._body = body
        self._collected = collected
        self._parts = _parts(collected, first, chunks)

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        """Close what the application returned; what is held back is dropped."""
        try:
            close_body(self._body)
        finally:
            self._collected.abandon()


def _parts(collected: Collected, first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    for chunk in collected.watched(chunks):
        masked = collected.following(chunk)
        if masked:
            yield masked
    rest = collected.rest()
    if rest:
        yield rest


def _answered_and_raised(answer: list[bytes], error: Exception) -> Iterator[bytes]:
    yield from answer
    raise error


def _status_code(status: str) -> int:
    try:
        return int(status[:3])
    except ValueError:
        return 0  # which no response has


def close_body(body: Iterable[bytes]) -> None:
    """Close what an application returned: the iterable itself, whether or not it was read to the end."""
    close = getattr(body, "close", None)
    if close is not None:
        close()


def _target(environ: Mapping[str, object]) -> tuple[object, str]:
    return environ.get("REQUEST_METHOD"), f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"


def _decoded(value: object) -> str:
    """Undo PEP 3333's Latin-1 disguise of UTF-8 bytes, as every WSGI framework does."""
    text = value if isinstance(value, str) else ""
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")
