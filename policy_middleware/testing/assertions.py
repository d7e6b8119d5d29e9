"""Assertions about decisions, with the rule-by-rule trace in the message when they fail.

Each takes an enforcer and a context, a decision (with or without its context), or the response of a test
client. A response is looked up by its X-Policy-Decision-Id among the latest decisions of this process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.evaluation.trace import Explanation
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Matched, PolicyDecision
from policy_middleware.model.effect import Effect
from policy_middleware.testing.recording import RecordedDecision, policies_behind, recorded
from policy_middleware.testing.responses import ReadResponse, read_response
from policy_middleware.testing.traces import decision_lines, request_lines, trace_lines

Context = Mapping[str, object] | RequestContext

_RAN: Final = {
    Effect.ALLOW: "was allowed",
    Effect.MASK: "was allowed with its response masked",
    Effect.DENY: "was denied",
    Effect.REQUIRE_APPROVAL: "has to wait for approval",
}


def assert_allowed(
    asked: object, context: Context | None = None, *, rule: str | None = None, reason: str | None = None
) -> None:
    """Assert that a request is allowed, and its response not masked.

    `rule` is the id of the rule that has to decide, `reason` a part of the reason.
    """
    __tracebackhide__ = True
    answer = _answer(asked, context)
    answer.expect(Effect.ALLOW, rule, reason)


def assert_denied(
    asked: object,
    context: Context | None = None,
    *,
    rule: str | None = None,
    reason: str | None = None,
    matched: str | None = None,
) -> None:
    """Assert that a rule or the default of a document denies a request.

    `matched` names what else may have to deny it: `missing_policy` where the tenant has no document, which
    is never what a test means by accident.
    """
    __tracebackhide__ = True
    answer = _answer(asked, context)
    answer.expect(Effect.DENY, rule, reason)
    expected = {Matched.RULE, Matched.DEFAULT} if matched is None else {Matched(matched)}
    if answer.decision.matched not in expected:
        answer.fail(f"it was denied, but by {answer.decision.matched.value.replace('_', ' ')}")


def assert_masked(
    asked: object,
    context: Context | None = None,
    *,
    rule: str | None = None,
    reason: str | None = None,
    fields: Iterable[str] = (),
    count: int | None = None,
) -> None:
    """Assert that a request is allowed with its response masked.

    `fields` are paths that have to be masked, as the rule writes them. Of a response, `count` values have to
    be masked, without `count` at least one: a path that meets nothing protects nothing.
    """
    __tracebackhide__ = True
    answer = _answer(asked, context)
    answer.expect(Effect.MASK, rule, reason)
    mask = answer.decision.obligations.mask
    masked = {str(field.path) for field in mask.fields} if mask is not None else set()
    for path in fields:
        if path not in masked:
            answer.fail(f"{path!r} is not among the fields it masks: {', '.join(sorted(masked)) or 'none'}")
    response = answer.response
    if response is None:
        return
    if response.masked is None:
        answer.fail("its response did not leave masked")
    enough = response.masked == str(count) if count is not None else response.masked != "0"
    if not enough:
        wanted = "at least 1" if count is None else str(count)
        answer.fail(
            f"{response.masked} values were masked, not {wanted}; masked are {', '.join(sorted(masked))}"
        )


def assert_pending(
    asked: object, context: Context | None = None, *, rule: str | None = None, reason: str | None = None
) -> str:
    """Assert that a request waits for approval; return the approval's id (of a response, else an empty text).

    `rule` and `reason` as in `assert_allowed`.
    """
    __tracebackhide__ = True
    answer = _answer(asked, context)
    answer.expect(Effect.REQUIRE_APPROVAL, rule, reason)
    if answer.response is None:
        return ""
    if answer.response.status != 202 or answer.response.approval_id is None:
        answer.fail("it could not be parked")
    return answer.response.approval_id or ""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What became of a request, and what can be told about it."""

    decision: PolicyDecision
    context: RequestContext | None
    explain: Callable[[], Explanation | None]
    record: RecordedDecision | None = None
    response: ReadResponse | None = None

    def expect(self, effect: Effect, rule: str | None, reason: str | None) -> None:
        """Fail unless this effect was decided by a policy, enforced, by this rule and for this reason."""
        __tracebackhide__ = True
        record, decision = self.record, self.decision
        if record is not None and record.refusal is not None:
            self.fail(f"no policy was asked, because the request was refused before: {record.refusal}")
        if decision.effect is not effect:
            self.fail(f"the request {_RAN[decision.effect]}, not {effect.value!r}")
        if record is not None and not record.enforced and effect is not Effect.ALLOW:
            self.fail(f"{effect.value!r} was only observed: the application is in observe mode")
        if rule is not None and decision.rule_id != rule:
            self.fail(f"{effect.value!r} was not decided by rule {rule!r}")
        if reason is not None and reason not in decision.reason:
            self.fail(f"{effect.value!r} was not decided for the reason {reason!r}")

    def fail(self, what: str) -> None:
        """Raise AssertionError with everything that is known."""
        __tracebackhide__ = True
        raise AssertionError("\n  ".join([what, *self._lines()]))

    def _lines(self) -> Iterator[str]:
        if self.response is not None:
            said = f": {self.response.detail}" if self.response.detail else ""
            yield f"response: {self.response.status}{said}"
        yield from decision_lines(self.decision)
        if self.record is not None and self.record.approval_id is not None:
            yield f"approval: {self.record.approval_id}"
        if self.context is not None:
            yield from request_lines(self.context)
        explanation = self.explain()
        if explanation is not None:
            yield from trace_lines(explanation)


def _answer(asked: object, context: Context | None) -> _Answer:
    __tracebackhide__ = True
    known = context if not isinstance(context, Mapping) else RequestContext.from_mapping(context)
    if isinstance(asked, PolicyEnforcer):
        if known is None:
            raise TypeError("an enforcer needs a context to be asked: assert_denied(enforcer, {...})")
        return _Answer(asked.evaluate(known), known, lambda: asked.explain(known))
    if isinstance(asked, PolicyDecision):
        return _of_decision(asked, known)
    response = read_response(asked)
    if response is None:
        raise TypeError(
            f"{asked!r} is no enforcer, no decision and no response of a test client with a status_code"
        )
    return _of_response(response)


def _of_decision(decision: PolicyDecision, context: RequestContext | None) -> _Answer:
    record = recorded(decision.decision_id)
    if record is not None:
        return _Answer(decision, record.context, record.explain, record)

    def explain() -> Explanation | None:
        policies = policies_behind(decision, context) if context is not None else None
        return policies.explain(context) if policies is not None and context is not None else None

    return _Answer(decision, context, explain)


def _of_response(response: ReadResponse) -> _Answer:
    __tracebackhide__ = True
    if response.decision_id is None:
        raise AssertionError(
            f"nothing was decided: the response ({response.status}) has no X-Policy-Decision-Id. The route "
            "is exempt, something outside the policy middleware answered, or the middleware is not installed"
        )
    record = recorded(response.decision_id)
    if record is None:
        raise AssertionError(
            f"decision {response.decision_id} is not known here: it was made in another process, before "
            "policy_middleware.testing was imported, or too long ago"
        )
    return _Answer(record.decision, record.context, record.explain, record, response)
