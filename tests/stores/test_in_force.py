from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from policy_middleware.model.documents import DEFAULT_MAX_DOCUMENT_BYTES
from policy_middleware.model.errors import NoUsablePolicy
from policy_middleware.stores.held import HeldDocument, after_reading, compiler
from policy_middleware.stores.in_force import (
    SHARED_DOCUMENTS,
    MissingPolicyRules,
    OnMissingPolicy,
    policies_of_tenant,
)
from tests.stores.documents import BAD, allowing, answer, denying, guardrail


def held(name: str, body: bytes | None) -> HeldDocument:
    return after_reading(None, name, body, None, compiler(DEFAULT_MAX_DOCUMENT_BYTES))


def decide(
    tenant: bytes | None,
    *,
    shared: Mapping[str, bytes] = MappingProxyType({}),
    on_missing: OnMissingPolicy = "deny",
    marked: bool = True,
    require_global: bool = False,
) -> str:
    documents = {name: held(name, shared.get(name)) for name in SHARED_DOCUMENTS}
    rules = MissingPolicyRules(on_missing, require_global)
    return answer(policies_of_tenant(held("acme", tenant), documents, marked=marked, rules=rules))


def test_a_tenants_own_document_decides() -> None:
    assert decide(allowing()) == "allow"
    assert decide(denying()) == "deny"


@pytest.mark.parametrize("name", ["_global", "_incident"])
def test_guardrails_restrict_what_the_tenants_document_allows(name: str) -> None:
    assert decide(allowing(), shared={name: guardrail()}) == "deny"


def test_a_tenant_without_a_document_is_denied_unless_somebody_wrote_down_otherwise() -> None:
    assert decide(None) == "deny"
    assert decide(None, shared={"_default": allowing()}) == "deny"


def test_the_default_document_stands_in_when_configured() -> None:
    assert decide(None, on_missing="default", shared={"_default": allowing()}) == "allow"
    assert decide(denying(), on_missing="default", shared={"_default": allowing()}) == "deny"
    assert decide(None, on_missing="default") == "deny"


def test_allowing_tenants_without_a_document_demands_the_marker_of_a_store_with_policies() -> None:
    assert decide(None, on_missing="allow") == "allow"
    assert decide(None, on_missing="allow", marked=False) == "deny"


def test_guardrails_hold_for_tenants_without_a_document() -> None:
    assert decide(None, on_missing="allow", shared={"_global": guardrail()}) == "deny"


def test_an_unusable_document_refuses_the_requests_that_need_it() -> None:
    for shared in ({"_global": BAD}, {"_incident": BAD}):
        with pytest.raises(NoUsablePolicy, match="is not valid"):
            decide(allowing(), shared=shared)
    with pytest.raises(NoUsablePolicy):
        decide(BAD, on_missing="allow")
    with pytest.raises(NoUsablePolicy):
        decide(None, on_missing="default", shared={"_default": BAD})
    assert decide(allowing(), on_missing="default", shared={"_default": BAD}) == "allow"


def test_require_global_refuses_without_one() -> None:
    with pytest.raises(NoUsablePolicy, match="require_global"):
        decide(allowing(), require_global=True)
    assert (
        decide(allowing(), require_global=True, shared={"_global": b'{"schema": 1, "rules": []}'}) == "allow"
    )
