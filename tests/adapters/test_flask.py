from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, abort, g, redirect, request, send_file, session, stream_with_context
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from policy_middleware.attributes import header
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import SettingsError
from policy_middleware.routing import policy_action
from policy_middleware.wsgi import PolicyMiddleware as WsgiPolicyMiddleware
from policy_middleware_flask import PolicyMiddleware, policy_decided
from policy_middleware_flask.listing import inspect_application

from .asgi_policies import ALLOW_ALL, DENY_ALL, MASK_ALL, SOURCES, only

HEADERS = {"X-Tenant-ID": "acme", "X-User": "bea", "X-Roles": "analyst"}
SECRET = b'{"email": "bea@example.com"}'
MASKED = b'{"email": "[REDACTED]"}'
APPROVAL = only("require_approval", {}, approval={"approvers": {"role": "dpo"}})


@pytest.fixture
def app() -> Flask:
    """An app with one route, not yet under any policy."""
    app = Flask(__name__)
    app.testing = True
    app.secret_key = "of the tests"

    @app.route("/docs/<int:id>", methods=["GET", "POST"])
    def read(id: int) -> Response:  # noqa: A002 -- the parameter's name is the template's
        return Response(SECRET, content_type="application/json")

    return app


def install(
    app: Flask, enforcer: PolicyEnforcer, document: dict[str, object] = ALLOW_ALL, **options: Any
) -> Flask:
    """Put an app under a policy for tenant acme."""
    enforcer.publish("acme", document)
    PolicyMiddleware(app, enforcer=enforcer, **{**SOURCES, **options})
    return app


def get(app: Flask, path: str = "/docs/7", **more: Any) -> Any:
    return app.test_client().open(path, **{"headers": HEADERS, "buffered": True, **more})


# -- installation --------------------------------------------------------------------------------------------


def test_settings_come_from_the_config_with_a_prefix(app: Flask, enforcer: PolicyEnforcer) -> None:
    app.config.update({f"POLICY_{name.upper()}": source for name, source in SOURCES.items()})
    app.config["POLICY_ENFORCER"] = enforcer
    PolicyMiddleware().init_app(app)
    assert get(app).status_code == 200
    assert app.extensions["policy_middleware"].gate.enforcer is enforcer


def test_keyword_arguments_win_over_the_config(app: Flask, enforcer: PolicyEnforcer) -> None:
    app.config["POLICY_TENANT"] = header("X-Other")
    assert get(install(app, enforcer)).status_code == 200


def test_a_setting_that_does_not_exist_stops_the_start(app: Flask, enforcer: PolicyEnforcer) -> None:
    app.config["POLICY_TENANTS"] = header("X-Tenant-ID")
    with pytest.raises(SettingsError, match="tenant"):
        install(app, enforcer)


def test_one_extension_serves_several_apps_with_their_own_settings(
    enforcer: PolicyEnforcer, other_enforcer: PolicyEnforcer
) -> None:
    extension = PolicyMiddleware(**SOURCES)
    apps = [Flask("one"), Flask("two")]
    for app, own in zip(apps, (enforcer, other_enforcer), strict=True):
        app.add_url_rule("/docs/<id>", "read", lambda id: "read")  # noqa: A006 -- the template's name
        app.config["POLICY_ENFORCER"] = own
        extension.init_app(app)
    enforcer.publish("acme", DENY_ALL)
    assert [get(app).status_code for app in apps] == [403, 200]


def test_a_route_under_the_prefix_stops_the_start(app: Flask, enforcer: PolicyEnforcer) -> None:
    app.add_url_rule("/_policy/mine", "mine", lambda: "mine")
    with pytest.raises(SettingsError, match="/_policy/mine"):
        install(app, enforcer)


def test_a_route_under_the_prefix_that_comes_later_stops_the_first_request(
    app: Flask, enforcer: PolicyEnforcer
) -> None:
    install(app, enforcer)
    app.add_url_rule("/_policy/mine", "mine", lambda: "mine")
    for _ in range(2):
        with pytest.raises(SettingsError, match="/_policy/mine"):
            get(app)


