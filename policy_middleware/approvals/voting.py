"""Who may vote: the condition of a rule's `approval.approvers`, evaluated over the person."""

from __future__ import annotations

from policy_middleware.approvals.task import ApprovalTask, Approver, Verification
from policy_middleware.evaluation.reference import holds
from policy_middleware.model.context import AttributeValue, RequestContext, attribute_value
from policy_middleware.model.errors import ContextError
from policy_middleware.model.vocabulary import canonical_attribute


def answers_to(task: ApprovalTask, approver: Approver, now: float) -> tuple[int, ...]:
    """Return the indexes of the requirements whose condition holds for the approver.

    The second group of a requirement counts once the task was escalated. What cannot be evaluated does not
    hold. Raises ContextError for an attribute that cannot be compared.
    """
    person = approver_context(task.tenant, approver, now)
    return tuple(
        index
        for index, (requirement, escalated) in enumerate(zip(task.requirements, task.escalated, strict=True))
        if holds(requirement.approval.approvers, person) is True
        or (
            escalated is not None
            and requirement.approval.escalation is not None
            and holds(requirement.approval.escalation.approvers, person) is True
        )
    )


def well_enough_known(task: ApprovalTask, approver: Approver, eligible: tuple[int, ...]) -> tuple[int, ...]:
    """Return those of the requirements that accept how the approver was verified."""
    by_host = approver.verified is Verification.HOST
    return tuple(
        index for index in eligible if by_host or not task.requirements[index].approval.host_verified
    )


def approver_context(tenant: str, approver: Approver, now: float) -> RequestContext:
    """Return the approver as the context that conditions are evaluated over (there is no action in it)."""
    attributes: dict[str, AttributeValue] = {"subject.type": "user"}
    for name, given in approver.attributes.items():
        path = canonical_attribute(name)
        if path is None:
            raise ContextError(
                name, "is not an attribute an approver can have; subject.department would be one"
            )
        value = attribute_value(path, given)
        if value is not None:
            attributes[path] = value
    # Who votes, where and as what is never left to further attributes.
    attributes |= {"tenant": tenant, "subject.id": approver.id, "subject.roles": tuple(approver.roles)}
    return RequestContext(tenant, attributes, now)
