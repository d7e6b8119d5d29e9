"""What an application may listen to."""

from __future__ import annotations

import weakref
from typing import Final

from blinker import Namespace
from flask import Flask

from policy_middleware.approvals import ApprovalEvent
from policy_middleware.enforcer import PolicyEnforcer

_signals: Final = Namespace()

policy_decided: Final = _signals.signal("policy-decided")
"""Sent by the app right before a view runs or is refused, with `decision`; listeners must not block."""

approval_changed: Final = _signals.signal("approval-changed")
"""Sent by the app after every step of an approval that this process makes, with `event`, an ApprovalEvent.

Listeners run inside an application context, in a thread of their own, and hold up no request.
"""


def forward(enforcer: PolicyEnforcer, app: Flask) -> None:
    """Send what happens to an enforcer's approvals as signals of the app, for as long as there is one."""
    reference = weakref.ref(app)

    def send(event: ApprovalEvent) -> None:
        app = reference()
        if app is None:
            stop()
        elif approval_changed.receivers:
            with app.app_context():
                approval_changed.send(app, event=event)

    stop = enforcer.on_approval(send)
