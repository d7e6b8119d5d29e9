"""For programs that call a protected service: wait until people have decided, then send the request again.

    httpx.Client(transport=ApprovalTransport(httpx.HTTPTransport()))    httpx and httpx2, also asynchronous
    session.mount("https://", ApprovalAdapter())                        requests

A 202 of the policy never reaches the caller: the answer is the handler's, or an exception.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from policy_middleware.client.httpx_transport import ApprovalTransport
from policy_middleware.client.outcomes import (
    ApprovalCancelled,
    ApprovalDenied,
    ApprovalExpired,
    ApprovalNotGiven,
    ApprovalTimedOut,
)

if TYPE_CHECKING:
    from policy_middleware.client.requests_adapter import ApprovalAdapter

__all__ = [
    "ApprovalAdapter",
    "ApprovalCancelled",
    "ApprovalDenied",
    "ApprovalExpired",
    "ApprovalNotGiven",
    "ApprovalTimedOut",
    "ApprovalTransport",
]


def __getattr__(name: str) -> object:
    # requests may be missing, so it is imported when it is asked for.
    if name == "ApprovalAdapter":
        from policy_middleware.client.requests_adapter import ApprovalAdapter

        return ApprovalAdapter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