def test_below_a_wsgi_middleware_with_the_same_enforcer_it_decides_once(
    app: Flask, enforcer: PolicyEnforcer
) -> None:
    install(app, enforcer, only("allow", {"action": "GET /docs/7"}))
    app.wsgi_app = WsgiPolicyMiddleware(app.wsgi_app, enforcer=enforcer, **SOURCES)  # type: ignore[method-assign]
    response = get(app)
    assert (response.status_code, len(response.headers.getlist("X-Policy-Decision-Id"))) == (200, 1)


def test_a_masked_request_outside_the_apps_wsgi_app_does_not_run(
    app: Flask, enforcer: PolicyEnforcer
) -> None:
    install(app, enforcer, MASK_ALL)
    with app.test_request_context("/docs/7", headers=HEADERS), pytest.raises(RuntimeError, match="wsgi_app"):
        app.dispatch_request()


def test_a_context_of_its_own_is_decided_too(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer, DENY_ALL)
    with app.test_request_context("/docs/7", headers=HEADERS):
        response = app.full_dispatch_request()
    assert response.status_code == 403


# -- where it decides ----------------------------------------------------------------------------------------


def test_it_decides_after_every_hook_so_that_the_user_is_known(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer, only("allow", {"user": "carol"}), subject=lambda _: g.user)

    @app.before_request
    def authenticate() -> None:
        g.user = "carol"

    assert get(app).status_code == 200


def test_custom_sources_receive_the_request(app: Flask, enforcer: PolicyEnforcer) -> None:
    seen = []
    install(app, enforcer, tenant=lambda current: seen.append(current) or "acme")
    with app.test_client() as client:
        client.get("/docs/7", headers=HEADERS)
        assert seen == [request._get_current_object()]


def test_a_method_override_is_decided_as_flask_dispatches_it(app: Flask, enforcer: PolicyEnforcer) -> None:
    @app.delete("/things/<id>")
    def delete(id: str) -> str:  # noqa: A002 -- the template's name
        return "deleted"

    install(app, enforcer, only("deny", {"action": "DELETE /things/{id}"}, default="allow"))
    inner = app.wsgi_app

    def overriding(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REQUEST_METHOD"] = environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", environ["REQUEST_METHOD"])
        return inner(environ, start_response)

    app.wsgi_app = overriding  # type: ignore[method-assign]
    response = get(app, "/things/5", method="POST", headers={**HEADERS, "X-HTTP-Method-Override": "DELETE"})
    assert response.status_code == 403


def test_default_parameters_of_a_rule_are_path_parameters(app: Flask, enforcer: PolicyEnforcer) -> None:
    @app.get("/pages/", defaults={"number": 1})
    @policy_action("page.read", resource="page:{number}")
    def page(number: int) -> str:
        return str(number)

    install(app, enforcer, only("allow", {"resource.id": "1"}))
    assert get(app, "/pages/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("PATCH", "/docs/7", 405), ("GET", "/area", 308)]
)
def test_what_no_route_takes_is_flasks_affair(
    app: Flask, enforcer: PolicyEnforcer, method: str, path: str, status: int
) -> None:
    app.add_url_rule("/area/", "area", lambda: "area")
    response = get(install(app, enforcer, DENY_ALL), path, method=method)
    assert (response.status_code, response.headers.get("X-Policy-Decision-Id")) == (status, None)


def test_automatic_options_are_decided(app: Flask, enforcer: PolicyEnforcer) -> None:
    assert get(install(app, enforcer, DENY_ALL), method="OPTIONS").status_code == 403


