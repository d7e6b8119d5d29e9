"""The service of `ENDPOINTS` in Django, over WSGI and over ASGI."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from types import SimpleNamespace
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import override_settings
from django.urls import include, path
from django.views import View
from django.views.decorators.http import require_http_methods

from policy_middleware.routing import policy_action, policy_exempt
from policy_middleware_django import PolicyMiddleware
from tests.adapters.django_project import configure, urlconf

from .calling import call_asgi, call_wsgi
from .harness import (
    EVENT,
    FILE,
    FORBIDDEN_PAGE,
    LARGE,
    LAST_MODIFIED,
    PICTURE,
    SECRET,
    STREAM_PARTS,
    Adapter,
    Answer,
    Boom,
    Call,
    Expectations,
    Handshake,
    Service,
    Setup,
    document,
)
from .traps import EVERY, Trap

configure()

AnyView = Callable[..., Any]

FILE_BYTES = FILE.read_bytes()


class LaterResponse(HttpResponse):
    """A response that does something when it is closed."""

    def __init__(self, content: str, later: Callable[[], None]) -> None:
        super().__init__(content, content_type="text/plain")
        self._later = later

    def close(self) -> None:
        super().close()
        self._later()


class Views:
    """The views; with `asynchronous` each is a coroutine function."""

    def __init__(self, journal: list[str], *, asynchronous: bool) -> None:
        self.journal = journal
        self.asynchronous = asynchronous

    def say(self, entry: str, text: str) -> HttpResponse:
        self.journal.append(entry)
        return HttpResponse(text, content_type="text/plain")

    @policy_action("document.read", resource="document:{id}", tags=["pii"])
    def read(self, request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the template's name
        self.journal.append(f"read {id}")
        headers = {"ETag": '"v1"', "Last-Modified": LAST_MODIFIED}
        body = document(id)
        if request.headers.get("If-None-Match") == '"v1"':
            response = HttpResponse(status=304, headers=headers)
            del response.headers["Content-Type"]
            return response
        if "Range" in request.headers:
            return HttpResponse(body[:10], "application/json", 206, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body)
        return HttpResponse(body, "application/json", 200, headers=headers)

    def create(self, request: HttpRequest) -> HttpResponse:
        self.journal.append(f"create {request.body.decode()}")
        return HttpResponse(request.body, "application/octet-stream", 201)

    def plain(self, request: HttpRequest, name: str) -> HttpResponse:
        return self.say(f"plain {name}", f"hello {name}")

    def listed(self, request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the template's name
        return self.say(f"listed {id}", f"listed {id}")

    def inner(self, request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the template's name
        return self.say(f"inner {id}", f"inner {id}")

    def healthz(self, request: HttpRequest) -> HttpResponse:
        return self.say("healthz", "ok")

    @policy_exempt
    def free(self, request: HttpRequest) -> HttpResponse:
        return self.say("free", "free")

    def stream(self, request: HttpRequest) -> StreamingHttpResponse:
        def parts() -> Iterator[bytes]:
            for index, part in enumerate(STREAM_PARTS):
                self.journal.append(f"yield {index}")
                yield part

        return StreamingHttpResponse(self._streamed(parts()), content_type="text/plain")

    def events(self, request: HttpRequest) -> StreamingHttpResponse:
        def parts() -> Iterator[bytes]:
            self.journal.append("events")
            yield EVENT

        return StreamingHttpResponse(self._streamed(parts()), content_type="text/event-stream")

    def trap(self, request: HttpRequest, name: str) -> HttpResponseBase:
        trap = EVERY[name]
        self.journal.append(f"trap {name}")
        response: HttpResponseBase
        if trap.way is not None:
            return WAYS[trap.way](self, trap)
        if trap.streamed:
            response = StreamingHttpResponse(self._streamed(trap.chunks()), status=trap.status)
        else:
            response = HttpResponse(b"".join(trap.parts), status=trap.status)
        if "Content-Type" not in trap.headers:
            del response.headers["Content-Type"]
        for name_of, value in trap.headers.items():
            response.headers[name_of] = value
        for cookie, value in trap.cookies.items():
            response.set_cookie(cookie, value)
        return response

    def picture(self, request: HttpRequest) -> HttpResponse:
        self.journal.append("picture")
        return HttpResponse(PICTURE, "image/png")

    def large(self, request: HttpRequest) -> HttpResponse:
        self.journal.append("large")
        return HttpResponse(LARGE, "application/json")

    def file(self, request: HttpRequest) -> HttpResponseBase:
        self.journal.append("file")
        if not self.asynchronous:
            return FileResponse(FILE.open("rb"))
        # Django warns when a file is to be served asynchronously.
        return StreamingHttpResponse(self._streamed(iter([FILE_BYTES])), content_type="text/x-python")

    def fail(self, request: HttpRequest) -> HttpResponse:
        self.journal.append("raise")
        raise Boom

    def background(self, request: HttpRequest) -> HttpResponse:
        return LaterResponse("later", lambda: self.journal.append("background"))

    @property
    def things(self) -> type[View]:
        views = self

        @policy_action("thing.any", resource="thing:{id}")
        class Things(View):
            def get(self, request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the template's name
                return views.say(f"thing {id}", f"thing {id}")

            @policy_action("thing.delete", resource="thing:{id}")
            def delete(self, request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- as above
                views.journal.append(f"delete {id}")
                return HttpResponse(status=204)

        return Things

    @property
    def urlpatterns(self) -> list[Any]:
        """Every route, the mounted one by an include."""
        inner = [path("inner/<str:id>", self._only("GET", self.inner))]
        return [
            path("docs/<id>", self._only("GET", self.read)),
            path("docs", self._only("POST", self.create)),
            path("plain/<name>", self._only("GET", self.plain)),
            path("stream", self._only("GET", self.stream)),
            path("events", self._only("GET", self.events)),
            path("trap/<name>", self._only("GET", self.trap)),
            path("picture", self._only("GET", self.picture)),
            path("large", self._only("GET", self.large)),
            path("file", self._only("GET", self.file)),
            path("raise", self._only("GET", self.fail)),
            path("background", self._only("GET", self.background)),
            path("things/<id>", self.things.as_view()),
            path("mounted/", include(inner)),
            path("listed/<id>", self._only("GET", self.listed)),
            path("healthz", self._only("GET", self.healthz)),
            path("free", self._only("GET", self.free)),
        ]

    def _only(self, method: str, view: AnyView) -> AnyView:
        methods = ["GET", "HEAD"] if method == "GET" else [method]
        decorated: AnyView = require_http_methods(methods)(self._of_kind(view))
        return decorated

    def _of_kind(self, view: AnyView) -> AnyView:
        if self.asynchronous:

            @wraps(view)
            async def coroutine(request: HttpRequest, **parameters: Any) -> Any:
                return view(request, **parameters)

            return coroutine

        # A bound method takes no attributes, such as the decorators of Django leave.
        @wraps(view)
        def function(request: HttpRequest, **parameters: Any) -> Any:
            return view(request, **parameters)

        return function

    def streamed_otherwise(self, parts: Iterator[bytes]) -> Iterator[bytes] | AsyncIterator[bytes]:
        """Return a stream of the kind that the server does not expect."""
        return Views(self.journal, asynchronous=not self.asynchronous)._streamed(parts)

    def _streamed(self, parts: Iterator[bytes]) -> Iterator[bytes] | AsyncIterator[bytes]:
        if not self.asynchronous:
            return parts

        async def streamed() -> AsyncIterator[bytes]:
            for part in parts:
                yield part

        return streamed()


def _file(views: Views, trap: Trap) -> HttpResponseBase:
    name = f"{SECRET.decode()}.txt"
    return FileResponse(FILE.open("rb"), content_type="text/plain", as_attachment=True, filename=name)


def _other_stream(views: Views, trap: Trap) -> HttpResponseBase:
    return StreamingHttpResponse(views.streamed_otherwise(trap.chunks()), content_type="text/plain")


def _reason(views: Views, trap: Trap) -> HttpResponseBase:
    return HttpResponse(trap.parts[0], "application/json", reason=f"to {SECRET.decode()}")


def _not_found(views: Views, trap: Trap) -> HttpResponseBase:
    raise Http404(SECRET.decode())


def _error(views: Views, trap: Trap) -> HttpResponseBase:
    raise ValueError(SECRET.decode())


WAYS: Final = {
    "error-page": _error,
    "file": _file,
    "not-found-page": _not_found,
    "other-stream": _other_stream,
    "reason": _reason,
}


class _Around:
    """A middleware of either kind that may answer by itself."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        answer = self.answer(request)
        if answer is None:
            return self.get_response(request)  # type: ignore[no-any-return]  # of the kind that it is
        return _awaited(answer) if iscoroutinefunction(self) else answer

    def answer(self, request: HttpRequest) -> HttpResponseBase | None:
        raise NotImplementedError


