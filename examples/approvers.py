"""Who may approve: what the application tells the inbox of whoever is in front of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from policy_middleware.approvals import Approver

APPROVING_ROLES: Final = frozenset({"dpo", "finance"})


class Request(Protocol):
    """What the requests of all three frameworks have."""

    @property
    def headers(self) -> Mapping[str, str]: ...


def approver(request: Request) -> Approver | None:
    """Return who is signed in, if they have a role that approves something; the gateway sets the headers."""
    user = request.headers.get("X-User")
    roles = tuple(role.strip() for role in request.headers.get("X-Roles", "").split(","))
    if not user or APPROVING_ROLES.isdisjoint(roles):
        return None
    return Approver(user, roles)
