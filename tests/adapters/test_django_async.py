from __future__ import annotations

import asyncio
import io
import threading
import warnings
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.urls import path
from django.utils.functional import SimpleLazyObject

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.masking import BrokenOff
from policy_middleware.model.errors import StoreUnavailable
from policy_middleware_django.request import DjangoView, read_body

from .asgi_calls import Exchange, http_scope
from .asgi_policies import DENY_ALL, only
from .django_calls import HEADERS, aget, project

HERE = __name__
APPROVAL = only("require_approval", {}, approval={"approvers": {"role": "dpo"}})

threads: dict[str, int] = {}


async def view(request: HttpRequest, **parameters: Any) -> HttpResponse:
    threads["view"] = threading.get_ident()
    return HttpResponse(request.body)


DOCS = path("docs/<int:id>", view)


class Person:
    """A user of the framework."""

    is_authenticated = True
    roles = ("auditor",)

    def get_username(self) -> str:
        return "carol"


def load_person() -> Person:
    threads["user"] = threading.get_ident()
    return Person()


class LazyUser:
    """Puts a user there who is loaded when he is first looked at, as AuthenticationMiddleware does."""

    sync_capable, async_capable = False, True

    def __init__(self, get_response: Any) -> None:
        from asgiref.sync import markcoroutinefunction

        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        request.user = SimpleLazyObject(load_person)  # type: ignore[assignment]
        response: HttpResponse = await self.get_response(request)
        return response


class SynchronousInside:
    """A middleware that makes Django adapt everything around it."""

    async_capable = False

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response: HttpResponse = self.get_response(request)
        return response


@pytest.fixture(autouse=True)
def _no_threads_yet() -> None:
    threads.clear()


