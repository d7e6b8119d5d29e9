"""The queue that stands in for those of every enforcer of this process, while policies are overridden."""

from __future__ import annotations

from policy_middleware.approvals.queue import ApprovalQueue

in_use: ApprovalQueue | None = None
