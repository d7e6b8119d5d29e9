"""Who is in front of a page: an approver whom the host application has authenticated."""

from __future__ import annotations

from dataclasses import dataclass, replace

from policy_middleware.approvals import ApprovalTask, Approver, Verification
from policy_middleware.approvals.persons import same_person
from policy_middleware.model.errors import SettingsError
from policy_middleware.model.vocabulary import is_tenant_id


@dataclass(frozen=True, slots=True)
class Visitor:
    """An approver at work, and the tenants whose requests they see.

    `subject` is whom the sources of the application name for the same request, where they name anybody:
    somebody may be known to the API by another name than to the inbox.
    """

    approver: Approver
    tenants: tuple[str, ...]
    subject: str | None = None

    def asked_for(self, task: ApprovalTask) -> bool:
        """True when the visitor is, by either name, the person who asked."""
        names = (self.approver.id, self.subject)
        return any(name is not None and same_person(name, task.requester) for name in names)


def visitor_of(found: object, *, tenant: str | None, subject: str | None) -> Visitor | None:
    """Make a visitor of what the `approver` setting returned, None for nobody.

    They see the tenants that the approver names, else the one that the request names. Raises SettingsError
    for anything that is no Approver: a user's name alone would let everybody in.
    """
    if found is None:
        return None
    if not isinstance(found, Approver):
        raise SettingsError(
            f"approver: returned a {type(found).__name__}; return an Approver for somebody who may approve, "
            "else None"
        )
    for name in found.tenants:
        if not is_tenant_id(name):
            raise SettingsError(f"approver: {name!r} is no tenant id")
    # Whatever the callable says, it is the host application that vouches for them here.
    approver = replace(found, verified=Verification.HOST, operator=None)
    tenants = tuple(dict.fromkeys(found.tenants)) or ((tenant,) if tenant is not None else ())
    return Visitor(approver, tenants, subject)
