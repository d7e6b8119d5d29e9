"""The service of `ENDPOINTS` in Starlette."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from policy_middleware.routing import policy_action, policy_exempt
from policy_middleware_starlette import PolicyMiddleware

from .app_asgi import AsgiService
from .calling import Receive, Send
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
    Boom,
    Expectations,
    Service,
    Setup,
    document,
)
from .sockets import SOCKETS
from .traps import EVERY, AsyncChunks, Trap


class Parts:
    """A stream that may be left unfinished (trio warns of asynchronous generators left so)."""

    def __init__(self, journal: list[str], entries: Sequence[str], parts: Sequence[bytes]) -> None:
        self._journal = journal
        self._coming = iter(zip(entries, parts, strict=True))

    def __aiter__(self) -> Parts:
        return self

    async def __anext__(self) -> bytes:
        for entry, part in self._coming:
            self._journal.append(entry)
            return part
        raise StopAsyncIteration


class Handlers:
    """The endpoints; FastAPI serves the same ones."""

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal

        @policy_action("thing.any", resource="thing:{id}")
        class Things(HTTPEndpoint):
            async def get(self, request: Request) -> Response:
                journal.append(f"thing {request.path_params['id']}")
                return PlainTextResponse(f"thing {request.path_params['id']}")

            @policy_action("thing.delete", resource="thing:{id}")
            async def delete(self, request: Request) -> Response:
                journal.append(f"delete {request.path_params['id']}")
                return Response(status_code=204)

        self.things = Things

        @policy_action("document.read", resource="document:{id}", tags=["pii"])
        async def read(request: Request) -> Response:
            return self.read(request)

        @policy_exempt
        async def free(request: Request) -> Response:
            return self.say("free", "free")

        self.annotated_read, self.free = read, free

    def say(self, entry: str, text: str) -> Response:
        self.journal.append(entry)
        return PlainTextResponse(text)

    def read(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        self.journal.append(f"read {identifier}")
        headers = {"ETag": '"v1"', "Last-Modified": LAST_MODIFIED}
        body = document(identifier)
        if request.headers.get("if-none-match") == '"v1"':
            return Response(status_code=304, headers=headers)
        if "range" in request.headers:
            return Response(body[:10], 206, headers, "application/json")
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(gzip.compress(body), 200, headers, "application/json")
        return Response(body, 200, headers, "application/json")

    async def create(self, request: Request) -> Response:
        body = await request.body()
        self.journal.append(f"create {body.decode()}")
        return Response(body, 201, media_type="application/octet-stream")

    def plain(self, request: Request) -> Response:
        name = request.path_params["name"]
        return self.say(f"plain {name}", f"hello {name}")

    async def listed(self, request: Request) -> Response:
        return self.say(f"listed {request.path_params['id']}", f"listed {request.path_params['id']}")

    async def inner(self, request: Request) -> Response:
        return self.say(f"inner {request.path_params['id']}", f"inner {request.path_params['id']}")

    async def healthz(self, request: Request) -> Response:
        return self.say("healthz", "ok")

    async def stream(self, request: Request) -> Response:
        entries = [f"yield {index}" for index in range(len(STREAM_PARTS))]
        return StreamingResponse(Parts(self.journal, entries, STREAM_PARTS), media_type="text/plain")

    async def events(self, request: Request) -> Response:
        return StreamingResponse(Parts(self.journal, ["events"], [EVENT]), media_type="text/event-stream")

    async def trap(self, request: Request) -> Response:
        name = request.path_params["name"]
        trap = EVERY[name]
        self.journal.append(f"trap {name}")
        if trap.way is not None:
            return WAYS[trap.way](trap)
        if trap.streamed:
            return StreamingResponse(AsyncChunks(trap), trap.status, dict(trap.headers))
        response = Response(b"".join(trap.parts), trap.status, dict(trap.headers))
        for cookie, value in trap.cookies.items():
            response.set_cookie(cookie, value)
        return response

    async def picture(self, request: Request) -> Response:
        self.journal.append("picture")
        return Response(PICTURE, media_type="image/png")

    async def large(self, request: Request) -> Response:
        self.journal.append("large")
        return Response(LARGE, media_type="application/json")

    async def file(self, request: Request) -> Response:
        self.journal.append("file")
        return FileResponse(FILE)

    async def fail(self, request: Request) -> Response:
        self.journal.append("raise")
        raise Boom

    async def background(self, request: Request) -> Response:
        async def later() -> None:
            self.journal.append("background")

        return PlainTextResponse("later", background=BackgroundTask(later))

    async def websocket(self, websocket: WebSocket) -> None:
        room = websocket.path_params["room"]
        self.journal.append(f"ws {room}")
        if room in SOCKETS:
            await websocket.receive()
            for message in SOCKETS[room].messages:
                await websocket.send(dict(message))
                self.journal.append("sent")
            return
        if room == "refused":
            headers = {"X-Who": SECRET.decode()}
            await websocket.send_denial_response(
                PlainTextResponse(f"no, {SECRET.decode()}", 409, headers=headers)
            )
            return
        await websocket.accept()
        await websocket.send_text(f"hello {room}")
        await websocket.close()

    @property
    def routes(self) -> list[tuple[str, Any, list[str] | None]]:
        """Path, endpoint and methods of everything but the mount and the WebSocket."""
        return [
            ("/docs/{id}", self.annotated_read, ["GET"]),
            ("/docs", self.create, ["POST"]),
            ("/plain/{name}", self.plain, ["GET"]),
            ("/stream", self.stream, ["GET"]),
            ("/events", self.events, ["GET"]),
            ("/trap/{name}", self.trap, ["GET"]),
            ("/picture", self.picture, ["GET"]),
            ("/large", self.large, ["GET"]),
            ("/file", self.file, ["GET"]),
            ("/raise", self.fail, ["GET"]),
            ("/background", self.background, ["GET"]),
            ("/things/{id}", self.things, None),
            ("/listed/{id}", self.listed, ["GET"]),
            ("/healthz", self.healthz, ["GET"]),
            ("/free", self.free, ["GET"]),
        ]


class Authentication:
    """What AuthenticationMiddleware does, with the setup's user."""

    def __init__(self, app: Any, setup: Setup) -> None:
        self.app = app
        self.user = SimpleNamespace(is_authenticated=True, username=setup.user, roles=list(setup.user_roles))

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        scope["user"] = self.user
        await self.app(scope, receive, send)


