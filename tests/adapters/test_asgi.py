"""The middleware for any ASGI application."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from policy_middleware.asgi import PolicyMiddleware
from policy_middleware.asgi.protocol import path_below_root
from policy_middleware.asgi.request_body import ReplayedBody
from policy_middleware.enforcer import PolicyEnforcer

from .asgi_calls import IDENTITY, Exchange, Message, Receive, Send, ask, http_scope
from .asgi_policies import DENY_ALL, MASK_ALL, SOURCES, only

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_blocking")]

JSON = [(b"content-type", b"application/json")]


def sending(*messages: Message) -> Any:
    """Return an app that sends these messages."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def start(status: int = 200, headers: Any = ()) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def test_lifespan_passes_through_undecided(enforcer: PolicyEnforcer) -> None:
    seen = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        seen.append(scope)

    scope = {"type": "lifespan"}
    await PolicyMiddleware(app, enforcer=enforcer, **SOURCES)(scope, Exchange().receive, Exchange().send)
    assert seen == [scope]
    assert scope == {"type": "lifespan"}


async def test_an_allowed_app_gets_the_very_scope_and_receive_of_the_server(enforcer: PolicyEnforcer) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        seen.extend((scope, receive))

    scope, exchange = http_scope(), Exchange()
    receive = exchange.receive
    await ask(PolicyMiddleware(app, enforcer=enforcer, **SOURCES))  # loads the policy
    seen.clear()
    await PolicyMiddleware(app, enforcer=enforcer, **SOURCES)(scope, receive, exchange.send)
    assert seen[0] is scope
    assert seen[1] is receive


async def test_unknown_messages_and_extensions_pass_untouched_when_allowed(enforcer: PolicyEnforcer) -> None:
    messages: list[Message] = [
        {"type": "http.response.early_hint", "links": [b"</a.css>"]},
        {"type": "http.response.debug", "info": {"template": "x"}},
        {**start(), "trailers": True},
        {"type": "http.response.zerocopysend", "file": 3, "more_body": True},
        {"type": "http.response.pathsend", "path": "/tmp/x"},
        body(b"x"),
        {"type": "http.response.trailers", "headers": []},
        {"type": "http.response.invented", "value": object()},
    ]
    exchange = await ask(PolicyMiddleware(sending(*messages), enforcer=enforcer, **SOURCES))
    assert [m["type"] for m in exchange.sent] == [m["type"] for m in messages]
    for sent, original in zip(exchange.sent, messages, strict=True):
        assert sent is original or original["type"] == "http.response.start"
    assert exchange.sent[2]["trailers"] is True


async def test_a_response_object_sent_twice_does_not_collect_headers(enforcer: PolicyEnforcer) -> None:
    message = start(headers=[(b"a", b"b")])
    app = PolicyMiddleware(sending(message, body(b"x")), enforcer=enforcer, **SOURCES)
    for _ in range(2):
        assert len((await ask(app)).headers(b"x-policy-decision-id")) == 1
    assert message["headers"] == [(b"a", b"b")]


async def test_a_start_without_headers_is_completed(enforcer: PolicyEnforcer) -> None:
    app = sending({"type": "http.response.start", "status": 204}, {"type": "http.response.body"})
    exchange = await ask(PolicyMiddleware(app, enforcer=enforcer, **SOURCES))
    assert len(exchange.headers(b"x-policy-decision-id")) == 1


async def test_context_variables_flow_both_ways(enforcer: PolicyEnforcer) -> None:
    outer, inner = ContextVar("outer", default=""), ContextVar("inner", default="")
    seen = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        seen.append(outer.get())
        inner.set("from the app")
        await sending(start(), body(b""))(scope, receive, send)

    outer.set("from the server")
    await ask(PolicyMiddleware(app, enforcer=enforcer, **SOURCES))
    assert seen == ["from the server"]
    assert inner.get() == "from the app"


async def test_exceptions_pass_as_they_are(enforcer: PolicyEnforcer) -> None:
    error = KeyError("mine")

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        await ask(PolicyMiddleware(app, enforcer=enforcer, **SOURCES))
    assert caught.value is error


async def test_the_app_is_awaited_to_its_end_after_the_last_chunk(enforcer: PolicyEnforcer) -> None:
    journal = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await sending(start(), body(b"x"))(scope, receive, send)
        journal.append("after")

    await ask(PolicyMiddleware(app, enforcer=enforcer, **SOURCES))
    assert journal == ["after"]


