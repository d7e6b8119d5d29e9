"""Hostile paths, hosts and methods: what is decided on is what runs."""

from __future__ import annotations

import pytest

from .conftest import Build, Records
from .harness import Adapter, Call
from .policies import ALLOW_ALL, DENY_ALL, IDENTITY, only


@pytest.mark.parametrize("host", ["testserver/healthz?", "evil/healthz#", "healthz", "a b", ""])
def test_the_host_header_cannot_move_a_request_to_another_path(build: Build, host: str) -> None:
    service = build(DENY_ALL)
    answer = service.call(Call(target="/docs/7", headers=(*IDENTITY, ("Host", host))))
    assert answer.status in (400, 403)
    assert "read 7" not in service.journal


@pytest.mark.parametrize("target", ["/docs/%37", "/%64ocs/7"])
def test_an_encoded_path_is_decided_as_the_route_it_reaches(
    build: Build, adapter: Adapter, target: str
) -> None:
    action = "document.read" if adapter.expects.knows_routes else "GET /docs/7"
    service = build(only("deny", {"action": action}, default="allow"))
    assert service.call(Call(target=target, headers=IDENTITY)).status == 403
    assert "read 7" not in service.journal


def test_an_encoded_slash_separates_segments_for_both(build: Build) -> None:
    service = build(ALLOW_ALL)
    assert service.call(Call(target="/plain/a%2Fb", headers=IDENTITY)).status == 404
    assert not any(entry.startswith("plain") for entry in service.journal)


def test_a_doubled_slash_does_not_get_around_a_denial(build: Build, adapter: Adapter) -> None:
    service = build(ALLOW_ALL)
    assert service.call(Call(target="//docs/7", headers=IDENTITY)).status == adapter.expects.double_slash
    service = build(DENY_ALL)
    assert service.call(Call(target="//docs/7", headers=IDENTITY)).status != 200
    assert "read 7" not in service.journal


@pytest.mark.parametrize("target", ["/healthz/../docs/7", "/healthz/%2e%2e/docs/7", "/healthz//docs/7"])
def test_dots_and_slashes_after_an_exempt_path_reach_no_handler(build: Build, target: str) -> None:
    service = build(DENY_ALL)
    assert service.call(Call(target=target, headers=IDENTITY)).status in (301, 308, 403, 404)
    assert service.journal == [] or "read 7" not in service.journal


def test_a_path_that_no_route_matches_is_hidden_or_left_to_the_router(
    build: Build, adapter: Adapter, records: Records
) -> None:
    answer = build(DENY_ALL).call(Call(target="/nothing/here", headers=IDENTITY))
    assert answer.status == adapter.expects.unrouted
    assert len(records.decisions()) == (1 if adapter.expects.unrouted_is_decided else 0)


def test_the_routers_own_404_passes_when_it_is_allowed(build: Build) -> None:
    assert build(ALLOW_ALL).call(Call(target="/nothing/here", headers=IDENTITY)).status == 404


def test_a_method_that_no_route_takes_is_left_to_the_router_when_allowed(
    build: Build, adapter: Adapter
) -> None:
    answer = build(ALLOW_ALL).call(Call("PUT", "/docs/7", headers=IDENTITY))
    assert answer.status == adapter.expects.wrong_method


def test_a_method_that_no_route_takes_reaches_no_handler_when_denied(build: Build, adapter: Adapter) -> None:
    service = build(DENY_ALL)
    answer = service.call(Call("PUT", "/docs/7", headers=IDENTITY))
    assert answer.status == adapter.expects.wrong_method_denied
    assert "read 7" not in service.journal


def test_a_slash_redirect_is_the_routers_own(build: Build, adapter: Adapter) -> None:
    if adapter.expects.slash_redirect is None:
        pytest.skip("no redirects")
    answer = build(ALLOW_ALL).call(Call(target="/docs/7/", headers=IDENTITY))
    assert answer.status == adapter.expects.slash_redirect
    assert (answer.header("location") or "").endswith("/docs/7")


def test_an_application_below_a_root_path_is_decided_below_it(build: Build, adapter: Adapter) -> None:
    action = "GET /plain/{name}" if adapter.expects.knows_routes else "GET /plain/ann"
    service = build(only("allow", {"action": action, "http.path": "/plain/ann"}))
    answer = service.call(Call(target="/plain/ann", root_path="/api", headers=IDENTITY))
    assert answer.body == b"hello ann"


def test_an_exempt_path_is_exempt_below_a_root_path_only_there(build: Build) -> None:
    service = build(DENY_ALL)
    assert service.call(Call(target="/healthz", root_path="/api")).body == b"ok"
    assert service.call(Call(target="/plain/healthz", headers=IDENTITY)).status == 403


@pytest.mark.parametrize("target", ["/_policy", "/_policy/", "/_policy/anything"])
def test_the_packages_own_pages_come_before_routing_and_need_an_identity(build: Build, target: str) -> None:
    service = build(ALLOW_ALL)
    assert service.call(Call(target=target)).status == 401
    assert service.call(Call(target=target, headers=IDENTITY)).status == 404
    assert service.call(Call(target="/_policyx", headers=IDENTITY)).status == 404


def test_a_made_up_method_reaches_no_handler(build: Build) -> None:
    service = build(DENY_ALL)
    for method in ("FOO", "get", "PROPFIND"):
        assert service.call(Call(method, "/docs/7", headers=IDENTITY)).status != 200
    assert "read 7" not in service.journal