class ShortCircuit:
    """A middleware that answers one path by itself."""

    def __init__(self, app: Any, journal: list[str]) -> None:
        self.app = app
        self.journal = journal

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/short-circuit":
            self.journal.append("short-circuit")
            await PlainTextResponse("bypass")(scope, receive, send)
        else:
            await self.app(scope, receive, send)


async def forbidden_page(request: Request, error: Exception) -> Response:
    return HTMLResponse(FORBIDDEN_PAGE, 403)


def install(app: Any, setup: Setup, journal: list[str], middleware: type[Any]) -> None:
    """Add the middlewares of a setup, innermost first."""
    if setup.short_circuit:
        app.add_middleware(ShortCircuit, journal=journal)
    app.add_middleware(middleware, **setup.options)
    if setup.second is not None:
        app.add_middleware(middleware, **setup.second)
    if setup.user is not None:
        app.add_middleware(Authentication, setup=setup)
    if setup.forbidden_page:
        app.add_exception_handler(403, forbidden_page)


def _file(trap: Trap) -> Response:
    return FileResponse(FILE, media_type="text/plain", filename=f"{SECRET.decode()}.txt")


def _not_found(trap: Trap) -> Response:
    raise HTTPException(404, f"no such user: {SECRET.decode()}", headers={"X-User": SECRET.decode()})


def _raising(trap: Trap) -> Response:
    raise ValueError(SECRET.decode())


def _two_types(trap: Trap) -> Response:
    response = Response(trap.parts[0], headers=dict(trap.headers))
    response.raw_headers.append((b"content-type", b"text/html"))
    return response


WAYS: Final = {
    "file": _file,
    "not-found-page": _not_found,
    "raises": _raising,
    "two-types": _two_types,
}

ROUTED = Expectations(
    knows_routes=True,
    unrouted=404,
    unrouted_is_decided=True,
    slash_redirect=307,
    websockets=True,
    own_forbidden_page=True,
    ways=frozenset(WAYS),
    undecided_bypass=200,
)


@dataclass(frozen=True)
class StarletteOn:
    """Starlette on one of the event loops."""

    backend: str
    expects: Expectations = ROUTED

    @property
    def name(self) -> str:
        return f"starlette-{self.backend}"

    def build(self, setup: Setup) -> Service:
        journal: list[str] = []
        handlers = Handlers(journal)
        app = Starlette(
            routes=[
                *(Route(path, endpoint, methods=methods) for path, endpoint, methods in handlers.routes),
                Mount("/mounted", routes=[Route("/inner/{id}", handlers.inner)]),
                WebSocketRoute("/ws/{room}", handlers.websocket),
            ]
        )
        install(app, setup, journal, PolicyMiddleware)
        return AsgiService(app, journal, self.backend)


ADAPTERS: tuple[Adapter, ...] = (StarletteOn("asyncio"), StarletteOn("trio"))