async def test_cancellation_reaches_the_app(enforcer: PolicyEnforcer) -> None:
    app = PolicyMiddleware(sending(start(), body(b"x")), enforcer=enforcer, **SOURCES)
    await ask(app)
    cancelled = anyio.Event()

    async def waiting(scope: Any, receive: Receive, send: Send) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    with anyio.move_on_after(0.01):
        await ask(PolicyMiddleware(waiting, enforcer=enforcer, **SOURCES))
    assert cancelled.is_set()


@pytest.mark.parametrize(
    ("path", "root", "below"),
    [
        ("/v1/models", "/v", "/v1/models"),
        ("/v/models", "/v", "/models"),
        ("/v", "/v", "/"),
        ("/models", "/v", "/models"),
        ("", "", "/"),
        ("/api/x", "/api/", "/api/x"),
    ],
)
async def test_root_paths_end_at_segments(path: str, root: str, below: str) -> None:
    assert path_below_root(http_scope(path, root_path=root)) == below


async def test_a_root_path_inside_a_segment_does_not_exempt(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", DENY_ALL)
    app = PolicyMiddleware(sending(start(), body(b"x")), enforcer=enforcer, **SOURCES)
    assert (await ask(app, "/v/healthz-secret", root_path="/v")).status == 403
    assert (await ask(app, "/vhealthz", root_path="/v")).status == 403


async def test_raw_path_is_never_decided_on(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("deny", {"http.path": "/secret"}, default="allow"))
    app = PolicyMiddleware(sending(start(), body(b"x")), enforcer=enforcer, **SOURCES)
    assert (await ask(app, "/secret", raw_path=b"/healthz")).status == 403


async def test_a_request_rewritten_between_two_middlewares_is_decided_again(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("deny", {"http.path": "/secret"}, default="allow"))
    inner = PolicyMiddleware(sending(start(), body(b"secret")), enforcer=enforcer, **SOURCES)

    async def rewriting(scope: Any, receive: Receive, send: Send) -> None:
        await inner({**scope, "path": "/secret"}, receive, send)

    exchange = await ask(PolicyMiddleware(rewriting, enforcer=enforcer, **SOURCES), "/harmless")
    assert exchange.status == 403


async def test_what_was_read_ahead_is_received_again_message_by_message() -> None:
    parts: list[Message] = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": b"b"},
    ]
    exchange = Exchange(*parts)
    replayed = ReplayedBody(exchange.receive, ())
    assert await replayed.read(10) == b"ab"
    assert await replayed.read(10) == b"ab"
    assert await replayed.read(1) is None
    received = [await replayed.receive() for _ in range(4)]
    assert received == [*parts, {"type": "http.disconnect"}]
    assert all(one is other for one, other in zip(received[:3], parts, strict=True))


async def test_a_declared_length_beyond_the_limit_is_not_read() -> None:
    exchange = Exchange()
    for length in ("11", "9" * 5000):
        assert await ReplayedBody(exchange.receive, (length,)).read(10) is None
    for odd in ("²", "-1", "ten", ""):
        assert await ReplayedBody(Exchange().receive, (odd,)).read(10) == b""
    assert len(exchange.coming) == 1


