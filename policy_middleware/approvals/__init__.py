"""Who may let a request pass that a rule holds back."""

from policy_middleware.approvals.fingerprint import body_digest, fingerprint
from policy_middleware.approvals.memory import MemoryApprovals
from policy_middleware.approvals.opening import open_approvals
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

__all__ = [
    "ApprovalLimits",
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
    "body_digest",
    "fingerprint",
    "is_task_id",
    "open_approvals",
]