def test_static_files_are_exempt(enforcer: PolicyEnforcer, tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("body {}")
    app = install(Flask(__name__, static_folder=str(tmp_path), static_url_path="/static"), enforcer, DENY_ALL)
    response = get(app, "/static/style.css", headers={})
    assert (response.status_code, response.data) == (200, b"body {}")
    response.close()


# -- what leaves ---------------------------------------------------------------------------------------------


def test_a_hook_that_answers_is_held_back(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer)
    closed = []

    @app.before_request
    def answer() -> Response:
        response = Response("bypass")
        response.call_on_close(lambda: closed.append(True))
        return response

    response = get(app)
    assert (response.status_code, response.json["title"]) == (500, "Response without a decision")
    assert closed == [True]


@pytest.mark.parametrize("answer", [lambda: redirect("/login"), lambda: abort(401)])
def test_a_hook_that_sends_to_the_login_is_not(app: Flask, enforcer: PolicyEnforcer, answer: Any) -> None:
    install(app, enforcer)
    app.before_request(lambda: answer())
    assert get(app).status_code in (302, 401)


def test_a_hook_may_answer_an_exempt_path(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer)
    app.before_request(lambda: "alive")
    assert get(app, "/healthz").data == b"alive"
    assert get(app, "/healthzz").status_code == 500


def test_a_page_that_is_found_for_what_was_not_is_held_back(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer)
    app.register_error_handler(404, lambda _: ("<h1>The app</h1>", 200))
    assert get(app, "/nowhere").status_code == 500


def test_observing_lets_a_hook_answer(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer, mode="observe")
    app.before_request(lambda: "bypass")
    assert get(app).data == b"bypass"


def test_a_late_start_inside_is_held_to_the_decision_too(app: Flask, enforcer: PolicyEnforcer) -> None:
    inner = app.wsgi_app
    closed = []

    class Late:
        def __init__(self, environ: dict[str, Any], start_response: Any) -> None:
            self.arguments = (environ, start_response)

        def __iter__(self) -> Iterator[bytes]:
            yield from inner(*self.arguments)

        def close(self) -> None:
            closed.append(True)

    app.wsgi_app = Late  # type: ignore[method-assign,assignment]
    install(app, enforcer)
    app.before_request(lambda: "bypass" if "bypass" in request.args else None)
    assert get(app).data == SECRET
    enforcer.publish("acme", MASK_ALL)
    assert get(app).data == MASKED
    assert get(app, "/docs/7?bypass").status_code == 500
    assert closed == [True] * 3


def test_hooks_after_the_request_see_our_answers(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer, DENY_ALL)

    @app.after_request
    def mark(response: Response) -> Response:
        response.headers["X-Seen"] = str(response.status_code)
        return response

    response = get(app)
    assert (response.status_code, response.headers["X-Seen"]) == (403, "403")


def test_the_apps_page_stays_a_denial_whatever_its_handler_says(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer, DENY_ALL)

    @app.errorhandler(403)
    def page(error: Exception) -> ResponseReturnValue:
        return f"<h1>{error}</h1>", 200, {"Cache-Control": "public"}

    response = get(app, headers={**HEADERS, "Accept": "text/html"})
    assert response.status_code == 403
    assert b"<h1>403 Forbidden" in response.data
    assert response.headers.getlist("Cache-Control") == ["no-store"]
    assert response.headers["X-Policy-Decision-Id"]


def test_people_get_a_page_where_the_app_has_none(app: Flask, enforcer: PolicyEnforcer) -> None:
    response = get(install(app, enforcer, DENY_ALL), headers={**HEADERS, "Accept": "text/html"})
    assert (response.status_code, response.mimetype) == (403, "text/html")


def test_sessions_are_saved_with_our_answers(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer, DENY_ALL)

    @app.before_request
    def count() -> None:
        session["seen"] = True

    assert "Set-Cookie" in get(app).headers


# -- masked --------------------------------------------------------------------------------------------------


def test_a_stream_with_context_is_masked(app: Flask, enforcer: PolicyEnforcer) -> None:
    @app.get("/stream")
    def stream() -> Response:
        def parts() -> Iterator[bytes]:
            yield SECRET[:5]
            assert request.path == "/stream"
            yield SECRET[5:]

        return Response(stream_with_context(parts()), content_type="application/json")

    assert get(install(app, enforcer, MASK_ALL), "/stream").data == MASKED


@pytest.mark.parametrize(("mimetype", "expected"), [("application/json", 200), ("image/png", 502)])
def test_a_sent_file_is_masked_or_refused(
    app: Flask, enforcer: PolicyEnforcer, mimetype: str, expected: int
) -> None:
    file = io.BytesIO(SECRET)
    app.add_url_rule("/file", "file", lambda: send_file(file, mimetype, etag="v1"))
    asked = {**HEADERS, "If-None-Match": '"v1"', "Range": "bytes=0-3"}
    response = get(install(app, enforcer, MASK_ALL), "/file", headers=asked)
    assert response.status_code == expected
    assert b"bea@" not in response.data
    assert "ETag" not in response.headers
    assert file.closed


def test_what_was_taken_from_a_masked_request_is_given_back_outside(
    app: Flask, enforcer: PolicyEnforcer
) -> None:
    install(app, enforcer, MASK_ALL)
    inner, after = app.wsgi_app, {}

    def outside(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = inner(environ, start_response)
        after.update(environ)
        return body

    app.wsgi_app = outside  # type: ignore[method-assign]
    inside = []
    app.before_request(lambda: inside.append(request.accept_encodings and None))
    app.after_request(lambda response: inside.append("gzip" in request.accept_encodings) or response)
    get(app, headers={**HEADERS, "Accept-Encoding": "gzip"})
    assert after["HTTP_ACCEPT_ENCODING"] == "gzip"
    assert inside[-1] is False


def test_an_error_page_of_a_masked_request_is_masked(app: Flask, enforcer: PolicyEnforcer) -> None:
    app.testing = False

    @app.get("/raise")
    def fail() -> str:
        raise ValueError("bea@example.com")

    app.register_error_handler(500, lambda error: ({"email": str(error.original_exception)}, 500))
    response = get(install(app, enforcer, MASK_ALL), "/raise")
    assert (response.status_code, response.json) == (500, {"email": "[REDACTED]"})


# -- bodies --------------------------------------------------------------------------------------------------


def approved(app: Flask, enforcer: PolicyEnforcer, **sent: Any) -> Any:
    """Send a request, have it approved, and send it again."""
    parked = get(app, method="POST", **sent)
    assert parked.status_code == 202
    return parked.headers["X-Approval-Id"]


@pytest.mark.parametrize("reader", ["nothing", "form", "get_data", "stream"])
def test_a_form_that_a_hook_has_read_is_bound_to_its_approval(
    app: Flask, enforcer: PolicyEnforcer, reader: str
) -> None:
    install(app, enforcer, APPROVAL)

    @app.before_request
    def read() -> None:
        if reader == "form":
            assert request.form["amount"]
        elif reader == "get_data":
            request.get_data()
        elif reader == "stream":
            request.stream.read(3)

    first = approved(app, enforcer, data={"amount": "1"})
    assert approved(app, enforcer, data={"amount": "1"}) == first
    assert approved(app, enforcer, data={"amount": "2"}) != first


def test_a_body_that_a_hook_has_read_beyond_the_limit_cannot_be_approved(
    app: Flask, enforcer: PolicyEnforcer
) -> None:
    install(app, enforcer, APPROVAL, max_body=10)
    app.before_request(lambda: request.get_data() and None)
    assert get(app, method="POST", data=b"x" * 11).status_code == 413


def test_what_a_view_reads_is_not_kept(app: Flask, enforcer: PolicyEnforcer) -> None:
    @app.post("/upload")
    def upload() -> str:
        size = len(request.get_data())
        kept = request.environ["wsgi.input"].look_ahead(size, size)
        return f"{size} {kept}"

    assert get(install(app, enforcer), "/upload", method="POST", data=b"x" * 1000).data == b"1000 None"


# -- identity ------------------------------------------------------------------------------------------------


class Person(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    id = "carol"
    roles = ("auditor",)


def login(app: Flask, person: UserMixin | None) -> None:
    LoginManager(app).request_loader(lambda _: person)


def test_flask_logins_user_is_the_identity(app: Flask, enforcer: PolicyEnforcer) -> None:
    login(app, Person())
    install(app, enforcer, only("allow", {"user": "carol", "role": "auditor"}), subject=None, roles=None)
    assert get(app).status_code == 200


@pytest.mark.parametrize("installed", [True, False])
def test_nobody_is_who_flask_login_does_not_know(
    app: Flask, enforcer: PolicyEnforcer, installed: bool
) -> None:
    if installed:
        login(app, None)
    install(app, enforcer, subject=None, roles=None)
    assert get(app).status_code == 401


def test_own_pages_know_the_user_too(app: Flask, enforcer: PolicyEnforcer) -> None:
    login(app, Person())
    install(app, enforcer, APPROVAL, subject=None, roles=None)
    parked = get(app)
    assert parked.status_code == 202
    status = get(app, parked.headers["Location"])
    assert (status.status_code, status.json["task"]["status"]) == (200, "pending")


# -- signals -------------------------------------------------------------------------------------------------


def test_listeners_hear_of_every_decision(app: Flask, enforcer: PolicyEnforcer) -> None:
    install(app, enforcer)
    heard = []

    def listen(sender: Flask, decision: Any) -> None:
        heard.append((sender, decision.effect))

    with policy_decided.connected_to(listen, app):
        get(app)
        enforcer.publish("acme", DENY_ALL)
        get(app)
        get(app, "/healthz")
    assert heard == [(app, "allow"), (app, "deny")]


# -- what is told at start-up --------------------------------------------------------------------------------


def told(app: Flask, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Answer two requests; return what was told, which the doctor has to say as well."""
    caplog.clear()
    get(app)
    get(app)
    messages = [message for message in caplog.messages if message.startswith("start-up: ")]
    seen = {f"start-up: {remark}" for remark in inspect_application(app)}
    assert set(messages) <= seen
    return messages


@pytest.mark.parametrize(
    ("package", "says"),
    [("flask_cors.extension", "preflight"), ("flask_compress.flask_compress", "compresses")],
)
def test_an_extension_that_works_inside_is_told_once(
    app: Flask, enforcer: PolicyEnforcer, caplog: pytest.LogCaptureFixture, package: str, says: str
) -> None:
    def hook(response: Response) -> Response:
        return response

    hook.__module__ = package
    install(app, enforcer)
    app.after_request(hook)
    (message,) = told(app, caplog)
    assert says in message


def test_who_answers_preflights_around_the_app_is_told_nothing(
    app: Flask, enforcer: PolicyEnforcer, caplog: pytest.LogCaptureFixture
) -> None:
    def hook(response: Response) -> Response:
        return response

    hook.__module__ = "flask_cors.extension"
    app.after_request(hook)
    install(app, enforcer)
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start_response: inner(environ, start_response)  # type: ignore[method-assign]
    assert told(app, caplog) == []


def test_wsgi_middlewares_on_the_wrong_side_are_told(
    app: Flask, enforcer: PolicyEnforcer, caplog: pytest.LogCaptureFixture
) -> None:
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {})  # type: ignore[method-assign]
    install(app, enforcer, trusted_proxies="127.0.0.1")
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    inside, proxy = told(app, caplog)
    assert "DispatcherMiddleware is installed inside" in inside
    assert "ProxyFix(x_for=0)" in proxy


def test_debug_mode_is_told(app: Flask, enforcer: PolicyEnforcer, caplog: pytest.LogCaptureFixture) -> None:
    app.debug = True
    (message,) = told(install(app, enforcer), caplog)
    assert "debug mode" in message


def test_an_app_without_the_extension_is_told_by_the_doctor(app: Flask) -> None:
    assert "nothing is decided" in str(next(inspect_application(app)))
