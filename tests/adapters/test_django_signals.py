from __future__ import annotations

import pytest
from django.test import override_settings

from policy_middleware.approvals import ApprovalEvent
from policy_middleware.attributes import const
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware_django.conf import SETTING, installations
from policy_middleware_django.signals import approval_changed
from tests.adapters import django_project
from tests.approvals.parking import park
from tests.waiting import eventually

django_project.configure()


def test_steps_of_approvals_are_sent_as_signals(
    enforcer: PolicyEnforcer, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    def fail(event: ApprovalEvent, **_: object) -> None:
        raise RuntimeError("the pager is away")

    def listen(event: ApprovalEvent, **_: object) -> None:
        heard.append(event.kind.value)

    approval_changed.connect(fail)
    approval_changed.connect(listen)
    try:
        with override_settings(POLICY_MIDDLEWARE={"TENANT": const("acme"), "ENFORCER": enforcer}):
            assert installations[SETTING].gate.enforcer is enforcer
            task = park(enforcer.approvals)
            eventually(lambda: heard == ["requested"])
        enforcer.approvals.cancel("acme", task.id, "alice")
        assert enforcer._approval_events.flush()
        assert heard == ["requested"]
    finally:
        approval_changed.disconnect(fail)
        approval_changed.disconnect(listen)
    assert "of approval_changed failed" in caplog.text
