"""What the exit code of a command says."""

from __future__ import annotations

from enum import IntEnum

from policy_middleware.authoring.incidents import EditRefused
from policy_middleware.authoring.rule_edits import UnknownRule
from policy_middleware.decision_log.reading import LogUnreadable, UnknownDecision
from policy_middleware.model.errors import (
    ApprovalError,
    ContextError,
    DocumentError,
    NoUsablePolicy,
    PolicyError,
    RevisionConflict,
    SettingsError,
    StoreUnavailable,
)
from policy_middleware.stores.publishing import UnknownRevision


class ExitCode(IntEnum):
    """The contract with scripts."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    INVALID_POLICY = 3
    TESTS_FAILED = 4
    STORE_UNREACHABLE = 5
    WOULD_CHANGE_OR_BE_DENIED = 6
    """The answer is no: a check found a difference, a request would not run, or a step was refused."""
    INTEGRITY_BROKEN = 7


# The first that fits counts: a store with nothing but a broken document is reachable.
_CODES: tuple[tuple[type[PolicyError], ExitCode], ...] = (
    (DocumentError, ExitCode.INVALID_POLICY),
    (NoUsablePolicy, ExitCode.INVALID_POLICY),
    (StoreUnavailable, ExitCode.STORE_UNREACHABLE),
    (SettingsError, ExitCode.USAGE),
    (ContextError, ExitCode.USAGE),
    (UnknownRevision, ExitCode.USAGE),
    (UnknownRule, ExitCode.USAGE),
    (UnknownDecision, ExitCode.USAGE),
    (LogUnreadable, ExitCode.USAGE),
    (EditRefused, ExitCode.WOULD_CHANGE_OR_BE_DENIED),
    (RevisionConflict, ExitCode.WOULD_CHANGE_OR_BE_DENIED),
    (ApprovalError, ExitCode.WOULD_CHANGE_OR_BE_DENIED),
)


def exit_code_of(error: PolicyError) -> ExitCode:
    """Return the code for an error that ended a command."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.UNEXPECTED)
