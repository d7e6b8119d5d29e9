from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.gate import build_gate
from policy_middleware.wsgi import EnvironView, PolicyMiddleware, is_decided, mark_decided, status_line

from .asgi_policies import ALLOW_ALL, DENY_ALL, MASK_ALL, SOURCES, only
from .wsgi_calls import call, environ_of

JSON = [("Content-Type", "application/json")]
SECRET = b'{"email": "bea@example.com"}'
MASKED = b'{"email": "[REDACTED]"}'


class Body:
    """An iterable that is not its own iterator, and knows whether it was closed."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self.parts = parts
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part

    def close(self) -> None:
        self.closed += 1


def answering(body: Iterable[bytes], headers: list[tuple[str, str]] = JSON, status: str = "200 OK") -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response(status, list(headers))
        return body

    return app


@pytest.fixture
def policed(enforcer: PolicyEnforcer) -> Callable[..., PolicyMiddleware]:
    """Put an app under a policy for tenant acme."""

    def policed(app: Any, document: dict[str, object] = ALLOW_ALL, **options: Any) -> PolicyMiddleware:
        enforcer.publish("acme", document)
        return PolicyMiddleware(app, enforcer=enforcer, **{**SOURCES, **options})

    return policed


Policed = Callable[..., PolicyMiddleware]


# -- allowed: untouched ----------------------------------------------------------------------


def test_the_apps_own_iterable_is_returned(policed: Policed) -> None:
    body = Body(b"a", b"b")
    app = policed(answering(body))
    assert app(environ_of(), lambda status, headers: None) is body
    assert body.closed == 0


def test_a_file_wrapper_reaches_the_server_as_it_is(policed: Policed) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(b"file"))
        return wrapped

    returned = policed(app)(environ_of(**{"wsgi.file_wrapper": FileWrapper}), lambda status, headers: None)
    assert type(returned) is FileWrapper


def test_start_response_gets_two_arguments_unless_there_is_exc_info(policed: Policed) -> None:
    calls = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError:
            start_response("500 Oops", [], sys.exc_info())
        return []

    policed(app)(environ_of(), lambda *arguments: calls.append(arguments))
    assert [len(arguments) for arguments in calls] == [2, 3]
    assert calls[1][2][0] is ValueError


def test_the_list_of_headers_that_the_app_keeps_does_not_grow(policed: Policed) -> None:
    headers = [("Content-Type", "text/plain")]

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", headers)
        return []

    middleware = policed(app)
    assert call(middleware).header("x-policy-decision-id") is not None
    assert headers == [("Content-Type", "text/plain")]


def test_the_write_callable_is_the_servers(policed: Policed) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"written ")
        return [b"returned"]

    assert call(policed(app)).body == b"written returned"


def test_an_app_may_start_its_response_when_it_is_first_iterated(policed: Policed) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"late"

    received = call(policed(app))
    assert (received.body, received.header("x-policy-decision-id") is not None) == (b"late", True)


def test_an_exception_of_an_allowed_app_is_the_servers_affair(policed: Policed) -> None:
    error = KeyError("mine")
    with pytest.raises(KeyError) as raised:
        call(policed(answering(Body(b"a", error))))
    assert raised.value is error


def test_an_allowed_request_passes_the_validator(policed: Policed) -> None:
    app = validator(policed(validator(answering([b"ok"], [("Content-Type", "text/plain")]))))
    assert call(app, environ_of(QUERY_STRING="")).body == b"ok"


@pytest.mark.parametrize(
    "document", [DENY_ALL, MASK_ALL, only("require_approval", {}, approval={"approvers": {"role": "dpo"}})]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_our_own_answers_pass_the_validator(
    policed: Policed, document: dict[str, object], method: str
) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = b"" if method == "HEAD" else SECRET
        start_response("200 OK", [*JSON, ("Content-Length", str(len(SECRET)))])
        return [body]

    middleware = validator(policed(validator(app), document))
    received = call(middleware, environ_of(method, QUERY_STRING="", body=b"x" if method == "POST" else None))
    assert received.status[:3] in ("200", "202", "403")
    assert b"bea@" not in received.body


# -- masked ----------------------------------------------------------------------


def test_a_masked_body_is_closed_and_nothing_of_it_leaves(policed: Policed) -> None:
    body = Body(SECRET[:7], b"", SECRET[7:])
    received = call(policed(answering(body), MASK_ALL))
    assert (received.body, body.closed) == (MASKED, 1)
    assert received.header("content-length") == str(len(MASKED))
    assert received.header("x-policy-masked") == "1"


def test_what_is_written_is_masked_too(policed: Policed) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", list(JSON))
        write(SECRET[:10])
        return [SECRET[10:]]

    received = call(policed(app, MASK_ALL))
    assert (received.body, received.written) == (MASKED, [])


def test_a_masked_app_does_not_see_what_leads_to_unmaskable_answers(policed: Policed) -> None:
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.update(environ)
        start_response("200 OK", list(JSON))
        return [SECRET]

    asked = {
        "HTTP_ACCEPT_ENCODING": "gzip",
        "HTTP_RANGE": "bytes=0-1",
        "HTTP_IF_RANGE": '"v1"',
        "HTTP_IF_NONE_MATCH": '"v1"',
        "HTTP_IF_MODIFIED_SINCE": "Sun, 01 Mar 2026 00:00:00 GMT",
        "wsgi.file_wrapper": FileWrapper,
        "HTTP_UPGRADE": "websocket",
        # Flask-Sock and its kin take the socket itself from one of these, and send past the mask.
        "werkzeug.socket": "the socket",
        "gunicorn.socket": "the socket",
        "eventlet.input": "the socket",
        "wsgi.websocket": "the socket",
        # gunicorn sends headers ahead (103) by this one.
        "wsgi.early_hints": print,
    }
    environ = environ_of(**asked)
    assert call(policed(app, MASK_ALL), environ).body == MASKED
    assert not asked.keys() & seen.keys()
    assert asked.items() <= environ.items()


def test_the_preconditions_of_a_write_reach_a_masked_app(policed: Policed) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("412 Precondition Failed" if "HTTP_IF_NONE_MATCH" in environ else "200 OK", list(JSON))
        return [b"{}"]

    environ = environ_of("PUT", HTTP_IF_NONE_MATCH="*")
    assert call(policed(app, MASK_ALL), environ).status == "412 Precondition Failed"


def test_a_masked_app_may_start_anew_until_its_first_byte(policed: Policed) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "image/png"), ("Content-Length", "5")])
        try:
            raise ValueError
        except ValueError:
            start_response("500 Oops", list(JSON), sys.exc_info())
        return [SECRET]

    received = call(policed(app, MASK_ALL))
    assert (received.status, received.body) == ("500 Internal Server Error", MASKED)


def test_a_masked_app_cannot_start_anew_after_its_first_byte(policed: Policed) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", list(JSON))(SECRET)
        try:
            raise ValueError("too late")
        except ValueError:
            start_response("500 Oops", list(JSON), sys.exc_info())
        return []

    with pytest.raises(ValueError, match="too late"):
        call(policed(app, MASK_ALL))


@pytest.mark.parametrize("misuse", ["twice", "never"])
def test_a_masked_app_that_breaks_the_protocol_is_told_so(policed: Policed, misuse: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if misuse == "twice":
            start_response("200 OK", list(JSON))
            start_response("200 OK", list(JSON))
        return [SECRET]

    with pytest.raises(AssertionError, match="start_response"):
        call(policed(app, MASK_ALL))


def test_an_exception_of_a_masked_app_goes_on_and_the_body_is_closed(policed: Policed) -> None:
    error = KeyError("mine")
    body = Body(SECRET, error)
    with pytest.raises(KeyError) as raised:
        call(policed(answering(body), MASK_ALL))
    assert (raised.value, body.closed) == (error, 1)


def test_an_endless_stream_is_refused_and_closed(policed: Policed) -> None:
    class Endless(Body):
        def __iter__(self) -> Iterator[bytes]:
            yield b"["
            while True:
                yield b'"bea@example.com",'

    body = Endless()
    received = call(policed(answering(body), MASK_ALL, max_masked_body=1000))
    assert (received.status, body.closed) == ("502 Bad Gateway", 1)
    assert b"bea@" not in received.body


def test_an_unmaskable_start_is_refused_before_the_body_is_made(policed: Policed) -> None:
    body = Body(AssertionError("the body was asked for"))
    received = call(policed(answering(body, [("X-Sendfile", "/srv/report.json")]), MASK_ALL))
    assert (received.status, body.closed) == ("502 Bad Gateway", 1)


def test_a_refusal_does_not_surface_inside_the_apps_write(policed: Policed) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Type", "image/png")])
        try:
            write(b"bea@example.com")
        except Exception:  # noqa: BLE001 -- what careless code does
            return [b"bea@example.com"]
        return []

    received = call(policed(app, MASK_ALL))
    assert (received.status, b"bea@" in received.body) == ("502 Bad Gateway", False)


# -- paths and installation ----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["//secret", "secret", "///secret"])
def test_slashes_that_routers_ignore_do_not_hide_a_path(policed: Policed, path: str) -> None:
    app = policed(answering([b"ok"]), only("deny", {"action": "GET /secret"}, default="allow"))
    assert call(app, environ_of(path=path)).status == "403 Forbidden"


def test_a_path_is_compared_as_utf_8(policed: Policed) -> None:
    app = policed(answering([b"ok"]), only("deny", {"http.path": "/größe"}, default="allow"))
    assert call(app, environ_of(path="/größe".encode().decode("latin-1"))).status == "403 Forbidden"


def test_bytes_that_are_no_utf_8_are_decided_all_the_same(policed: Policed) -> None:
    app = policed(answering([b"ok"]), DENY_ALL)
    assert call(app, environ_of(path="/\xff")).status == "403 Forbidden"


@pytest.mark.parametrize("method", ["delete", "DELETE"])
def test_methods_are_compared_in_upper_case(policed: Policed, method: str) -> None:
    app = policed(answering([b"ok"]), only("deny", {"http.method": "DELETE"}, default="allow"))
    assert call(app, environ_of(method)).status == "403 Forbidden"


@pytest.mark.parametrize("rewritten", [{"PATH_INFO": "/secret"}, {"REQUEST_METHOD": "DELETE"}])
def test_a_request_rewritten_between_two_middlewares_is_decided_again(
    policed: Policed, enforcer: PolicyEnforcer, rewritten: dict[str, str]
) -> None:
    inner = policed(answering([b"ok"]))

    def rewriting(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return inner(environ | rewritten, start_response)

    document = only("allow", {"action": "GET /docs/7"})
    assert call(policed(rewriting, document)).status == "403 Forbidden"


def test_moving_a_prefix_into_the_script_name_keeps_a_request_decided() -> None:
    environ = environ_of(path="/app/docs")
    with PolicyEnforcer.from_url("memory://", decision_log=lambda record: None) as enforcer:
        gate = build_gate({"enforcer": enforcer, **SOURCES})
        mark_decided(environ, gate)
        assert is_decided({**environ, "SCRIPT_NAME": "/app", "PATH_INFO": "/docs"}, gate)
        assert not is_decided({**environ, "PATH_INFO": "/docs"}, gate)


def test_what_was_only_observed_outside_is_enforced_inside(policed: Policed) -> None:
    inner = policed(answering([b"ok"]), DENY_ALL)
    assert call(policed(inner, DENY_ALL, mode="observe")).status == "403 Forbidden"


def test_what_is_exempt_outside_is_decided_inside(policed: Policed) -> None:
    inner = policed(answering([b"ok"]), DENY_ALL)
    assert call(policed(inner, DENY_ALL, exempt=["/docs"])).status == "403 Forbidden"


def test_a_masked_response_does_not_carry_the_apps_own_reason_phrase(policed: Policed) -> None:
    app = policed(answering([b'{"email": "bea@example.com"}'], status="404 No bea@example.com"), MASK_ALL)
    answer = call(app)
    assert (answer.status, answer.body) == ("404 Not Found", MASKED)


def test_a_client_cannot_say_that_it_is_decided(policed: Policed) -> None:
    app = policed(answering([b"ok"]), DENY_ALL)
    assert call(app, environ_of(HTTP_POLICY_MIDDLEWARE_DECIDED="1")).status == "403 Forbidden"


def test_custom_sources_receive_the_environ(policed: Policed) -> None:
    seen = []

    def tenant(environ: dict[str, Any]) -> str:
        seen.append(environ)
        return "acme"

    environ = environ_of()
    assert call(policed(answering([b"ok"]), tenant=tenant), environ).status == "200 OK"
    assert seen == [environ]


def test_asynchronous_sources_run_to_their_end(policed: Policed) -> None:
    async def tenant(environ: dict[str, Any]) -> str:
        return "acme"

    assert call(policed(answering([b"ok"]), tenant=tenant)).status == "200 OK"


def test_the_view_reads_headers_with_and_without_prefix() -> None:
    view = EnvironView({"CONTENT_TYPE": "text/plain", "HTTP_X_USER": "bea", "SCRIPT_NAME": "/app"})
    assert view.header("content-type") == ("text/plain",)
    assert view.header("x-user") == ("bea",)
    assert view.header("x-none") == ()
    assert (view.path, view.root_path, view.host, view.client, view.query) == ("/", "/app", None, None, "")


def test_a_status_without_a_phrase_has_one_all_the_same() -> None:
    assert (status_line(403), status_line(599)) == ("403 Forbidden", "599 Unknown")
