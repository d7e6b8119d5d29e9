from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished
from django.db import connection
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.template.response import SimpleTemplateResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from policy_middleware.attributes import header, user
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.wsgi import PolicyMiddleware as WsgiPolicyMiddleware
from policy_middleware_django import PolicyMiddleware

from .asgi_policies import ALLOW_ALL, DENY_ALL, MASK_ALL, SOURCES, only
from .django_calls import HEADERS, aget, get, project
from .wsgi_calls import call, environ_of

SECRET = b'{"email": "bea@example.com"}'
MASKED = b'{"email": "[REDACTED]"}'
APPROVAL = only("require_approval", {}, approval={"approvers": {"role": "dpo"}})
HERE = __name__


def read(request: HttpRequest, **parameters: Any) -> HttpResponse:
    return HttpResponse(SECRET, content_type="application/json")


DOCS = path("docs/<int:id>", csrf_exempt(read))


class Answering:
    """A middleware that answers by itself when it is asked to."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        status = request.headers.get("X-Answer")
        return HttpResponse("bypass", status=int(status)) if status else self.get_response(request)


class Streaming(Answering):
    """The same with a stream."""

    def __call__(self, request: HttpRequest) -> Any:
        return StreamingHttpResponse(iter([b"by", b"pass"]))


class OverridingMethod(Answering):
    """A middleware that lets a header choose the method."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.method = request.headers.get("X-HTTP-Method-Override", request.method)
        return self.get_response(request)