async def _awaited(answer: HttpResponseBase) -> HttpResponseBase:
    return answer


class Authentication(_Around):
    """Puts the setup's user where AuthenticationMiddleware puts its own."""

    def answer(self, request: HttpRequest) -> None:
        request.user = settings.CONFORMANCE_USER


class ShortCircuit(_Around):
    """Answers one path by itself."""

    def answer(self, request: HttpRequest) -> HttpResponseBase | None:
        if request.path != "/short-circuit":
            return None
        settings.CONFORMANCE_JOURNAL.append("short-circuit")
        return HttpResponse("bypass", content_type="text/plain")


class SecondPolicyMiddleware(PolicyMiddleware):
    """A policy middleware with settings of its own."""

    setting = "SECOND_POLICY_MIDDLEWARE"


def forbidden_page(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Render the project's own page, under a status that is wrong."""
    return HttpResponse(FORBIDDEN_PAGE)


def overrides(setup: Setup, journal: list[str], *, asynchronous: bool) -> dict[str, Any]:
    """Return the settings of one service."""
    here = __name__
    middleware = [
        "django.middleware.common.CommonMiddleware",
        *([f"{here}.Authentication"] if setup.user is not None else []),
        *([f"{here}.SecondPolicyMiddleware"] if setup.second is not None else []),
        "policy_middleware_django.PolicyMiddleware",
        *([f"{here}.ShortCircuit"] if setup.short_circuit else []),
    ]
    handlers = {"handler403": forbidden_page} if setup.forbidden_page else {}
    return {
        "MIDDLEWARE": middleware,
        "ROOT_URLCONF": urlconf(Views(journal, asynchronous=asynchronous).urlpatterns, **handlers),
        "POLICY_MIDDLEWARE": {name.upper(): value for name, value in setup.options.items()},
        "SECOND_POLICY_MIDDLEWARE": {name.upper(): value for name, value in (setup.second or {}).items()},
        "CONFORMANCE_JOURNAL": journal,
        "CONFORMANCE_USER": SimpleNamespace(
            is_authenticated=True, username=setup.user, roles=list(setup.user_roles)
        ),
    }


@dataclass
class DjangoService:
    """A Django handler and the settings that hold while it answers."""

    settings: dict[str, Any]
    asynchronous: bool
    journal: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        with override_settings(**self.settings):
            self._handler: Any = ASGIHandler() if self.asynchronous else WSGIHandler()

    def call(self, call: Call) -> Answer:
        caller = call_asgi if self.asynchronous else call_wsgi
        with override_settings(**self.settings):
            answer = caller(self._handler, call, self.journal)
        # Django leaves it to servers to lower the case of names and to keep the body of a HEAD.
        answer.headers = [(name.lower(), value) for name, value in answer.headers]
        if call.method == "HEAD":
            answer.parts.clear()
        return answer

    def connect(self, call: Call) -> Handshake:
        raise NotImplementedError("Django has no WebSockets of its own")

    def close(self) -> None:
        """Each call has undone its settings."""


@dataclass(frozen=True)
class OnDjango:
    """Django on one of the two protocols."""

    asynchronous: bool

    @property
    def name(self) -> str:
        return "django-asgi" if self.asynchronous else "django-wsgi"

    @property
    def expects(self) -> Expectations:
        return Expectations(
            knows_routes=True,
            unrouted=404,
            unrouted_is_decided=False,
            wrong_method_denied=403,
            joins_duplicates=not self.asynchronous,
            own_forbidden_page=True,
            raises=False,
            ways=frozenset(WAYS),
            interrupted_body_is_seen=self.asynchronous,
        )

    def build(self, setup: Setup) -> Service:
        journal: list[str] = []
        return DjangoService(
            overrides(setup, journal, asynchronous=self.asynchronous), self.asynchronous, journal
        )


ADAPTERS: tuple[Adapter, ...] = (OnDjango(asynchronous=False), OnDjango(asynchronous=True))
