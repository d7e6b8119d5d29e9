"""Programs wait for the decision and get the handler's answer, or an exception; never the policy's 202."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from policy_middleware.approvals import ApprovalTask, Approver
from policy_middleware.asgi import PolicyMiddleware as AsgiMiddleware
from policy_middleware.attributes import header
from policy_middleware.client import (
    ApprovalAdapter,
    ApprovalCancelled,
    ApprovalDenied,
    ApprovalExpired,
    ApprovalTimedOut,
    ApprovalTransport,
)
from policy_middleware.client import waiting as pace
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.wsgi import PolicyMiddleware as WsgiMiddleware
from tests.waiting import eventually

BEA = Approver("bea", ("dpo",))
HEADERS = {"X-Tenant": "acme", "X-User": "alice"}
POLICY = {
    "default": "allow",
    "rules": [
        {
            "id": "payments",
            "when": {"http.path": "/pay"},
            "effect": "require_approval",
            "reason": "Two people pay.",
            "approval": {"approvers": {"role": "dpo"}},
        }
    ],
}
OPTIONS: dict[str, Any] = {"tenant": header("X-Tenant"), "subject": header("X-User")}
LIBRARIES = ["httpx", "httpx2"]
Person = Callable[[ApprovalTask], object]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once where the server does not hold the answer."""
    monkeypatch.setattr(pace.PendingApproval, "_next_pause", lambda self, headers: 0.005)


@pytest.fixture
def enforcer() -> Iterator[PolicyEnforcer]:
    with PolicyEnforcer.from_url("memory://", decision_log=lambda record: None) as enforcer:
        enforcer.publish("acme", POLICY)
        yield enforcer


@pytest.fixture
def runs() -> list[bytes]:
    """The bodies that the handler got."""
    return []


@pytest.fixture
def wsgi(enforcer: PolicyEnforcer, runs: list[bytes]) -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        runs.append(body)
        start_response("202 Accepted" if environ["PATH_INFO"] == "/own" else "200 OK", [])
        return [b"ran " + body]

    return WsgiMiddleware(app, enforcer=enforcer, **OPTIONS)


