"""Which documents decide for one tenant, given what is held of each. No I/O, no locks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import NoUsablePolicy
from policy_middleware.model.vocabulary import DEFAULT, GLOBAL, GUARDRAILS
from policy_middleware.stores.held import HeldDocument

OnMissingPolicy = Literal["deny", "default", "allow"]

SHARED_DOCUMENTS: Final = (*GUARDRAILS, DEFAULT)
"""Documents that more than one tenant's decisions depend on; they are always held."""


@dataclass(frozen=True, slots=True)
class MissingPolicyRules:
    """What holds where a document is missing."""

    on_missing_policy: OnMissingPolicy = "deny"
    require_global: bool = False


def policies_of_tenant(
    tenant: HeldDocument, shared: Mapping[str, HeldDocument], *, marked: bool, rules: MissingPolicyRules
) -> PolicySet:
    """Return what decides a tenant's requests; raise NoUsablePolicy when a document is unusable."""
    guardrails = _guardrails(shared, rules)
    own = _usable(tenant)
    if own is None and rules.on_missing_policy == "default":
        own = _usable(shared[DEFAULT])
    if own is not None:
        return PolicySet((*guardrails, own))
    # An emptied store lacks the marker too, and must not open the door.
    allowed = rules.on_missing_policy == "allow" and marked
    return PolicySet.missing(Effect.ALLOW if allowed else Effect.DENY, guardrails)


def _guardrails(
    shared: Mapping[str, HeldDocument], rules: MissingPolicyRules
) -> tuple[CompiledDocument, ...]:
    if rules.require_global and shared[GLOBAL].compiled is None and shared[GLOBAL].missing:
        raise NoUsablePolicy(
            "require_global is set and the store holds no _global document; publish one, "
            'if only {"schema": 1, "rules": []}'
        )
    usable = (_usable(shared[name]) for name in GUARDRAILS)
    return tuple(document for document in usable if document is not None)


def _usable(held: HeldDocument) -> CompiledDocument | None:
    if held.unusable:
        raise NoUsablePolicy(
            f"the only version of policy document {held.name!r} is not valid ({held.rejection}); "
            "publish a valid one"
        )
    return held.compiled
