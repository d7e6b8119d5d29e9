"""The server of the queue goes away at each step: a clear 503, and nothing half done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import StoreUnavailable
from tests.servers import Server
from tests.waiting import eventually

from .conftest import Build
from .harness import Answer, Call, Service
from .policies import IDENTITY, TENANT, approving
from .test_approvals import POST, park, replay
from .test_inbox import FORM, INBOX, dana


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for all frameworks in turn; it keeps its data."""
    with Server(persistent=True) as server:
        yield server


@pytest.fixture
def remote(server: Server) -> Iterator[PolicyEnforcer]:
    with server.client() as client:
        client.flushall()
    with PolicyEnforcer.from_url(server.url, decision_log=lambda record: None) as enforcer:
        enforcer.publish(TENANT, approving({"http.path": "/docs"}))
        yield enforcer


@pytest.fixture
def service(build: Build, remote: PolicyEnforcer) -> Service:
    return build(enforcer=remote, approver=dana)


def ready(service: Service, enforcer: PolicyEnforcer) -> None:
    """Wait until policies are in memory again and the circuit breaker lets somebody through."""

    def answers() -> bool:
        with suppress(StoreUnavailable):
            enforcer.approvals.list(TENANT)
            return service.call(Call(target="/docs/7", headers=IDENTITY)).status == 200
        return False

    eventually(answers, timeout=20)


def unavailable(answer: Answer, service: Service) -> None:
    assert answer.status == 503, answer.body
    assert answer.header("retry-after") is not None
    assert "no-store" in (answer.header("cache-control") or "")
    assert not any(entry.startswith("create") for entry in service.journal)


Step = Callable[[], Answer]


def test_a_server_that_goes_away_at_any_step_leaves_nothing_half_done(
    server: Server, remote: PolicyEnforcer, service: Service
) -> None:
    def while_away(*steps: Step) -> None:
        server.kill()
        for step in steps:
            unavailable(step(), service)
        server.start()
        ready(service, remote)

    ready(service, remote)
    while_away(lambda: service.call(POST))
    assert remote.approvals.list(TENANT).tasks == ()

    task, parked = park(service)
    page = f"{INBOX}/requests/{TENANT}/{task}"
    status = parked.header("location") or ""
    while_away(
        lambda: service.call(Call("POST", f"{page}/approve", headers=FORM, body=(b"comment=",))),
        lambda: service.call(Call("POST", f"{page}/deny", headers=FORM, body=(b"comment=no",))),
        lambda: service.call(Call(target=page)),
        lambda: service.call(Call(target=status, headers=IDENTITY)),
        lambda: service.call(Call("POST", f"{status}/cancel", headers=IDENTITY)),
    )
    [waiting] = remote.approvals.list(TENANT).tasks
    assert (waiting.id, waiting.status, waiting.votes) == (task, "pending", ())

    vote = Call("POST", f"{page}/approve", headers=FORM, body=(b"comment=",))
    assert service.call(vote).status == 303
    while_away(lambda: service.call(replay(POST, task)))
    answer = service.call(replay(POST, task))
    assert (answer.status, answer.body) == (201, b"pay 42")
    assert service.call(replay(POST, task)).status == 409
    assert service.journal.count("create pay 42") == 1