class OverridingMethodLate(Answering):
    """The same when the view is known already."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        request.method = "DELETE"


class Noting(Answering):
    """A middleware outside that notes what it sees once the response is there."""

    seen: dict[str, Any] = {}  # noqa: RUF012 -- the tests' own

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.seen.update(before=request.headers.get("Accept-Encoding"))
        response = self.get_response(request)
        self.seen.update(encoding=request.headers.get("Accept-Encoding"), response=response)
        return response


# -- where it decides ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"), [("200", 500), ("204", 500), ("302", 302), ("404", 404), ("503", 503)]
)
def test_what_a_middleware_inside_answers_is_held_back_when_it_is_a_success(
    enforcer: PolicyEnforcer, status: str, expected: int
) -> None:
    with project(enforcer, [DOCS], inside=[f"{HERE}.Answering"]):
        response = get(headers={**HEADERS, "X-Answer": status})
    assert response.status_code == expected
    assert (b"bypass" in response.content) == (expected != 500)


def test_a_stream_that_nobody_decided_on_is_held_back(enforcer: PolicyEnforcer) -> None:
    with project(enforcer, [DOCS], inside=[f"{HERE}.Streaming"]):
        response = get()
    assert response.status_code == 500
    assert json.loads(response.getvalue())["title"] == "Response without a decision"


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/healthz", 200), ("/healthzz", 500), ("/static/a.css", 200), ("/static", 500), ("/staticky", 500)],
)
def test_an_exempt_path_may_be_answered_by_a_middleware(
    enforcer: PolicyEnforcer, target: str, expected: int
) -> None:
    with project(enforcer, inside=[f"{HERE}.Answering"]):
        assert get(target, headers={"X-Answer": "200"}).status_code == expected


@pytest.mark.parametrize("static_url", [None, "/", "https://cdn.example/static/"])
def test_only_a_path_of_its_own_makes_static_files(enforcer: PolicyEnforcer, static_url: str | None) -> None:
    with project(enforcer, inside=[f"{HERE}.Answering"], settings={"STATIC_URL": static_url}):
        assert get("/static/a.css", headers={"X-Answer": "200"}).status_code == 500


def test_static_files_by_djangos_own_view_are_exempt_and_uploads_are_not(
    enforcer: PolicyEnforcer, tmp_path: Path
) -> None:
    from django.views.static import serve

    (tmp_path / "a.css").write_text("body {}")
    enforcer.publish("acme", DENY_ALL)
    routes = [path(f"{base}/<path:path>", serve, {"document_root": tmp_path}) for base in ("static", "media")]
    with project(enforcer, routes):
        static, media = get("/static/a.css", headers={}), get("/media/a.css")
        assert (static.status_code, static.getvalue(), media.status_code) == (200, b"body {}", 403)


def test_a_404_and_a_slash_redirect_are_djangos_own(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", DENY_ALL)
    common = ["django.middleware.common.CommonMiddleware"]
    with project(enforcer, [path("area/", read)], outside=common):
        assert get("/nowhere").status_code == 404
        assert get("/area").status_code == 301


def test_a_page_that_is_found_for_what_was_not_is_held_back(enforcer: PolicyEnforcer) -> None:
    handlers = {"handler404": lambda request, exception: HttpResponse("the app")}
    with project(enforcer, [DOCS], handlers=handlers):
        assert get("/nowhere").status_code == 500


def test_a_method_override_is_decided_as_django_dispatches_it(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("deny", {"action": "DELETE /docs/{id}"}, default="allow"))
    for place in ("outside", "inside"):
        with project(enforcer, [DOCS], **{place: [f"{HERE}.OverridingMethod"]}):
            assert get(headers={**HEADERS, "X-HTTP-Method-Override": "DELETE"}).status_code == 403
            assert get().status_code == 200


def test_a_method_that_is_rewritten_after_the_decision_is_held_back(enforcer: PolicyEnforcer) -> None:
    with project(enforcer, [DOCS], inside=[f"{HERE}.OverridingMethodLate"]):
        response = get()
    assert (response.status_code, b"bea@" in response.content) == (500, False)


def test_an_included_regex_route_is_decided_on_its_template(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("allow", {"action": "GET /shop/{shop}/items/{id}", "resource.id": "4"}))
    inner = [re_path(r"^items/(?P<id>\d+)$", read)]
    with project(enforcer, [path("shop/<int:shop>/", include(inner))]):
        assert get("/shop/3/items/4").status_code == 200
        assert get("/shop/3/items/5").status_code == 403


def test_a_path_prefix_of_the_server_is_not_part_of_the_path(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("allow", {"http.path": "/docs/7"}))
    with project(enforcer, [DOCS], settings={"FORCE_SCRIPT_NAME": "/app"}):
        assert get().status_code == 200


def test_below_a_wsgi_middleware_with_the_same_enforcer_it_decides_once(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("allow", {"action": "GET /docs/7"}))
    with project(enforcer, [DOCS]):
        received = call(WsgiPolicyMiddleware(WSGIHandler(), enforcer=enforcer, **SOURCES))
    names = [name for name, _ in received.headers if name == "X-Policy-Decision-Id"]
    assert (received.body, len(names)) == (SECRET, 1)


def test_a_method_that_django_overrides_is_decided_again_below_a_wsgi_middleware(
    enforcer: PolicyEnforcer,
) -> None:
    enforcer.publish("acme", only("deny", {"http.method": "DELETE"}, default="allow"))
    with project(enforcer, [DOCS], outside=[f"{HERE}.OverridingMethod"]):
        app = WsgiPolicyMiddleware(WSGIHandler(), enforcer=enforcer, **SOURCES)
        assert call(app).status == "200 OK"
        received = call(app, environ_of(HTTP_X_HTTP_METHOD_OVERRIDE="DELETE"))
    assert received.status == "403 Forbidden"


def test_process_view_decides_for_callers_that_are_not_djangos_handler(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", DENY_ALL)
    request = RequestFactory().get("/docs/7", headers=HEADERS)
    with project(enforcer, [DOCS]):
        middleware = PolicyMiddleware(lambda request: HttpResponse())
        assert middleware.process_view(request, read, (), {}).status_code == 403


def test_settings_that_cannot_work_stop_the_start(enforcer: PolicyEnforcer) -> None:
    from policy_middleware.model.errors import SettingsError

    for handler in (WSGIHandler, ASGIHandler):
        with project(enforcer, [DOCS], tenannt=header("X-Tenant-ID")), pytest.raises(SettingsError):
            handler()


# -- what leaves ---------------------------------------------------------------------------------------------


def test_the_projects_page_stays_a_denial_whatever_its_handler_says(enforcer: PolicyEnforcer) -> None:
    def page(request: HttpRequest, exception: Exception) -> HttpResponse:
        return HttpResponse(f"<h1>{exception}</h1>", headers={"Cache-Control": "public"})

    enforcer.publish("acme", only("deny", {}))
    with project(enforcer, [DOCS], handlers={"handler403": page}):
        response = get(headers={**HEADERS, "Accept": "text/html"})
    assert (response.status_code, response.content) == (403, b"<h1>Because.</h1>")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Policy-Decision-Id"]


def test_a_denial_opens_no_transaction(enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    statements = []
    for document in (ALLOW_ALL, DENY_ALL):
        enforcer.publish("acme", document)
        with project(enforcer, [DOCS]), CaptureQueriesContext(connection) as captured:
            get()
        statements.append([query["sql"] for query in captured.captured_queries])
    assert statements == [["BEGIN", "COMMIT"], []]


# -- masked --------------------------------------------------------------------------------------------------


def test_the_response_object_is_kept_with_its_cookies_and_closers(enforcer: PolicyEnforcer) -> None:
    made: list[HttpResponse] = []
    closed = []

    class Closing(HttpResponse):
        def close(self) -> None:
            closed.append(True)
            super().close()

    def view(request: HttpRequest, **parameters: Any) -> HttpResponse:
        response = Closing(SECRET, content_type="application/json", headers={"ETag": '"v1"', "X-Own": "1"})
        response.set_cookie("own", "1")
        made.append(response)
        return response

    enforcer.publish("acme", MASK_ALL)
    with project(enforcer, [path("docs/<int:id>", view)], outside=[f"{HERE}.Noting"]):
        response = get()
        response.close()
    assert Noting.seen["response"] is made[0]
    assert (response.content, response.cookies["own"].value, response.headers["X-Own"]) == (MASKED, "1", "1")
    assert "ETag" not in response.headers
    assert response.headers["Content-Length"] == str(len(MASKED))
    assert closed


def test_a_refused_response_keeps_nothing_of_the_original(enforcer: PolicyEnforcer) -> None:
    def view(request: HttpRequest, **parameters: Any) -> HttpResponse:
        response = HttpResponse("bea@example.com", "text/plain", reason="bea", headers={"X-Own": "bea"})
        response.set_cookie("own", "bea")
        return response

    enforcer.publish("acme", MASK_ALL)
    with project(enforcer, [path("docs/<int:id>", view)]):
        response = get()
    assert (response.status_code, response.reason_phrase) == (502, "Bad Gateway")
    assert b"bea" not in response.serialize()
    assert not response.cookies


def test_a_template_response_is_masked_once_it_is_rendered(enforcer: PolicyEnforcer) -> None:
    class Rendered(SimpleTemplateResponse):
        @property
        def rendered_content(self) -> str:
            return SECRET.decode()

    enforcer.publish("acme", MASK_ALL)
    view = path("docs/<int:id>", lambda request, **_: Rendered("none", content_type="application/json"))
    with project(enforcer, [view]):
        assert get().content == MASKED


def streamed(request: HttpRequest, **parameters: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([SECRET[:9], SECRET[9:]]), content_type="application/json")


def streamed_asynchronously(request: HttpRequest, **parameters: Any) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield SECRET[:9]
        yield SECRET[9:]

    return StreamingHttpResponse(parts(), content_type="application/json")


@pytest.mark.parametrize("view", [streamed, streamed_asynchronously])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_stream_of_either_kind_is_masked_under_either_protocol(
    enforcer: PolicyEnforcer, view: Any, asynchronous: bool
) -> None:
    enforcer.publish("acme", MASK_ALL)
    with project(enforcer, [path("docs/<int:id>", view)], outside=[f"{HERE}.Noting"][: not asynchronous]):
        response = async_to_sync(aget)() if asynchronous else get()
        # Each protocol warns about an iterator of the other kind, and warnings are errors.
        assert async_to_sync(_joined)(response) == MASKED
    assert response.headers["Content-Length"] == str(len(MASKED))


async def _joined(response: Any) -> bytes:
    if response.is_async:
        return b"".join([part async for part in response])
    return b"".join(response)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_endless_stream_is_refused_and_closed(enforcer: PolicyEnforcer, asynchronous: bool) -> None:
    class Endless:
        closed = 0

        def __iter__(self) -> Iterator[bytes]:
            yield b"["
            while True:
                yield b'"bea@example.com",'

        def close(self) -> None:
            self.closed += 1

    body = Endless()
    enforcer.publish("acme", MASK_ALL)
    view = path(
        "docs/<int:id>", lambda request, **_: StreamingHttpResponse(body, content_type="application/json")
    )
    with project(enforcer, [view], max_masked_body=1000):
        response = async_to_sync(aget)() if asynchronous else get()
        assert response.status_code == 502
        assert b"bea@" not in async_to_sync(_joined)(response)
        response.close()
    assert body.closed == 1


@pytest.mark.parametrize(("mimetype", "expected"), [("application/json", 200), ("image/png", 502)])
def test_a_file_is_masked_or_refused_and_never_handed_to_the_server(
    enforcer: PolicyEnforcer, mimetype: str, expected: int
) -> None:
    file = io.BytesIO(SECRET)
    enforcer.publish("acme", MASK_ALL)
    view = path("docs/<int:id>", lambda request, **_: FileResponse(file, content_type=mimetype))

    def wrapper(*arguments: Any) -> Any:
        raise AssertionError("the server was handed the file")

    with project(enforcer, [view]):
        received = call(WSGIHandler(), environ_of(**{"wsgi.file_wrapper": wrapper}))
    assert received.status[:3] == str(expected)
    assert b"bea@" not in received.body
    assert file.closed


@pytest.mark.parametrize("debug", [False, True])
def test_an_exception_of_a_stream_that_is_masked_is_no_page_of_django(
    enforcer: PolicyEnforcer, caplog: pytest.LogCaptureFixture, debug: bool
) -> None:
    def parts() -> Iterator[bytes]:
        yield SECRET
        raise ValueError("bea@example.com")

    enforcer.publish("acme", MASK_ALL)
    view = path(
        "docs/<int:id>", lambda request, **_: StreamingHttpResponse(parts(), content_type="application/json")
    )
    with project(enforcer, [view]), override_settings(DEBUG=debug):
        response = get()
    assert (response.status_code, b"bea@" in response.getvalue()) == (502, False)
    (told,) = [record for record in caplog.records if record.exc_info]
    assert told.name == "policy_middleware"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_file_set_aside_for_the_server_is_not_sent_in_place_of_the_masked_content(
    enforcer: PolicyEnforcer, asynchronous: bool
) -> None:
    def view(request: HttpRequest, **parameters: Any) -> HttpResponse:
        response = JsonResponse({"email": "bea@example.com"})
        response.file_to_stream = io.BytesIO(SECRET)
        return response

    enforcer.publish("acme", MASK_ALL)
    with project(enforcer, [path("docs/<int:id>", view)]):
        response = async_to_sync(aget)() if asynchronous else get()
    assert (response.status_code, response.file_to_stream) == (200, None)
    assert b"bea@" not in response.content


class OfItsOwn(HttpResponse):
    """A response that gives servers something else than its content."""

    def __iter__(self) -> Iterator[bytes]:
        return iter([SECRET])


@pytest.mark.parametrize("policy", [MASK_ALL, ALLOW_ALL])
def test_a_response_that_iterates_in_a_way_of_its_own_leaves_only_where_nothing_is_masked(
    enforcer: PolicyEnforcer, policy: dict[str, object]
) -> None:
    enforcer.publish("acme", policy)
    with project(enforcer, [path("docs/<int:id>", lambda request, **_: OfItsOwn(content_type="text/plain"))]):
        response = get()
    seen = b"".join(response)
    assert (response.status_code, b"bea@" in seen) == ((500, False) if policy is MASK_ALL else (200, True))


def test_a_view_does_not_see_what_leads_to_unmaskable_answers_and_a_compressor_outside_does(
    enforcer: PolicyEnforcer,
) -> None:
    seen = {}

    def view(request: HttpRequest, **parameters: Any) -> HttpResponse:
        seen.update(request.headers)
        return JsonResponse({"email": "bea@example.com", "padding": "x" * 1000})

    enforcer.publish("acme", MASK_ALL)
    outside = ["django.middleware.gzip.GZipMiddleware", f"{HERE}.Noting"]
    with project(enforcer, [path("docs/<int:id>", view)], outside=outside):
        response = get(
            headers={**HEADERS, "Accept-Encoding": "gzip", "Range": "bytes=0-1", "If-None-Match": "*"}
        )
    assert not {"Accept-Encoding", "Range", "If-None-Match"} & seen.keys()
    assert Noting.seen["encoding"] == "gzip"
    assert response.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_large_bodies_are_masked_too(enforcer: PolicyEnforcer, asynchronous: bool) -> None:
    def view(request: HttpRequest, **parameters: Any) -> HttpResponse:
        return JsonResponse({"email": "bea@example.com", "padding": "x" * 100_000})

    enforcer.publish("acme", MASK_ALL)
    with project(enforcer, [path("docs/<int:id>", view)]):
        response = async_to_sync(aget)() if asynchronous else get()
    assert json.loads(response.content)["email"] == "[REDACTED]"


# -- bodies --------------------------------------------------------------------------------------------------


def post(data: Any, content_type: str | None = None, **more: Any) -> Any:
    client = Client(raise_request_exception=False)
    given = {} if content_type is None else {"content_type": content_type}
    return client.post("/docs/7", data, headers=HEADERS, **given, **more)


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded"])
def test_a_body_that_csrf_protection_has_read_is_bound_to_its_approval(
    enforcer: PolicyEnforcer, content_type: str | None
) -> None:
    enforcer.publish("acme", APPROVAL)
    csrf = ["django.middleware.csrf.CsrfViewMiddleware"]
    client, secret = Client(enforce_csrf_checks=True), "s" * 32
    client.cookies["csrftoken"] = secret

    def send(amount: str) -> Any:
        form = {"csrfmiddlewaretoken": secret, "amount": amount}
        if content_type is None:
            return client.post("/docs/7", form, headers=HEADERS)
        return client.post("/docs/7", urlencode(form), content_type, headers=HEADERS)

    with project(enforcer, [path("docs/<int:id>", read)], outside=csrf):
        answers = [send(amount) for amount in ("1", "1", "2")]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    ids = [answer.headers["X-Approval-Id"] for answer in answers]
    assert ids[0] == ids[1] != ids[2]


def test_a_body_that_ends_early_cannot_be_approved(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", APPROVAL)
    with project(enforcer, [DOCS]):
        received = call(WSGIHandler(), environ_of("POST", body=b"half", CONTENT_LENGTH="8"))
    assert received.status[:3] == "413"


def test_an_upload_reaches_the_view_in_full(enforcer: PolicyEnforcer) -> None:
    def view(request: HttpRequest, **parameters: Any) -> HttpResponse:
        file = request.FILES["file"]
        return HttpResponse(f"{file.name} {file.size} {request.POST['note']}")

    for size in (10, 3_000_000):
        with project(enforcer, [path("docs/<int:id>", csrf_exempt(view))]):
            upload = SimpleUploadedFile("a.bin", b"x" * size)
            assert post({"file": upload, "note": "n"}).content == b"a.bin %d n" % size


def test_an_upload_that_is_too_long_cannot_be_approved(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", APPROVAL)
    with project(enforcer, [DOCS]):
        assert post({"file": SimpleUploadedFile("a.bin", b"x" * 1_100_000)}).status_code == 413


def test_a_body_over_djangos_own_limit_cannot_be_approved(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", APPROVAL)
    with project(enforcer, [DOCS], settings={"DATA_UPLOAD_MAX_MEMORY_SIZE": 10}):
        assert post("x" * 11, "text/plain").status_code == 413


class ReadingForms(Answering):
    """A middleware that parses a form, whatever its size."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        _ = request.POST
        return self.get_response(request)


