from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from examples.auth.proxy_headers import app
from policy_middleware.testing import assert_allowed, assert_denied, override_policies

from .policies import policy_of

ENGINEER = {"X-Auth-User": "eva", "X-Auth-Roles": "staff, engineer", "X-Auth-Site": "acme"}
VISITOR = {"X-Auth-User": "vic", "X-Auth-Roles": "visitor", "X-Auth-Site": "acme"}


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    """The example's own policy is in force for one tenant."""
    with override_policies({"acme": policy_of("proxy_headers")}):
        yield


def ask(path: str, headers: Any, method: str = "GET", peer: str = "10.1.2.3") -> Any:
    return TestClient(app, client=(peer, 40_000)).request(method, path, headers=headers)


def reset(headers: Any, peer: str = "10.1.2.3") -> Any:
    return ask("/meters/7/reset", headers, "POST", peer)


def test_one_of_several_roles_is_enough() -> None:
    assert_allowed(reset(ENGINEER), rule="engineers-reset")


def test_a_visitor_reads_and_resets_nothing() -> None:
    assert_allowed(ask("/meters/7", VISITOR), rule="site-reads")
    assert_denied(reset(VISITOR))


@pytest.mark.parametrize("peer", ["192.0.2.7", "11.0.0.1", "testclient", "::1"])
def test_from_elsewhere_the_headers_count_for_nothing(peer: str) -> None:
    assert reset(ENGINEER, peer).status_code == 401


def test_a_peer_in_ipv6_notation_is_the_same_proxy() -> None:
    assert reset(ENGINEER, "::ffff:10.1.2.3").status_code == 200


def test_what_the_client_says_of_the_way_is_not_believed() -> None:
    assert reset({**ENGINEER, "X-Forwarded-For": "10.1.2.3"}, "192.0.2.7").status_code == 401


def test_without_the_header_nobody_is_known() -> None:
    assert reset({"X-Auth-Roles": "engineer", "X-Auth-Site": "acme"}).status_code == 401


def test_a_header_beside_the_one_of_the_proxy_is_refused() -> None:
    twice = [*ENGINEER.items(), ("X-Auth-User", "root")]
    assert reset(twice).status_code == 400


def test_another_site_is_under_its_policy_only_and_none_is_refused() -> None:
    assert_denied(reset({**ENGINEER, "X-Auth-Site": "globex"}), matched="missing_policy")
    assert reset({"X-Auth-User": "eva", "X-Auth-Roles": "engineer"}).status_code == 400
