from __future__ import annotations

from flask import Flask, current_app

from policy_middleware.approvals import ApprovalEvent
from policy_middleware.attributes import const
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware_flask import PolicyMiddleware, approval_changed
from tests.approvals.parking import park
from tests.waiting import eventually


def test_steps_of_approvals_are_sent_as_signals_of_the_app() -> None:
    heard: list[tuple[str, str]] = []

    def listen(app: Flask, event: ApprovalEvent) -> None:
        assert current_app.name == app.name
        heard.append((app.name, event.kind.value))

    with PolicyEnforcer.from_url("memory://", decision_log=lambda _: None) as enforcer:
        app = Flask("shop")
        PolicyMiddleware(app, enforcer=enforcer, tenant=const("acme"))
        with approval_changed.connected_to(listen):
            task = park(enforcer.approvals)
            enforcer.approvals.cancel("acme", task.id, "alice")
            eventually(lambda: heard == [("shop", "requested"), ("shop", "cancelled")])
