"""Asking for an approval ahead of the request: `POST <prefix>/access/v1/requests`.

Two ways to say what is asked for (OpenID AuthZEN Access Request and Approval Profile, draft):

* `denial.evaluation_id` names a request that was answered 202; its task is returned.
* Without it the policy is asked about the action, resource and context as submitted, and `context.http` says
  which request will be sent. The approval is bound to what was declared, and the request itself is judged by
  what it is: a declaration that was not true fits no request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policy_middleware.approval_documents import submitted_response
from policy_middleware.approvals import ApprovalTask, RequestSummary, fingerprint
from policy_middleware.binding import bound_attributes, resource_of
from policy_middleware.console.redaction import redaction_of
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.context import AttributeValue, RequestContext, attribute_value
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import ContextError, PolicyError
from policy_middleware.responses import ProblemType, Response
from policy_middleware.settings import GateSettings

MAX_KEY: Final = 255
"""Characters of an idempotency key."""
LOOKED_BACK: Final = 200
"""How many of a tenant's latest tasks are searched for one that has ended."""
_KEPT: Final = ("tenant", "subject.", "environment.")
"""What is never declared: who asks, and from where, is known of the submission itself."""


class SubmissionRefused(PolicyError):
    """A submission cannot be taken; `kind` says how the client is told."""

    def __init__(self, kind: ProblemType, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _Subject(_Part):
    id: str
    type: str = "user"


class _Action(_Part):
    name: Annotated[str, Field(min_length=1)]


class _Resource(_Part):
    type: str | None = None
    id: str | None = None
    properties: dict[str, object] = Field(default_factory=dict)


class _Http(_Part):
    """The request that will be sent; `path` as the client writes it, `body_sha256` in hex."""

    method: Annotated[str, Field(min_length=1)]
    path: Annotated[str, Field(min_length=1)]
    query: str = ""
    content_type: str | None = None
    body_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = hashlib.sha256().hexdigest()
    body_size: int | None = None


class _Context(_Part):
    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    http: _Http | None = None


class _Denial(_Part):
    evaluation_id: str


class _Submission(_Part):
    subject: _Subject
    action: _Action
    resource: _Resource = _Resource()
    context: _Context = _Context()
    denial: _Denial | None = None


class Submissions:
    """Takes access requests for one application."""

    def __init__(self, enforcer: PolicyEnforcer, settings: GateSettings) -> None:
        self._enforcer, self._settings = enforcer, settings

    def take(
        self, body: bytes | None, keys: tuple[str, ...], caller: RequestContext, root_path: str
    ) -> Response:
        """Park what is asked for and answer with its task; may block.

        `keys` are the values of Idempotency-Key, `caller` is who submits. Raises SubmissionRefused,
        ApprovalError and StoreUnavailable.
        """
        submitted, digest = _read(body)
        subject = caller.attributes.get("subject.id")
        if not isinstance(subject, str) or submitted.subject.id != subject:
            raise SubmissionRefused(
                ProblemType.DENIED, "An approval can only be asked for by its own subject."
            )
        queue, tenant = self._enforcer.approvals, caller.tenant
        key = _key(keys)
        if key is not None:
            known = queue.claim(tenant, subject, key, digest)
            if known is not None:
                return submitted_response(known, self._settings, root_path, known.decision_id)
        task = (
            self._park(submitted, submitted.context.http, caller, subject)
            if submitted.denial is None
            else self._parked_before(submitted, submitted.denial, tenant, subject)
        )
        if key is not None:
            queue.keep_claim(tenant, subject, key, digest, task)
        return submitted_response(task, self._settings, root_path, task.decision_id)

    def _parked_before(
        self, submitted: _Submission, denial: _Denial, tenant: str, subject: str
    ) -> ApprovalTask:
        """Return the task of the request that was answered with this `evaluation_id`."""
        queue = self._enforcer.approvals

        def asked_by(tasks: Iterable[ApprovalTask]) -> ApprovalTask | None:
            wanted = (subject, denial.evaluation_id)
            return next((task for task in tasks if (task.requester, task.decision_id) == wanted), None)

        # What has ended need only be told from what never was, as long as that costs little.
        task = asked_by(queue.open_of(tenant, subject)) or asked_by(
            queue.list(tenant, limit=LOOKED_BACK).tasks
        )
        declared = _described(submitted.resource)
        if task is None or (task.action, task.resource) != (submitted.action.name, declared):
            raise SubmissionRefused(
                ProblemType.INVALID_DENIAL_BINDING,
                "No request of this subject with this action and resource got this evaluation_id.",
            )
        if not task.is_open:
            raise SubmissionRefused(
                ProblemType.EXPIRED_DENIAL, f"This approval is {task.status.value}; send the request again."
            )
        return task

    def _park(
        self, submitted: _Submission, http: _Http | None, caller: RequestContext, subject: str
    ) -> ApprovalTask:
        if http is None:
            raise SubmissionRefused(
                ProblemType.INVALID_DENIAL_BINDING,
                "Say in denial.evaluation_id which request was answered with 202, or in context.http which "
                "one will be sent: method, path, query, content_type, body_sha256.",
            )
        context = _declared(submitted, http, caller)
        decision = self._enforcer.evaluate(context)
        if decision.effect is not Effect.REQUIRE_APPROVAL:
            self._record(decision, context)
            what = "allowed without an approval" if decision.allowed else f"denied: {decision.reason}"
            raise SubmissionRefused(ProblemType.NOT_REQUESTABLE, f"This request is {what}")
        redaction = redaction_of(self._enforcer, context.tenant)
        task = self._enforcer.approvals.request(
            context.tenant,
            fingerprint=fingerprint(
                tenant=context.tenant,
                subject=subject,
                method=http.method,
                path=http.path,
                query=http.query,
                content_type=http.content_type,
                body_digest=http.body_sha256,
                action=submitted.action.name,
                resource=resource_of(context),
                attributes=bound_attributes(self._settings, context),
            ),
            requester=subject,
            action=submitted.action.name,
            resource=resource_of(context),
            reason=decision.reason,
            requirements=decision.obligations.approvals,
            revisions=decision.revisions,
            summary=RequestSummary(
                http.method,
                redaction.path(http.path),
                redaction.query(http.query),
                http.content_type,
                http.body_size,
            ),
            decision_id=decision.decision_id,
        )
        self._record(decision, context, task.id)
        return task

    def _record(self, decision: PolicyDecision, context: RequestContext, task_id: str | None = None) -> None:
        self._enforcer.decision_log.append(decision, context, approval_id=task_id)


def _read(body: bytes | None) -> tuple[_Submission, str]:
    """Return a submission and a digest in which equivalent bodies agree."""
    if body is None:
        raise SubmissionRefused(ProblemType.BODY_TOO_LARGE, "The access request is too long.")
    try:
        tree = json.loads(body)
        submission = _Submission.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the body"
        raise SubmissionRefused(ProblemType.ATTRIBUTE_MALFORMED, f"{place}: {first['msg']}.") from error
    except (ValueError, RecursionError) as error:
        raise SubmissionRefused(ProblemType.ATTRIBUTE_MALFORMED, "The body is not a JSON object.") from error
    if "items" in tree:
        raise SubmissionRefused(
            ProblemType.NOT_REQUESTABLE, "Several items at once are not taken; ask for each."
        )
    canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    return submission, hashlib.sha256(canonical.encode()).hexdigest()


def _key(keys: tuple[str, ...]) -> str | None:
    if not keys:
        return None
    if len(keys) > 1 or not 0 < len(keys[0]) <= MAX_KEY or not keys[0].isprintable():
        raise SubmissionRefused(
            ProblemType.ATTRIBUTE_MALFORMED,
            f"Idempotency-Key: give one of 1 to {MAX_KEY} printable characters.",
        )
    return keys[0]


def _declared(submitted: _Submission, http: _Http, caller: RequestContext) -> RequestContext:
    """Return the context of the request that will be sent, as far as its sender declares it."""
    attributes: dict[str, AttributeValue] = {
        path: value for path, value in caller.attributes.items() if path.startswith(_KEPT)
    }
    resource = submitted.resource
    declared: Mapping[str, object] = {
        **{f"resource.{name}": value for name, value in resource.properties.items()},
        **{f"context.{name}": value for name, value in (submitted.context.model_extra or {}).items()},
        "action": submitted.action.name,
        "resource.type": resource.type,
        "resource.id": resource.id,
        "http.method": http.method,
        "http.path": http.path,
    }
    try:
        for path, value in declared.items():
            given = None if value is None or isinstance(value, dict) else attribute_value(path, value)
            if given is not None:
                attributes[path] = given
    except ContextError as error:
        raise SubmissionRefused(ProblemType.ATTRIBUTE_MALFORMED, str(error)) from error
    attributes.setdefault("resource.tags", ())
    return RequestContext(caller.tenant, attributes, caller.now)


def _described(resource: _Resource) -> str | None:
    if resource.type is None:
        return None
    return resource.type if resource.id is None else f"{resource.type}:{resource.id}"