async def test_a_client_that_leaves_while_its_body_is_read_is_not_answered(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("require_approval", {}, approval={"approvers": {"role": "dpo"}}))
    ran = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        ran.append(scope)

    exchange = Exchange(
        {"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}
    )
    await PolicyMiddleware(app, enforcer=enforcer, **SOURCES)(
        http_scope(method="POST"), exchange.receive, exchange.send
    )
    assert ran == []
    assert exchange.sent == []


async def test_a_masked_app_sees_a_copy_of_the_scope_without_other_ways_out(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", MASK_ALL)
    seen: list[Any] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await sending(start(headers=JSON), body(b'{"email": "x"}'))(scope, receive, send)

    extensions: dict[str, object] = {
        "http.response.pathsend": {},
        "http.response.zerocopysend": {},
        "http.response.trailers": {},
        "http.response.early_hint": {},
        "http.response.debug": {},
        "tls": {},
    }
    headers = [*IDENTITY, (b"accept-encoding", b"br"), (b"range", b"bytes=0-1"), (b"accept", b"*/*")]
    scope = http_scope(headers=headers, extensions=extensions)
    exchange = Exchange()
    await PolicyMiddleware(app, enforcer=enforcer, **SOURCES)(scope, exchange.receive, exchange.send)
    assert exchange.status == 200
    assert b'"x"' not in exchange.body
    assert set(seen[0]["extensions"]) == {"tls"}
    assert {name for name, _ in seen[0]["headers"]}.isdisjoint({b"accept-encoding", b"range"})
    assert (b"accept", b"*/*") in seen[0]["headers"]
    assert (b"range", b"bytes=0-1") in scope["headers"]
    assert "http.response.pathsend" in scope["extensions"]


@pytest.mark.parametrize(
    "messages",
    [
        [start(headers=JSON), {"type": "http.response.pathsend", "path": "/etc/passwd"}],
        [start(headers=JSON), {"type": "http.response.zerocopysend", "file": 3}],
        [start(headers=JSON), body(b'{"email": ', True)],
        [start(headers=JSON)],
        [start(headers=JSON), body(b"not json")],
        [start(206, JSON), body(b'{"email": "x"}')],
        [start(headers=[*JSON, (b"content-encoding", b"gzip")]), body(b"\x1f\x8b")],
    ],
    ids=["pathsend", "zerocopysend", "unfinished", "no body", "no JSON", "partial", "encoded"],
)
async def test_nothing_of_a_response_that_cannot_be_masked_leaves(
    enforcer: PolicyEnforcer, messages: list[Message]
) -> None:
    enforcer.publish("acme", MASK_ALL)
    exchange = await ask(PolicyMiddleware(sending(*messages), enforcer=enforcer, **SOURCES))
    assert exchange.status == 502
    assert [message["type"] for message in exchange.sent] == ["http.response.start", "http.response.body"]
    assert b"email" not in exchange.body


async def test_hints_trailers_and_debug_messages_of_a_masked_response_stay_here(
    enforcer: PolicyEnforcer,
) -> None:
    enforcer.publish("acme", MASK_ALL)
    app = sending(
        {"type": "http.response.early_hint", "links": [b"</bea@example.com>"]},
        {"type": "http.response.debug", "info": "bea@example.com"},
        {**start(headers=JSON), "trailers": True},
        body(b'{"email": "bea@example.com"}'),
        {"type": "http.response.trailers", "headers": [(b"x", b"bea@example.com")]},
    )
    exchange = await ask(PolicyMiddleware(app, enforcer=enforcer, **SOURCES))
    assert exchange.status == 200
    assert "bea@example.com" not in repr(exchange.sent)
    assert "trailers" not in exchange.sent[0]


async def test_tasks_that_send_at_once_send_one_after_the_other(enforcer: PolicyEnforcer) -> None:
    """A large part is masked in a thread meanwhile."""
    enforcer.publish("acme", only("mask", {}, mask={"entities": {"EMAIL_ADDRESS": "replace"}}))
    large = b"bea@example.com " * 10_000

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(start(headers=[(b"content-type", b"text/plain")]))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, body(large, True))
            tasks.start_soon(send, body(b"small ", True))
        await send(body(b"end"))

    exchange = await ask(PolicyMiddleware(app, enforcer=enforcer, **SOURCES))
    masked = b"<EMAIL_ADDRESS> " * 10_000
    assert exchange.body in (masked + b"small end", b"small " + masked + b"end")
    assert [message["type"] for message in exchange.sent].index("http.response.start") == 0


async def test_a_socket_whose_application_raises_is_recorded_once_with_what_was_masked() -> None:
    written: list[Any] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        for text in ("bea@", "example.com", " and on"):
            chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]}
            await send({"type": "websocket.send", "text": json.dumps(chunk)})
        raise KeyError("mine")

    exchange = Exchange({"type": "websocket.connect"})
    scope = {**http_scope("/ws"), "type": "websocket", "scheme": "ws"}
    del scope["method"]
    enforcer = PolicyEnforcer.from_url("memory://", decision_log=written.append)
    enforcer.publish("acme", only("mask", {}, mask={"entities": {"EMAIL_ADDRESS": "replace"}}))
    with pytest.raises(KeyError):
        await PolicyMiddleware(app, enforcer=enforcer, **SOURCES)(scope, exchange.receive, exchange.send)
    await anyio.to_thread.run_sync(enforcer.close)
    _, event = written
    assert event["event"] == "masked"
    assert (event["entities"], event["complete"]) == ({"EMAIL_ADDRESS": 1}, False)