@pytest.fixture
def asgi(enforcer: PolicyEnforcer, runs: list[bytes]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        runs.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ran " + body})

    return AsgiMiddleware(app, enforcer=enforcer, **OPTIONS)


@pytest.fixture
def person(enforcer: PolicyEnforcer) -> Iterator[Callable[[Person], None]]:
    """Start somebody who does something with the first task there is."""
    threads: list[threading.Thread] = []

    def start(act: Person) -> None:
        def run() -> None:
            [task] = eventually(lambda: enforcer.approvals.list("acme").tasks)
            act(task)

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()


def sync_client(library: str, app: Any, **auth: Any) -> Any:
    module = importlib.import_module(library)
    credentials = auth.pop("credentials", None)
    transport = ApprovalTransport(module.WSGITransport(app=app), **auth)
    return module.Client(transport=transport, base_url="http://app", headers=HEADERS, auth=credentials)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_program_gets_the_answer_of_its_request_once_it_is_approved(
    library: str, wsgi: Any, runs: list[bytes], enforcer: PolicyEnforcer, person: Callable[[Person], None]
) -> None:
    person(lambda task: enforcer.approvals.approve("acme", task.id, BEA))
    with sync_client(library, wsgi, timeout=20) as client:
        answer = client.post("/pay", content=b"42")
    assert (answer.status_code, answer.content, runs) == (200, b"ran 42", [b"42"])


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_asynchronous_program_waits_without_holding_its_loop(
    library: str, asgi: Any, runs: list[bytes], enforcer: PolicyEnforcer, person: Callable[[Person], None]
) -> None:
    module = importlib.import_module(library)
    person(lambda task: enforcer.approvals.approve("acme", task.id, BEA))

    async def main() -> Any:
        transport = ApprovalTransport(module.ASGITransport(app=asgi), timeout=20)
        async with module.AsyncClient(transport=transport, base_url="http://app", headers=HEADERS) as client:
            return await client.post("/pay", content=b"42")

    answer = asyncio.run(main())
    assert (answer.status_code, answer.content, runs) == (200, b"ran 42", [b"42"])


def test_a_denial_is_an_exception_that_says_why(
    wsgi: Any, runs: list[bytes], enforcer: PolicyEnforcer, person: Callable[[Person], None]
) -> None:
    person(lambda task: enforcer.approvals.deny("acme", task.id, BEA, "not this month"))
    with sync_client("httpx", wsgi, timeout=20) as client, pytest.raises(ApprovalDenied) as denied:
        client.post("/pay", content=b"42")
    assert denied.value.comment == "not this month"
    assert "not this month" in str(denied.value)
    assert denied.value.task_id.startswith("apr_")
    assert runs == []


def test_a_withdrawn_request_is_an_exception(
    wsgi: Any, enforcer: PolicyEnforcer, person: Callable[[Person], None]
) -> None:
    person(lambda task: enforcer.approvals.cancel("acme", task.id, "alice"))
    with sync_client("httpx", wsgi, timeout=20) as client, pytest.raises(ApprovalCancelled):
        client.post("/pay")


def test_an_expired_request_is_an_exception(wsgi: Any, enforcer: PolicyEnforcer) -> None:
    rule = POLICY["rules"][0] | {"approval": {"approvers": {"role": "dpo"}, "expires_in": "1s"}}  # type: ignore[operator, index]
    enforcer.publish("acme", POLICY | {"rules": [rule]})
    with sync_client("httpx", wsgi, timeout=20) as client, pytest.raises(ApprovalExpired):
        client.post("/pay")


def test_waiting_ends_in_time_and_may_withdraw_the_request(wsgi: Any, enforcer: PolicyEnforcer) -> None:
    with sync_client("httpx", wsgi, timeout=0.05) as client, pytest.raises(ApprovalTimedOut):
        client.post("/pay")
    [task] = enforcer.approvals.list("acme").tasks
    assert task.status == "pending"
    with (
        sync_client("httpx", wsgi, timeout=0.05, cancel_on_timeout=True) as client,
        pytest.raises(ApprovalTimedOut),
    ):
        client.post("/pay")
    [task] = enforcer.approvals.list("acme").tasks
    assert task.status == "cancelled"


def test_waiting_can_be_stopped(wsgi: Any, person: Callable[[Person], None]) -> None:
    stop = threading.Event()
    person(lambda task: stop.set())
    with (
        sync_client("httpx", wsgi, timeout=600, stop=stop) as client,
        pytest.raises(ApprovalTimedOut, match="stopped"),
    ):
        client.post("/pay")


def test_a_handlers_own_202_and_other_answers_pass(wsgi: Any) -> None:
    with sync_client("httpx", wsgi) as client:
        assert client.post("/own", content=b"1").status_code == 202
        assert client.get("/free").content == b"ran "


def test_credentials_of_another_scheme_go_with_every_request(
    enforcer: PolicyEnforcer, person: Callable[[Person], None]
) -> None:
    import httpx

    seen: list[str] = []

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b""]

    inner = WsgiMiddleware(app, enforcer=enforcer, **OPTIONS)

    def spy(environ: Any, start_response: Any) -> Any:
        seen.append(environ.get("HTTP_AUTHORIZATION", ""))
        return inner(environ, start_response)

    person(lambda task: enforcer.approvals.approve("acme", task.id, BEA))
    auth = httpx.BasicAuth("alice", "secret")
    with sync_client("httpx", spy, timeout=20, credentials=auth) as client:
        assert client.post("/pay").status_code == 200
    assert len(seen) >= 2  # whoever approves may be faster than the first look
    assert all(value.startswith("Basic ") for value in seen)


def test_credentials_are_shown_to_no_other_origin(enforcer: PolicyEnforcer, runs: list[bytes]) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise AssertionError("never run")

    elsewhere = WsgiMiddleware(app, enforcer=enforcer, public_url="https://evil.example", **OPTIONS)
    with sync_client("httpx", elsewhere) as client, pytest.raises(ApprovalCancelled, match="another origin"):
        client.post("/pay")


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(wsgi: Any) -> Iterator[str]:
    httpd = make_server("127.0.0.1", 0, wsgi, handler_class=_Quiet)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_requests_waits_by_an_adapter(
    server: str, runs: list[bytes], enforcer: PolicyEnforcer, person: Callable[[Person], None]
) -> None:
    import requests

    person(lambda task: enforcer.approvals.approve("acme", task.id, BEA))
    with requests.Session() as session:
        session.mount(server, ApprovalAdapter(timeout=20))
        answer = session.post(f"{server}/pay", data=b"42", headers=HEADERS)
        assert (answer.status_code, answer.content, runs) == (200, b"ran 42", [b"42"])
        assert session.post(f"{server}/own", data=b"1", headers=HEADERS).status_code == 202


def test_requests_is_told_of_a_denial_and_of_time_running_out(
    server: str, enforcer: PolicyEnforcer, person: Callable[[Person], None]
) -> None:
    import requests

    person(lambda task: enforcer.approvals.deny("acme", task.id, BEA, "no"))
    with requests.Session() as session:
        session.mount(server, ApprovalAdapter(timeout=20))
        with pytest.raises(ApprovalDenied, match="no"):
            session.post(f"{server}/pay", data=b"42", headers=HEADERS)
        session.mount(server, ApprovalAdapter(timeout=0.05, cancel_on_timeout=True))
        with pytest.raises(ApprovalTimedOut):
            session.post(f"{server}/pay", data=b"43", headers=HEADERS)
    assert enforcer.approvals.list("acme").tasks[0].status == "cancelled"