def test_a_form_that_was_parsed_outside_cannot_be_approved(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", APPROVAL)
    with project(enforcer, [DOCS], outside=[f"{HERE}.ReadingForms"]):
        assert post({"amount": "1"}).status_code == 413


# -- identity ------------------------------------------------------------------------------------------------


class Person:
    """A user of the framework."""

    is_authenticated = True
    username = "carol"
    roles = ("auditor",)

    def get_username(self) -> str:
        return "carol"


class AnonymousPerson:
    """What Django calls nobody."""

    is_authenticated = False
    username = "nobody"


class Authenticating(Answering):
    """Puts a user where AuthenticationMiddleware puts one."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.user = Person() if "X-Known" in request.headers else AnonymousPerson()  # type: ignore[assignment]
        return self.get_response(request)


def test_djangos_user_is_the_identity_and_an_anonymous_one_is_nobody(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("allow", {"user": "carol", "role": "auditor"}))
    options = {"subject": None, "roles": None, "outside": [f"{HERE}.Authenticating"]}
    with project(enforcer, [DOCS], **options):
        assert get(headers={**HEADERS, "X-Known": "1"}).status_code == 200
        assert get().status_code == 401


def test_without_any_authentication_nobody_is_known(enforcer: PolicyEnforcer) -> None:
    with project(enforcer, [DOCS], subject=None, roles=None):
        assert get().status_code == 401


def test_another_identity_source_has_the_only_say(enforcer: PolicyEnforcer) -> None:
    options = {
        "identity": lambda request: None,
        "subject": user("username"),
        "outside": [f"{HERE}.Authenticating"],
    }
    with project(enforcer, [DOCS], **options):
        assert get(headers={**HEADERS, "X-Known": "1"}).status_code == 401


def test_a_header_that_a_middleware_outside_has_removed_is_not_read(enforcer: PolicyEnforcer) -> None:
    for ask in (get, async_to_sync(aget)):
        with project(enforcer, [DOCS], outside=[f"{HERE}.RemovingUser"]):
            assert ask().status_code == 401


class RemovingUser(Answering):
    """Does not let clients say who they are."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        del request.META["HTTP_X_USER"]
        return self.get_response(request)


# -- installed as it should be -------------------------------------------------------------------------------


def test_it_is_of_the_kind_of_the_handler(enforcer: PolicyEnforcer) -> None:
    async def get_response(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    with project(enforcer):
        asynchronous = PolicyMiddleware(get_response)
        synchronous = PolicyMiddleware(lambda request: HttpResponse())
    assert iscoroutinefunction(asynchronous)
    assert iscoroutinefunction(asynchronous.process_view)
    assert not iscoroutinefunction(synchronous)
    assert not iscoroutinefunction(synchronous.process_view)


def test_a_response_is_finished_once(enforcer: PolicyEnforcer) -> None:
    finished: list[Any] = []

    def note(**_: Any) -> None:
        finished.append(True)

    enforcer.publish("acme", MASK_ALL)
    request_finished.connect(note)
    try:
        with project(enforcer, [path("docs/<int:id>", streamed), DOCS]):
            received = call(WSGIHandler(), environ_of())
    finally:
        request_finished.disconnect(note)
    assert (received.body, finished) == (MASKED, [True])
