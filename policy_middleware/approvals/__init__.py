"""Who may let a request pass that a rule holds back."""

from policy_middleware.approvals.clock import ApprovalClock
from policy_middleware.approvals.events import (
    ApprovalEvent,
    ApprovalEventKind,
    ApprovalEvents,
    ApprovalListener,
)
from policy_middleware.approvals.evidence import evidence
from policy_middleware.approvals.fingerprint import body_digest, fingerprint
from policy_middleware.approvals.listeners import open_listeners
from policy_middleware.approvals.memory import MemoryApprovals
from policy_middleware.approvals.opening import open_approvals, open_hub
from policy_middleware.approvals.queue import (
    ApprovalLimits,
    ApprovalPage,
    ApprovalQueue,
    ApprovalStatus,
    ApprovalTask,
    Approver,
    Consumption,
    ConsumptionOutcome,
    RequestSummary,
    RequirementProgress,
    Verdict,
    Verification,
    Vote,
)
from policy_middleware.approvals.redis import RedisApprovals
from policy_middleware.approvals.task import is_task_id
from policy_middleware.approvals.watching import LOOK_ANYWAY_SECONDS, ApprovalHub, Watch

__all__ = [
    "LOOK_ANYWAY_SECONDS",
    "ApprovalClock",
    "ApprovalEvent",
    "ApprovalEventKind",
    "ApprovalEvents",
    "ApprovalHub",
    "ApprovalLimits",
    "ApprovalListener",
    "ApprovalPage",
    "ApprovalQueue",
    "ApprovalStatus",
    "ApprovalTask",
    "Approver",
    "Consumption",
    "ConsumptionOutcome",
    "MemoryApprovals",
    "RedisApprovals",
    "RequestSummary",
    "RequirementProgress",
    "Verdict",
    "Verification",
    "Vote",
    "Watch",
    "body_digest",
    "evidence",
    "fingerprint",
    "is_task_id",
    "open_approvals",
    "open_hub",
    "open_listeners",
]
