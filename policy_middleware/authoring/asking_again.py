"""A recorded decision made again: the request as its record holds it, over documents in hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from policy_middleware.counters import with_facts
from policy_middleware.decision_log.reading import ReadRecord, asked_of, moment_of, text_of
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.evaluation.trace import Explanation
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Matched, Outcome
from policy_middleware.model.errors import ContextError
from policy_middleware.model.vocabulary import TIME

_INPUT: Final = "/input/"
_BY_NO_POLICY: Final[Mapping[object, str]] = {
    Matched.REFUSAL.value: "was refused before any policy was asked",
    Matched.STORE_UNAVAILABLE.value: "was answered without a policy, because the store was away",
}


class NotAsked(Exception):
    """A record holds no request that could be asked again; the message says why."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """What a record still knows of a request.

    `cut` names attributes that it does not hold whole: they count as missing. `facts` are the recorded
    numbers about the past.
    """

    context: RequestContext
    cut: tuple[str, ...]
    facts: Mapping[str, int | None]
    approved: bool

    @classmethod
    def of(cls, record: ReadRecord) -> RecordedRequest:
        """Return the request of a decision's record; raises NotAsked."""
        why = _BY_NO_POLICY.get(text_of(record.get("matched")))
        if why is not None:
            raise NotAsked(why)
        asked = dict(asked_of(record))
        cut = sorted(_cut(record))
        for name in cut:
            asked.pop(name, None)
        now = moment_of({"timestamp": asked.pop(TIME, None)}) or moment_of(record)
        if now is None:
            raise NotAsked("has no time")
        tenant = record.get("tenant")
        # What is asked without an action, because the record must not hold it, is still asked.
        known = {"tenant": tenant, "action": "", **asked}
        try:
            context = RequestContext.from_mapping(known, now)
        except ContextError as error:
            raise NotAsked(f"cannot be asked again: {error}") from None
        if "action" not in asked:
            context = RequestContext(
                context.tenant,
                {name: value for name, value in context.attributes.items() if name != "action"},
                now,
            )
            cut = sorted({*cut, "action"})
        for name in ("subject.roles", "subject.type", "resource.tags"):
            if name in cut:
                context = _without(context, name)
        return cls(context, tuple(cut), _facts(record), record.get("matched") == Matched.APPROVAL)

    def unknown_facts(self, policies: PolicySet) -> list[str]:
        """Return the numbers about the past that the documents ask for, and that the record does not hold."""
        if policies.counting is None:
            return []
        wanted = policies.wanted(self.context, approved=self.approved)
        return sorted(fact.attribute for fact in wanted if self.facts.get(fact.attribute) is None)

    def ask(self, policies: PolicySet) -> Outcome:
        """Return what the documents say, with the approvals that it asked for where it had brought one."""
        context = self._known(policies)
        outcome = policies.evaluate(context)
        if not self.approved or not outcome.obligations.approvals:
            return outcome
        satisfied = frozenset(
            (one.document, one.rule_id, one.rule_digest) for one in outcome.obligations.approvals
        )
        return policies.evaluate_approved(context, satisfied)

    def explain(self, policies: PolicySet) -> Explanation:
        """Return the rule-by-rule trace, as it was before any approval."""
        return policies.explain(self._known(policies))

    def _known(self, policies: PolicySet) -> RequestContext:
        return self.context if policies.counting is None else with_facts(self.context, self.facts)


def _cut(record: ReadRecord) -> set[str]:
    """Return the attributes that were erased, masked or shortened."""
    pointers = [pointer for member in ("erased", "masked") for pointer in _texts(record.get(member))]
    cut = {_name(pointer.removeprefix(_INPUT)) for pointer in pointers if pointer.startswith(_INPUT)}
    asked = asked_of(record)
    return cut | {name for name in _texts(record.get("shortened")) if name in asked or "." in name}


def _name(pointer: str) -> str:
    return pointer.split("/")[0].replace("~1", "/").replace("~0", "~")


def _without(context: RequestContext, name: str) -> RequestContext:
    attributes = {each: value for each, value in context.attributes.items() if each != name}
    return RequestContext(context.tenant, attributes, context.now)


def _facts(record: ReadRecord) -> dict[str, int | None]:
    facts = record.get("facts")
    if not isinstance(facts, dict):
        return {}
    return {
        name: number
        for name, number in facts.items()
        if number is None or (isinstance(number, int) and not isinstance(number, bool))
    }


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
