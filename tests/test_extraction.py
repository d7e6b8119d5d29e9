from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import Enum

import pytest

from policy_middleware.attributes import CredentialError, Custom, header, query
from policy_middleware.extraction import Extraction, Refused, await_sources, run_sources
from policy_middleware.model.context import RequestContext
from policy_middleware.model.errors import SettingsError
from policy_middleware.responses import ProblemType
from policy_middleware.routing import policy_action, route_policy
from policy_middleware.settings import GateSettings
from tests.requests import FakeRequest

HEADERS = {"tenant": header("X-Tenant"), "subject": header("X-User"), "roles": header("X-Roles")}
GOOD = (("x-tenant", "acme"), ("x-user", "bob"), ("x-roles", "analyst,dpo"))


def _extraction(**settings: object) -> Extraction:
    return Extraction(GateSettings.load({**HEADERS, **settings}, {}))


def _context(extraction: Extraction, **request: object) -> RequestContext:
    view = FakeRequest(**{"headers": GOOD, **request})  # type: ignore[arg-type]  # fields by name
    return extraction.context(view, run_sources(extraction.blocking, view))


def _refusal(extraction: Extraction, **request: object) -> Refused:
    with pytest.raises(Refused) as caught:
        _context(extraction, **request)
    return caught.value


def test_a_request_becomes_a_context() -> None:
    context = _context(_extraction(attributes={"resource.rows": query("rows", type=int)}), query="rows=5")
    assert context.tenant == "acme"
    assert dict(context.attributes) == {
        "tenant": "acme",
        "subject.id": "bob",
        "subject.type": "user",
        "subject.roles": ("analyst", "dpo"),
        "action": "GET /customers/{id}",
        "resource.type": "customers",
        "resource.id": "7",
        "resource.tags": (),
        "resource.rows": 5,
        "environment.ip": "192.0.2.7",
        "http.method": "GET",
        "http.path": "/customers/7",
        "http.route": "/customers/{id}",
        "http.host": "app.example",
    }


def test_an_unrouted_request_is_decided_on_method_and_path() -> None:
    context = _context(_extraction(), route=None, path="/nowhere", method="HEAD")
    assert context.attributes["action"] == "GET /nowhere"
    assert "resource.type" not in context.attributes


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ((("x-tenant", "acme"),), ProblemType.IDENTITY_MISSING),
        ((), ProblemType.IDENTITY_MISSING),
        ((*GOOD, ("x-user", "eve")), ProblemType.ATTRIBUTE_MALFORMED),
        ((*GOOD, ("x-roles", "admin")), ProblemType.ATTRIBUTE_MALFORMED),
        ((("x-user", "bob"), ("x-tenant", "a/b")), ProblemType.ATTRIBUTE_MALFORMED),
        ((("x-user", "bob"), ("x-tenant", "_global")), ProblemType.ATTRIBUTE_MALFORMED),
        ((("x-user", "bob"), ("x-tenant", "a" * 129)), ProblemType.ATTRIBUTE_MALFORMED),
        ((("x-user", "bob"),), ProblemType.TENANT_MISSING),
    ],
)
def test_refusals_before_a_decision(headers: tuple[tuple[str, str], ...], kind: ProblemType) -> None:
    assert _refusal(_extraction(), headers=headers).kind is kind


def test_tenant_sources_have_to_agree() -> None:
    extraction = _extraction(tenant=[header("X-Tenant"), header("X-Org")])
    assert _context(extraction, headers=(*GOOD, ("x-org", "acme"))).tenant == "acme"
    refusal = _refusal(extraction, headers=(*GOOD, ("x-org", "globex")))
    assert refusal.kind is ProblemType.TENANT_MISMATCH
    assert refusal.attributes["subject.id"] == "bob"


def test_a_missing_tenant_may_have_a_fallback() -> None:
    assert _context(_extraction(on_missing_tenant="public"), headers=(("x-user", "bob"),)).tenant == "public"


def test_anonymous_requests_have_no_subject_id() -> None:
    context = _context(_extraction(on_missing_identity="anonymous"), headers=(("x-tenant", "acme"),))
    assert context.attributes["subject.type"] == "anonymous"
    assert "subject.id" not in context.attributes


def test_a_source_that_raises_refuses_the_request_after_the_clients_own_mistakes() -> None:
    def broken(request: object) -> str:
        raise ConnectionError("database")

    extraction = _extraction(attributes={"context.plan": broken})
    assert _refusal(extraction).kind is ProblemType.ATTRIBUTE_UNAVAILABLE
    assert _refusal(extraction, headers=()).kind is ProblemType.IDENTITY_MISSING
    assert _refusal(extraction, headers=(("x-user", "bob"),)).kind is ProblemType.TENANT_MISSING


