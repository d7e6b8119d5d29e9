"""Whatever a server sends on a masked WebSocket is masked before it leaves, or the socket is closed."""

from __future__ import annotations

import json

import pytest

from .conftest import Build, Records
from .harness import SECRET, Adapter, Call, Handshake
from .policies import IDENTITY, only
from .sockets import SOCKETS

MASKING = only(
    "mask",
    {},
    default="allow",
    mask={"fields": {"**.ssn": "redact"}, "entities": {"EMAIL_ADDRESS": "replace"}},
)
DENIAL: dict[str, object] = {"websocket.http.response": {}}
BROKEN = [name for name, socket in SOCKETS.items() if socket.code == 1011]


@pytest.fixture(autouse=True)
def _websockets_only(adapter: Adapter) -> None:
    if not adapter.expects.websockets:
        pytest.skip("no WebSockets")


def converse(build: Build, name: str, policy: dict[str, object] = MASKING) -> Handshake:
    """Return what a client of one conversation gets, once it is sure that no value was in it."""
    call = Call(target=f"/ws/{name}", headers=IDENTITY, subprotocols=SOCKETS[name].subprotocols)
    handshake = build(policy, max_masked_body=200_000).connect(call)
    seen = b"\n".join([*(text.encode("utf-8", "replace") for text in handshake.texts), *handshake.binaries])
    assert SECRET not in seen + handshake.close_reason.encode()
    assert b"123-45-6789" not in seen
    assert handshake.error is None
    assert handshake.accepted
    return handshake


@pytest.mark.parametrize("name", SOCKETS)
def test_a_message_is_masked_or_the_socket_is_closed(build: Build, records: Records, name: str) -> None:
    socket = SOCKETS[name]
    handshake = converse(build, name)
    assert handshake.close_code == socket.code
    if socket.texts or socket.binaries:
        assert (handshake.texts, handshake.binaries) == (list(socket.texts), list(socket.binaries))
    (decision,) = records.decisions()
    if socket.code == 1011:
        assert handshake.close_reason == "mask-failed"
        assert records.events("masked") == []
        (event,) = records.events("mask_failed")
        assert event["count"] == sum(event.get("entities", {}).values()) + sum(
            event.get("paths", {}).values()
        )
    else:
        assert records.events("mask_failed") == []
        (event,) = records.events("masked")
        assert event["streamed"] is True
        assert event.get("paths", {}) == socket.paths
        if socket.entities:
            assert event["entities"] == socket.entities
    assert event["decision_id"] == decision["decision_id"]
    assert SECRET.decode() not in str(event)


@pytest.mark.parametrize("name", BROKEN)
def test_a_handler_is_told_that_its_socket_was_closed(build: Build, name: str) -> None:
    service = build(MASKING, max_masked_body=200_000)
    service.connect(Call(target=f"/ws/{name}", headers=IDENTITY, subprotocols=SOCKETS[name].subprotocols))
    assert service.journal.count("sent") < len(SOCKETS[name].messages)
    assert "sent" in service.journal


@pytest.mark.parametrize("name", ["tokens", "two-answers", "unended-tokens"])
def test_an_answer_of_a_language_model_is_followed_over_its_messages(build: Build, name: str) -> None:
    handshake = converse(build, name)
    texts = [json.loads(text)["choices"][0]["delta"].get("content", "") for text in handshake.texts]
    expected = {
        "tokens": "Ask <EMAIL_ADDRESS> now",
        "two-answers": "<EMAIL_ADDRESS>" * 2,
        "unended-tokens": "<EMAIL_ADDRESS>",
    }
    assert "".join(texts) == expected[name]


def test_the_acceptance_says_that_messages_are_masked(build: Build) -> None:
    headers = dict(converse(build, "clean").headers)
    assert headers["x-policy-masked"] == "stream"
    assert headers["x-policy-decision-id"]


def test_a_mask_that_only_names_fields_lets_no_other_text_pass(build: Build) -> None:
    fields_only = only("mask", {}, default="allow", mask={"fields": {"**.ssn": "redact"}})
    assert converse(build, "no-json", fields_only).texts == []
    handshake = build(fields_only).connect(Call(target="/ws/clean", headers=IDENTITY))
    assert (handshake.texts, handshake.close_code) == ([], 1011)


def test_an_answer_in_place_of_the_handshake_is_masked(build: Build, records: Records) -> None:
    handshake = build(MASKING).connect(Call(target="/ws/refused", headers=IDENTITY, extensions=DENIAL))
    assert not handshake.accepted
    assert handshake.denial is not None
    assert handshake.denial.status == 409
    assert handshake.denial.body == b"no, <EMAIL_ADDRESS>"
    assert handshake.denial.header("x-who") == "<EMAIL_ADDRESS>"
    assert len(records.events("masked")) == 1


def test_a_subprotocol_that_nobody_offered_is_refused(build: Build, records: Records) -> None:
    handshake = build(MASKING).connect(Call(target="/ws/cbor", headers=IDENTITY, extensions=DENIAL))
    assert not handshake.accepted
    assert handshake.denial is not None
    assert handshake.denial.status == 502
    assert len(records.events("mask_failed")) == 1
