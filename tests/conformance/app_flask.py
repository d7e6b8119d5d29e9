"""The service of `ENDPOINTS` in Flask."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Flask, Response, abort, request, send_file
from flask.views import MethodView
from flask_login import LoginManager, UserMixin

from policy_middleware.routing import policy_action, policy_exempt
from policy_middleware_flask import PolicyMiddleware

from .app_wsgi import WsgiService
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
from .traps import EVERY, Trap


def application(journal: list[str]) -> Flask:
    """Return the app itself, undecided."""
    app = Flask(__name__)

    def say(entry: str, text: str) -> Response:
        journal.append(entry)
        return Response(text, content_type="text/plain")

    @app.get("/docs/<id>")
    @policy_action("document.read", resource="document:{id}", tags=["pii"])
    def read(id: str) -> Response:  # noqa: A002 -- the parameter's name is the template's
        journal.append(f"read {id}")
        headers = {"ETag": '"v1"', "Last-Modified": LAST_MODIFIED}
        body = document(id)
        if request.headers.get("If-None-Match") == '"v1"':
            return Response(status=304, headers=headers)
        if "Range" in request.headers:
            return Response(body[:10], 206, headers, content_type="application/json")
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body)
        return Response(body, 200, headers, content_type="application/json")

    @app.post("/docs")
    def create() -> Response:
        journal.append(f"create {request.get_data(as_text=True)}")
        return Response(request.get_data(), 201, content_type="application/octet-stream")

    @app.get("/plain/<name>")
    def plain(name: str) -> Response:
        return say(f"plain {name}", f"hello {name}")

    @app.get("/stream")
    def stream() -> Response:
        def parts() -> Iterator[bytes]:
            for index, part in enumerate(STREAM_PARTS):
                journal.append(f"yield {index}")
                yield part

        return Response(parts(), content_type="text/plain")

    @app.get("/events")
    def events() -> Response:
        def parts() -> Iterator[bytes]:
            journal.append("events")
            yield EVENT

        return Response(parts(), content_type="text/event-stream")

    @app.get("/trap/<name>")
    def trap(name: str) -> Response:
        trap = EVERY[name]
        journal.append(f"trap {name}")
        if trap.way is not None:
            return WAYS[trap.way](trap)
        body = trap.chunks() if trap.streamed else b"".join(trap.parts)
        response = Response(body, trap.status, headers=dict(trap.headers))
        for cookie, value in trap.cookies.items():
            response.set_cookie(cookie, value)
        return response

    @app.get("/picture")
    def picture() -> Response:
        journal.append("picture")
        return Response(PICTURE, content_type="image/png")

    @app.get("/large")
    def large() -> Response:
        journal.append("large")
        return Response(LARGE, content_type="application/json")

    @app.get("/file")
    def file() -> Response:
        journal.append("file")
        return send_file(FILE)

    @app.get("/raise")
    def fail() -> Response:
        journal.append("raise")
        raise Boom

    @app.get("/background")
    def background() -> Response:
        response = Response("later", content_type="text/plain")
        response.call_on_close(lambda: journal.append("background"))
        return response

    @policy_action("thing.any", resource="thing:{id}")
    class Things(MethodView):
        def get(self, id: str) -> Response:  # noqa: A002 -- as above
            return say(f"thing {id}", f"thing {id}")

        @policy_action("thing.delete", resource="thing:{id}")
        def delete(self, id: str) -> tuple[str, int]:  # noqa: A002 -- as above
            journal.append(f"delete {id}")
            return "", 204

    app.add_url_rule("/things/<id>", view_func=Things.as_view("things"))

    mounted = Blueprint("mounted", __name__)

    @mounted.get("/inner/<id>")
    def inner(id: str) -> Response:  # noqa: A002 -- as above
        return say(f"inner {id}", f"inner {id}")

    app.register_blueprint(mounted, url_prefix="/mounted")

    @app.get("/listed/<id>")
    def listed(id: str) -> Response:  # noqa: A002 -- as above
        return say(f"listed {id}", f"listed {id}")

    @app.get("/healthz")
    def healthz() -> Response:
        return say("healthz", "ok")

    @app.get("/free")
    @policy_exempt
    def free() -> Response:
        return say("free", "free")

    return app


class Person(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    """The user whom Flask-Login has authenticated."""

    def __init__(self, setup: Setup) -> None:
        self.id = self.username = setup.user
        self.roles = list(setup.user_roles)


def install(app: Flask, setup: Setup, journal: list[str]) -> None:
    """Put an app under the policy of a setup, and let it do what the setup says beside."""
    if setup.user is not None:
        app.secret_key = "of a test"
        LoginManager(app).request_loader(lambda _: Person(setup))
    app.config.update({f"POLICY_{name.upper()}": value for name, value in setup.options.items()})
    PolicyMiddleware(app)
    if setup.second is not None:
        PolicyMiddleware(app, **setup.second)
    if setup.forbidden_page:
        app.register_error_handler(403, lambda _: (FORBIDDEN_PAGE, 403))
    if setup.short_circuit:
        app.before_request(_short_circuit(journal))


def _short_circuit(journal: list[str]) -> Callable[[], Response | None]:
    def short_circuit() -> Response | None:
        if request.path != "/short-circuit":
            return None
        journal.append("short-circuit")
        return Response("bypass", content_type="text/plain")

    return short_circuit


def _file(trap: Trap) -> Response:
    name = f"{SECRET.decode()}.txt"
    return send_file(FILE, "text/plain", as_attachment=True, download_name=name, conditional=True)


def _passthrough(trap: Trap) -> Response:
    return Response(iter(trap.parts), headers=dict(trap.headers), direct_passthrough=True)


def _reason(trap: Trap) -> Response:
    return Response(trap.parts[0], f"200 {SECRET.decode()}", headers=dict(trap.headers))


def _not_found(trap: Trap) -> Response:
    abort(404, f"no such user: {SECRET.decode()}")


def _error(trap: Trap) -> Response:
    raise ValueError(SECRET.decode())


def _two_types(trap: Trap) -> Response:
    response = Response(trap.parts[0], headers=dict(trap.headers))
    response.headers.add("Content-Type", "text/html")
    return response


WAYS: Final = {
    "error-page": _error,
    "file": _file,
    "not-found-page": _not_found,
    "passthrough": _passthrough,
    "reason": _reason,
    "two-types": _two_types,
}

EXPECTED = Expectations(
    knows_routes=True,
    unrouted=404,
    unrouted_is_decided=False,
    wrong_method_denied=405,
    double_slash=200,
    joins_duplicates=True,
    own_forbidden_page=True,
    raises=False,
    ways=frozenset(WAYS),
)


@dataclass(frozen=True)
class OnFlask:
    """Flask."""

    name: str = "flask"
    expects: Expectations = EXPECTED

    def build(self, setup: Setup) -> Service:
        journal: list[str] = []
        app: Any = application(journal)
        install(app, setup, journal)
        return WsgiService(app, journal)


ADAPTERS: tuple[Adapter, ...] = (OnFlask(),)