def test_a_tenant_source_that_raises_is_no_missing_tenant() -> None:
    def broken(request: object) -> str:
        raise ConnectionError("database")

    assert _refusal(_extraction(tenant=broken)).kind is ProblemType.ATTRIBUTE_UNAVAILABLE


def test_a_credential_that_does_not_verify_is_401() -> None:
    def verify(request: object) -> str:
        raise CredentialError("the token has expired")

    refusal = _refusal(_extraction(identity=verify))
    assert (refusal.kind, refusal.detail) == (ProblemType.CREDENTIAL_INVALID, "the token has expired")


def test_asynchronous_sources_are_awaited() -> None:
    async def plan(request: object) -> str:
        return "gold"

    extraction = _extraction(attributes={"context.plan": plan})
    view = FakeRequest(headers=GOOD)
    values = asyncio.run(await_sources(extraction.awaited, view))
    assert extraction.context(view, values).attributes["context.plan"] == "gold"


def test_a_value_that_cannot_be_compared_is_malformed() -> None:
    extraction = _extraction(attributes={"context.plan": lambda request: object()})
    assert _refusal(extraction).kind is ProblemType.ATTRIBUTE_MALFORMED


def test_a_resource_template_that_the_route_cannot_fill_refuses_the_request() -> None:
    handler = policy_action("x", resource="row:{key}")(lambda: None)
    refusal = _refusal(_extraction(), route=route_policy("GET", "/x", handler), path_params={})
    assert refusal.kind is ProblemType.ATTRIBUTE_UNAVAILABLE


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tenant": None}, "tenant: say where"),
        ({"attributes": {"subject.id": header("X")}}, "cannot be overwritten"),
        ({"attributes": {"role": header("X")}}, "cannot be overwritten"),
        ({"attributes": {"environment.time": header("X")}}, "cannot be overwritten"),
        ({"attributes": {"rows": header("X")}}, "no such attribute"),
        ({"roles": 5}, "roles: 5 is no source"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_start_up(
    settings: Mapping[str, object], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        _extraction(**settings)


def test_one_callable_used_twice_is_called_once() -> None:
    calls: list[object] = []

    def plan(request: object) -> str:
        calls.append(request)
        return "gold"

    extraction = _extraction(attributes={"context.plan": plan, "context.again": Custom(plan)})
    context = _context(extraction)
    assert (context.attributes["context.plan"], context.attributes["context.again"]) == ("gold", "gold")
    assert len(calls) == 1


def test_who_asks_is_remembered_and_means_the_same_the_next_time() -> None:
    extraction = _extraction()
    contexts = [_context(extraction, headers=headers) for headers in (GOOD, GOOD[:2], GOOD)]
    assert [context.attributes["subject.roles"] for context in contexts] == [
        ("analyst", "dpo"),
        (),
        ("analyst", "dpo"),
    ]
    assert contexts[0].attributes == contexts[2].attributes
    assert contexts[0].attributes is not contexts[2].attributes


def test_values_that_only_look_equal_are_not_taken_for_one_another() -> None:
    class Kind(str, Enum):  # noqa: UP042 -- what people wrote before StrEnum
        ANA = "ana"

    subjects: list[object] = ["1", 1, True, "ana", Kind.ANA, 1]
    asking = iter(subjects)
    extraction = _extraction(subject=lambda _: next(asking))
    found = [_context(extraction).attributes["subject.id"] for _ in subjects]
    assert found == ["1", "1", "True", "ana", "ana", "1"]
    assert all(type(subject) is str for subject in found)


def test_what_is_refused_is_refused_every_time() -> None:
    extraction = _extraction()
    for _ in range(2):
        assert (
            _refusal(extraction, headers=(*GOOD, ("x-user", "eve"))).kind is ProblemType.ATTRIBUTE_MALFORMED
        )
        assert _refusal(extraction, headers=GOOD[1:]).kind is ProblemType.TENANT_MISSING
        assert _refusal(extraction, headers=GOOD[:1]).kind is ProblemType.IDENTITY_MISSING


def test_a_list_of_roles_is_taken_though_it_cannot_be_remembered() -> None:
    context = _context(_extraction(roles=lambda _: ["analyst"]))
    assert context.attributes["subject.roles"] == ("analyst",)


def test_memory_for_askers_is_bounded_whatever_clients_send() -> None:
    extraction = _extraction()
    for number in range(5000):
        _context(extraction, headers=(("x-tenant", "acme"), ("x-user", f"u{number}")))
    _context(extraction, headers=(("x-tenant", "acme"), ("x-user", "long" * 200)))
    assert len(extraction._askers) <= 4096
    assert max(len(str(who)) for who in extraction._askers) < 600