def test_a_steady_decision_does_not_leave_the_event_loops_thread(
    enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = enforcer.evaluate_with

    def noting(*arguments: Any) -> Any:
        threads["decision"] = threading.get_ident()
        return evaluate(*arguments)

    monkeypatch.setattr(enforcer, "evaluate_with", noting)
    with project(enforcer, [DOCS]):
        # The first request loads the policy.
        assert [async_to_sync(aget)().status_code for _ in range(2)] == [200, 200]
    assert threads["decision"] == threads["view"]


@pytest.mark.parametrize("failing", [False, True])
def test_a_store_is_asked_off_the_event_loop(
    enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch, failing: bool
) -> None:
    load = enforcer.snapshots.load

    def noting(tenant: str) -> Any:
        threads["load"] = threading.get_ident()
        if failing:
            raise StoreUnavailable("away")
        return load(tenant)

    async def ask() -> Any:
        threads["loop"] = threading.get_ident()
        return await aget()

    monkeypatch.setattr(enforcer.snapshots, "load", noting)
    with project(enforcer, [DOCS]):
        assert async_to_sync(ask)().status_code == (503 if failing else 200)
    assert threads["load"] != threads["loop"]


def test_synchronous_sources_run_in_the_thread_that_database_connections_belong_to(
    enforcer: PolicyEnforcer,
) -> None:
    def tenant(request: HttpRequest) -> str:
        threads["source"] = threading.get_ident()
        return "acme"

    async def ask() -> Any:
        from asgiref.sync import sync_to_async

        threads["loop"] = threading.get_ident()
        threads["sensitive"] = await sync_to_async(threading.get_ident, thread_sensitive=True)()
        return await aget()

    with project(enforcer, [DOCS], tenant=tenant):
        assert async_to_sync(ask)().status_code == 200
    assert threads["source"] == threads["sensitive"] != threads["loop"]


def test_asynchronous_sources_are_awaited_on_the_loop(enforcer: PolicyEnforcer) -> None:
    async def tenant(request: HttpRequest) -> str:
        threads["source"] = threading.get_ident()
        return "acme"

    with project(enforcer, [DOCS], tenant=tenant):
        assert async_to_sync(aget)().status_code == 200
    assert threads["source"] == threads["view"]


def test_a_lazy_user_is_loaded_off_the_event_loop(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("allow", {"user": "carol", "role": "auditor"}))
    with project(enforcer, [DOCS], outside=[f"{HERE}.LazyUser"], subject=None, roles=None):
        assert async_to_sync(aget)().status_code == 200
    assert threads["user"] != threads["view"]


def test_no_user_is_loaded_when_nothing_asks_for_one(enforcer: PolicyEnforcer) -> None:
    with project(enforcer, [DOCS], outside=[f"{HERE}.LazyUser"]):
        assert async_to_sync(aget)().status_code == 200
    assert "user" not in threads


def test_a_user_who_cannot_be_loaded_refuses_the_request(
    enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Person:
        raise OSError("the database is away")

    monkeypatch.setattr(f"{HERE}.load_person", fail)
    with project(enforcer, [DOCS], outside=[f"{HERE}.LazyUser"], subject=None, roles=None):
        assert async_to_sync(aget)().status_code == 503


@pytest.mark.parametrize("target", ["/healthz", "/docs/7"])
def test_no_user_is_loaded_for_what_is_exempt(enforcer: PolicyEnforcer, target: str) -> None:
    routes = [DOCS, path("healthz", view)]
    with project(enforcer, routes, outside=[f"{HERE}.LazyUser"], subject=None, exempt=["/healthz", "/docs"]):
        assert async_to_sync(aget)(target).status_code == 200
    assert "user" not in threads


def test_around_a_synchronous_middleware_it_decides_all_the_same(enforcer: PolicyEnforcer) -> None:
    with project(enforcer, [DOCS], inside=[f"{HERE}.SynchronousInside"]):
        assert async_to_sync(aget)().status_code == 200
        enforcer.publish("acme", DENY_ALL)
        assert async_to_sync(aget)().status_code == 403


def test_djangos_own_authentication_answers_for_nobody(enforcer: PolicyEnforcer) -> None:
    outside = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        f"{AuthenticationMiddleware.__module__}.{AuthenticationMiddleware.__name__}",
    ]
    settings = {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"}
    with project(enforcer, [DOCS], outside=outside, settings=settings, subject=None, roles=None):
        assert async_to_sync(aget)().status_code == 401


def test_own_pages_are_served_asynchronously_too(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", APPROVAL)
    with project(enforcer, [DOCS]):
        parked = async_to_sync(aget)(method="POST", data=b"body")
        status = async_to_sync(aget)(parked.headers["Location"])
    assert (parked.status_code, status.status_code) == (202, 200)


class Waiting(Exchange):
    """An exchange whose client stays until the answer is complete or broken off."""

    async def receive(self) -> Any:
        return self.coming.pop(0) if self.coming else await asyncio.Event().wait()


@pytest.mark.parametrize("kind", ["file", "iterator"])
def test_a_stream_that_is_broken_off_leaves_no_file_open(enforcer: PolicyEnforcer, kind: str) -> None:
    enforcer.publish("acme", only("mask", {}, mask={"entities": {"EMAIL_ADDRESS": "replace"}}))
    file = io.BytesIO(b"fine\n" * 2000 + b"\xff bea@example.com")
    requests: list[Any] = []

    async def view(request: HttpRequest, **parameters: Any) -> StreamingHttpResponse:
        requests.append(request)
        if kind == "file":
            response: StreamingHttpResponse = FileResponse(file, content_type="text/plain")
            del response.headers["Content-Length"]
            return response
        return StreamingHttpResponse(file, content_type="text/plain")

    async def converse() -> None:
        exchange = Waiting()
        with warnings.catch_warnings():  # Django's, of files that are served asynchronously
            warnings.simplefilter("ignore")
            with pytest.raises(BrokenOff):
                await ASGIHandler()(http_scope("/docs/7"), exchange.receive, exchange.send)
        assert b"bea@" not in exchange.body
        assert exchange.body.startswith(b"fine")

    with project(enforcer, [path("docs/<int:id>", view)]):
        asyncio.run(converse())
    assert file.closed
    assert requests[0]._stream.closed


def asgi_request(body: bytes, headers: list[tuple[bytes, bytes]]) -> ASGIRequest:
    import io

    scope = {"type": "http", "method": "POST", "path": "/docs", "query_string": b"", "headers": headers}
    return ASGIRequest(scope, io.BytesIO(body))


def test_a_body_of_undeclared_length_is_measured_before_it_is_read() -> None:
    request = asgi_request(b"12345", [(b"transfer-encoding", b"chunked")])
    assert read_body(request, 4) is None
    assert read_body(request, 5) == b"12345"
    assert request.body == b"12345"


def test_repeated_headers_are_told_apart_unless_a_middleware_has_changed_them() -> None:
    request = asgi_request(b"", [(b"x-user", b"bea"), (b"x-user", b"mallory"), (b"x-roles", b"a, b")])
    view = DjangoView(request, uses_user=False)
    assert view.header("x-user") == ("bea", "mallory")
    assert view.header("x-roles") == ("a, b",)
    request.META["HTTP_X_USER"] = "carol,of,the,proxy"
    assert view.header("x-user") == ("carol,of,the,proxy",)
    assert not view.joins_duplicates


def test_under_wsgi_repeated_headers_are_one() -> None:
    view = DjangoView(
        RequestFactory().get("/", headers={**HEADERS, "X-User": "bea,mallory"}), uses_user=False
    )
    assert view.header("x-user") == ("bea,mallory",)
    assert view.joins_duplicates
