"""What a project may listen to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from django.db import close_old_connections
from django.dispatch import Signal

from policy_middleware.approvals import ApprovalEvent
from policy_middleware.enforcer import PolicyEnforcer

log: Final = logging.getLogger("policy_middleware")

approval_changed: Final = Signal()
"""Sent after every step of an approval that this process makes, with `event`, an ApprovalEvent.

Receivers run in a thread of their own and hold up no request; the sender is the class PolicyEnforcer.
"""


def forward(enforcer: PolicyEnforcer) -> Callable[[], None]:
    """Send what happens to an enforcer's approvals as signals; returns what to call to stop that."""
    return enforcer.on_approval(_send)


def _send(event: ApprovalEvent) -> None:
    if not approval_changed.has_listeners(PolicyEnforcer):
        return
    # No request begins or ends in this thread, so nobody else looks after its connections.
    close_old_connections()
    try:
        for receiver, answer in approval_changed.send_robust(PolicyEnforcer, event=event):
            if isinstance(answer, Exception):
                log.error("receiver %r of approval_changed failed", receiver, exc_info=answer)
    finally:
        close_old_connections()
