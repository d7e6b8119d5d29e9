"""WebSockets are decided when they connect."""

from __future__ import annotations

import pytest

from .conftest import Build, Records
from .harness import Adapter, Call
from .policies import ALLOW_ALL, DENY_ALL, IDENTITY, approving, only

DENIAL: dict[str, object] = {"websocket.http.response": {}}


@pytest.fixture(autouse=True)
def _websockets_only(adapter: Adapter) -> None:
    if not adapter.expects.websockets:
        pytest.skip("no WebSockets")


def test_an_allowed_websocket_is_accepted(build: Build, records: Records) -> None:
    service = build(ALLOW_ALL)
    handshake = service.connect(Call(target="/ws/lobby", headers=IDENTITY))
    assert handshake.accepted
    assert handshake.texts == ["hello lobby"]
    assert len(records.decisions()) == 1


def test_the_action_of_a_websocket_is_its_handshake(build: Build, adapter: Adapter) -> None:
    action = "WEBSOCKET /ws/{room}" if adapter.expects.knows_routes else "WEBSOCKET /ws/lobby"
    service = build(only("allow", {"action": action}))
    assert service.connect(Call(target="/ws/lobby", headers=IDENTITY)).accepted


def test_a_denied_websocket_is_closed_before_it_is_accepted(build: Build) -> None:
    service = build(DENY_ALL)
    handshake = service.connect(Call(target="/ws/lobby", headers=IDENTITY))
    assert not handshake.accepted
    assert handshake.close_code == 1008
    assert service.journal == []


def test_a_server_that_can_answer_a_handshake_is_given_the_problem(build: Build) -> None:
    service = build(DENY_ALL)
    handshake = service.connect(Call(target="/ws/lobby", headers=IDENTITY, extensions=DENIAL))
    assert handshake.denial is not None
    assert handshake.denial.status == 403
    assert handshake.denial.json()["status"] == 403
    assert service.journal == []


def test_a_websocket_without_identity_is_refused(build: Build) -> None:
    handshake = build(ALLOW_ALL).connect(Call(target="/ws/lobby", extensions=DENIAL))
    assert handshake.denial is not None
    assert handshake.denial.status == 401


def test_a_websocket_that_needs_approval_is_denied(build: Build) -> None:
    service = build(approving())
    handshake = service.connect(Call(target="/ws/lobby", headers=IDENTITY, extensions=DENIAL))
    assert not handshake.accepted
    assert handshake.denial is not None
    assert handshake.denial.status == 403
    assert service.journal == []


def test_a_websocket_that_no_route_takes_is_refused(build: Build) -> None:
    handshake = build(DENY_ALL).connect(Call(target="/nothing", headers=IDENTITY, extensions=DENIAL))
    assert not handshake.accepted
    assert handshake.denial is not None
    assert handshake.denial.status in (403, 404)
