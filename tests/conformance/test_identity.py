"""Who is asking, and what is refused before anything is decided."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from policy_middleware.attributes import header, path_param, query, user

from .conftest import Build, Records
from .harness import Adapter, Call
from .policies import ALLOW_ALL, DENY_ALL, IDENTITY, SOURCES, only


def without(name: str) -> list[tuple[str, str]]:
    return [(key, value) for key, value in IDENTITY if key != name]


def kind_of(answer: Any) -> str:
    return str(answer.json()["type"]).rpartition(":")[2]


def test_a_request_without_identity_is_challenged(build: Build, records: Records) -> None:
    service = build(ALLOW_ALL)
    answer = service.call(Call(target="/docs/7", headers=without("X-User")))
    assert (answer.status, kind_of(answer)) == (401, "identity-missing")
    assert answer.header("www-authenticate") is not None
    assert "read 7" not in service.journal
    assert len(records.decisions()) == 1


def test_an_empty_identity_header_is_no_identity(build: Build) -> None:
    answer = build(ALLOW_ALL).call(Call(target="/docs/7", headers=[*without("X-User"), ("X-User", "  ")]))
    assert answer.status == 401


def test_a_request_without_tenant_is_malformed(build: Build) -> None:
    answer = build(ALLOW_ALL).call(Call(target="/docs/7", headers=without("X-Tenant-ID")))
    assert (answer.status, kind_of(answer)) == (400, "tenant-missing")


def test_identity_is_asked_for_before_the_tenant(build: Build) -> None:
    assert build(ALLOW_ALL).call(Call(target="/docs/7")).status == 401


@pytest.mark.parametrize("name", ["X-User", "X-Tenant-ID"])
def test_a_repeated_identity_header_is_refused(build: Build, name: str) -> None:
    service = build(ALLOW_ALL)
    answer = service.call(Call(target="/docs/7", headers=(*IDENTITY, (name, "mallory"))))
    assert (answer.status, kind_of(answer)) == (400, "attribute-malformed")
    assert "read 7" not in service.journal


@pytest.mark.parametrize("value", ["be\x00a", "be\x7fa", "b\xe9a", "bea\x0bmallory"])
def test_control_characters_in_an_identity_header_are_refused(build: Build, value: str) -> None:
    answer = build(ALLOW_ALL).call(Call(target="/docs/7", headers=[*without("X-User"), ("X-User", value)]))
    assert (answer.status, kind_of(answer)) == (400, "attribute-malformed")


@pytest.mark.parametrize("tenant", ["_global", "_incident", "a/b", "a b", "x" * 129, "{acme}", "acme*"])
def test_a_malformed_tenant_never_reaches_the_store(build: Build, tenant: str) -> None:
    headers = [*without("X-Tenant-ID"), ("X-Tenant-ID", tenant)]
    assert build(ALLOW_ALL).call(Call(target="/docs/7", headers=headers)).status == 400


def test_tenants_that_disagree_are_refused(build: Build) -> None:
    service = build(ALLOW_ALL, tenant=[header("X-Tenant-ID"), query("tenant")])
    answer = service.call(Call(target="/docs/7", query="tenant=globex", headers=IDENTITY))
    assert (answer.status, kind_of(answer)) == (403, "tenant-mismatch")
    assert service.call(Call(target="/docs/7", query="tenant=acme", headers=IDENTITY)).status == 200


def test_a_tenant_without_a_policy_is_denied(build: Build) -> None:
    answer = build(ALLOW_ALL).call(
        Call(target="/docs/7", headers=[*without("X-Tenant-ID"), ("X-Tenant-ID", "globex")])
    )
    assert (answer.status, kind_of(answer)) == (403, "policy-missing")


def test_an_underscored_header_cannot_pose_as_the_real_one(build: Build, adapter: Adapter) -> None:
    service = build(ALLOW_ALL)
    answer = service.call(Call(target="/docs/7", headers=[*IDENTITY, ("X_User", "mallory")]))
    # Over WSGI the two names are one variable, so what arrives is ambiguous and refused.
    assert answer.status == (400 if adapter.expects.joins_duplicates else 200)


def test_roles_come_as_a_comma_separated_list(build: Build) -> None:
    service = build(only("allow", {"role": {"contains_all": ["analyst", "viewer"]}}))
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).status == 200


def test_the_frameworks_own_user_is_the_identity_by_default(build: Build, adapter: Adapter) -> None:
    service = build(
        only("allow", {"user": "carol", "role": "auditor"}),
        subject=user("username"),
        roles=user("roles"),
        setup_user="carol",
        setup_user_roles=("auditor",),
    )
    answer = service.call(Call(target="/docs/7", headers=[("X-Tenant-ID", "acme")]))
    assert answer.status == (200 if adapter.expects.framework_user else 401)


def test_nobody_is_authenticated_by_a_framework_without_a_user(build: Build) -> None:
    service = build(ALLOW_ALL, subject=None, roles=None)
    assert service.call(Call(target="/docs/7", headers=[("X-Tenant-ID", "acme")])).status == 401


def test_a_source_that_raises_refuses_the_request(build: Build, records: Records) -> None:
    def broken(request: object) -> str:
        raise OSError("the directory is away")

    service = build(ALLOW_ALL, attributes={"context.department": broken})
    answer = service.call(Call(target="/docs/7", headers=IDENTITY))
    assert (answer.status, kind_of(answer)) == (503, "attribute-unavailable")
    assert answer.header("retry-after") is not None
    assert b"directory" not in answer.body
    assert "read 7" not in service.journal
    assert len(records.decisions()) == 1


def test_a_synchronous_source_may_block(build: Build) -> None:
    arrived = threading.Event()

    def department(request: object) -> str:
        arrived.wait(0.01)
        return "finance"

    service = build(
        only("allow", {"context.department": "finance"}), attributes={"context.department": department}
    )
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).status == 200


def test_an_asynchronous_source_is_awaited(build: Build) -> None:
    async def department(request: object) -> str:
        return "finance"

    service = build(
        only("allow", {"context.department": "finance"}), attributes={"context.department": department}
    )
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).status == 200


def test_a_path_parameter_can_be_an_attribute(build: Build, adapter: Adapter) -> None:
    if not adapter.expects.knows_routes:
        pytest.skip("no routes are known")
    service = build(only("allow", {"context.id": "7"}), attributes={"context.id": path_param("id")})
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).status == 200
    assert service.call(Call(target="/docs/8", headers=IDENTITY)).status == 403


def test_a_query_parameter_that_cannot_be_converted_is_refused(build: Build) -> None:
    service = build(
        only("allow", {"resource.rows": {"lt": 1000}}), attributes={"resource.rows": query("rows", type=int)}
    )
    assert service.call(Call(target="/docs/7", query="rows=10", headers=IDENTITY)).status == 200
    assert service.call(Call(target="/docs/7", query="rows=ten", headers=IDENTITY)).status == 400
    assert service.call(Call(target="/docs/7", query="rows=1&rows=2", headers=IDENTITY)).status == 400
    assert service.call(Call(target="/docs/7", query="rows=2000", headers=IDENTITY)).status == 403


def test_a_method_override_header_changes_nothing(build: Build, adapter: Adapter) -> None:
    action = "thing.any" if adapter.expects.knows_routes else "GET /things/5"
    service = build(only("allow", {"action": action}))
    answer = service.call(Call("GET", "/things/5", headers=(*IDENTITY, ("X-HTTP-Method-Override", "DELETE"))))
    assert (answer.status, answer.body) == (200, b"thing 5")
    answer = service.call(Call("DELETE", "/things/5", headers=(*IDENTITY, ("X-HTTP-Method-Override", "GET"))))
    assert answer.status == 403


def test_the_peers_address_is_the_one_the_server_reports(build: Build) -> None:
    service = build(only("allow", {"environment.ip": {"cidr": "192.0.2.0/24"}}))
    spoofed = (*IDENTITY, ("X-Forwarded-For", "10.0.0.1"))
    assert service.call(Call(target="/docs/7", headers=spoofed)).status == 200


def test_thousands_of_made_up_tenants_are_each_refused(build: Build) -> None:
    service = build(DENY_ALL)
    for number in range(200):
        headers = [*without("X-Tenant-ID"), ("X-Tenant-ID", f"made-up-{number}")]
        assert service.call(Call(target="/docs/7", headers=headers)).status == 403


def test_sources_are_the_ones_that_were_configured(build: Build) -> None:
    service = build(ALLOW_ALL, **{**SOURCES, "tenant": header("X-Org")})
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).status == 400
