"""A decision and its grounds as text, for the message of a failed assertion."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from policy_middleware.evaluation.trace import DocumentTrace, Explanation, RuleTrace, Standing
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.model.errors import short_revision

_RESULTS: Final = {True: "holds", False: "does not hold", None: "cannot be evaluated"}
_COUNTS: Final = (Standing.DECIDES, Standing.FLOOR)


def decision_lines(decision: PolicyDecision) -> Iterator[str]:
    """Yield what was decided, by what, and under which id."""
    yield f"decision {decision.decision_id}: {decision.effect.value} by {decided_by(decision)}"
    yield f"reason: {decision.reason}"


def decided_by(decision: PolicyDecision) -> str:
    """Return what decided, in words."""
    what = f"rule {decision.rule_id!r}" if decision.rule_id else decision.matched.value.replace("_", " ")
    where = f" of document {decision.document!r}" if decision.document else ""
    return what + where + (", which could not be evaluated" if decision.indeterminate else "")


def request_lines(context: RequestContext) -> Iterator[str]:
    """Yield the attributes that were asked about."""
    yield "asked about: " + ", ".join(
        f"{path}={_json(value)}" for path, value in sorted(context.attributes.items())
    )


def trace_lines(explanation: Explanation) -> Iterator[str]:
    """Yield every rule of every document, with what settled it; those that counted are marked `>`."""
    for document in explanation.documents:
        yield from _document_lines(document)
    if not explanation.documents:
        yield "no document is in force for this tenant"


def _document_lines(document: DocumentTrace) -> Iterator[str]:
    default = f"default {document.default.value}" if document.default else "no default"
    combined = document.combine.value.replace("_", " ")
    yield f"document {document.name!r} at {short_revision(document.revision)} ({combined}, {default}):"
    for rule in document.rules:
        yield from _rule_lines(rule)
    if not document.rules:
        yield "    no rules"


def _rule_lines(rule: RuleTrace) -> Iterator[str]:
    mark = ">" if rule.standing in _COUNTS else " "
    standing = rule.standing.value.replace("_", " ")
    yield f"  {mark} {rule.id} ({rule.effect.value}) {_RESULTS[rule.result]}: {standing}"
    for leaf in rule.leaves:
        yield f"        {leaf}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