async def test_an_endless_stream_ends_when_its_response_is_refused(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", MASK_ALL)

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(start(headers=[(b"content-type", b"text/event-stream")]))
        while True:
            await send(body(b"data: x\n\n", True))

    with anyio.fail_after(5):
        exchange = await ask(PolicyMiddleware(app, enforcer=enforcer, **SOURCES))
    assert exchange.status == 502


async def test_an_exception_of_a_masked_app_goes_on_once_the_response_is_refused(
    enforcer: PolicyEnforcer,
) -> None:
    """Outside of all middlewares an error page would be made of it, which nobody would mask."""
    enforcer.publish("acme", MASK_ALL)

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(start(headers=JSON))
        await send(body(b'{"email": "x"', True))
        raise KeyError("mine")

    exchange = Exchange()
    with pytest.raises(KeyError):
        await PolicyMiddleware(app, enforcer=enforcer, **SOURCES)(
            http_scope(), exchange.receive, exchange.send
        )
    assert exchange.sent[0]["status"] == 502
    assert b"email" not in b"".join(message.get("body", b"") for message in exchange.sent)


@pytest.mark.parametrize("outer", [{"exempt": ["/docs"]}, {"mode": "observe"}])
async def test_what_is_exempt_or_observed_outside_is_decided_inside(
    enforcer: PolicyEnforcer, outer: dict[str, Any]
) -> None:
    enforcer.publish("acme", DENY_ALL)
    inner = PolicyMiddleware(sending(start(), body(b"x")), enforcer=enforcer, **SOURCES)
    scope = {**http_scope(), "path": "/docs/7"}
    exchange = Exchange()
    await PolicyMiddleware(inner, enforcer=enforcer, **SOURCES, **outer)(
        scope, exchange.receive, exchange.send
    )
    assert exchange.sent[0]["status"] == 403


async def test_a_method_is_decided_in_upper_case_however_the_server_spells_it(
    enforcer: PolicyEnforcer,
) -> None:
    enforcer.publish("acme", only("deny", {"http.method": "POST"}, default="allow"))
    app = PolicyMiddleware(sending(start(), body(b"x")), enforcer=enforcer, **SOURCES)
    exchange = Exchange()
    await app({**http_scope(), "method": "post"}, exchange.receive, exchange.send)
    assert exchange.sent[0]["status"] == 403


async def test_two_enforcers_each_name_their_decision(
    enforcer: PolicyEnforcer, other_enforcer: PolicyEnforcer
) -> None:
    inner = PolicyMiddleware(sending(start(), body(b"x")), enforcer=other_enforcer, **SOURCES)
    exchange = await ask(PolicyMiddleware(inner, enforcer=enforcer, **SOURCES))
    assert len(set(exchange.headers(b"x-policy-decision-id"))) == 2


async def test_an_accepted_websocket_names_its_decision(enforcer: PolicyEnforcer) -> None:
    app = sending({"type": "websocket.accept", "headers": [(b"a", b"b")], "subprotocol": "x"})
    exchange = Exchange({"type": "websocket.connect"})
    scope = {**http_scope("/ws"), "type": "websocket", "scheme": "ws"}
    del scope["method"]
    await PolicyMiddleware(app, enforcer=enforcer, **SOURCES)(scope, exchange.receive, exchange.send)
    (accept,) = exchange.sent
    assert accept["subprotocol"] == "x"
    assert [name for name, _ in accept["headers"]] == [b"a", b"x-policy-decision-id"]


async def test_worker_threads_see_the_callers_context(enforcer: PolicyEnforcer) -> None:
    name = ContextVar("name", default="")
    seen = []

    def department(request: object) -> str:
        seen.append(name.get())
        return "finance"

    name.set("of the request")
    app = PolicyMiddleware(
        sending(start(), body(b"x")),
        enforcer=enforcer,
        attributes={"context.department": department},
        **SOURCES,
    )
    await ask(app)
    assert seen == ["of the request"]


async def test_a_client_that_leaves_while_it_waits_for_people_is_waited_for_no_more(
    enforcer: PolicyEnforcer,
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise AssertionError("nobody has agreed")

    enforcer.publish("acme", {"schema": 1, "default": "deny", "rules": [ASKED]})
    exchange, waits = Exchange(), anyio.Event()

    async def receive() -> Message:
        if exchange.coming:
            return await exchange.receive()
        with anyio.fail_after(5):
            while not enforcer.approval_hub.waiting:
                await anyio.sleep(0)
        waits.set()
        return {"type": "http.disconnect"}

    headers = (*IDENTITY, (b"prefer", b"wait=30"))
    scope = http_scope("/pay", "POST", headers)
    await PolicyMiddleware(app, enforcer=enforcer, **SOURCES)(scope, receive, exchange.send)
    assert waits.is_set()
    assert exchange.sent == []
    assert enforcer.approval_hub.waiting == 0
    [task] = enforcer.approvals.list("acme").tasks
    assert task.status == "pending"


ASKED = {
    "id": "asked",
    "when": {},
    "effect": "require_approval",
    "reason": "Somebody has to agree.",
    "approval": {"approvers": {"role": "dpo"}},
}
