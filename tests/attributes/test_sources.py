from __future__ import annotations

import pytest

from policy_middleware.attributes import (
    Identity,
    MalformedAttribute,
    Source,
    as_source,
    behind,
    claim,
    const,
    header,
    identity_of,
    path_param,
    query,
    subdomain,
    user,
)
from policy_middleware.model.errors import SettingsError
from policy_middleware.settings import GateSettings
from tests.requests import FakeRequest


def _read(source: Source, identity: Identity | None = None, **request: object) -> object:
    return source.read(FakeRequest(**request), identity)  # type: ignore[arg-type]  # fields by name


def test_a_header_is_read_once_and_stripped() -> None:
    assert _read(header("X-User"), headers=[("x-user", " bob ")]) == "bob"


@pytest.mark.parametrize("headers", [[], [("x-user", "")], [("x-user", "  ")]])
def test_an_absent_or_empty_header_is_missing(headers: list[tuple[str, str]]) -> None:
    assert _read(header("X-User"), headers=headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        [("x-user", "bob"), ("X-User", "eve")],
        [("x-user", "bob"), ("x-user", "bob")],
        [("x-user", "bo\x00b")],
        [("x-user", "bo\tb")],
        [("x-user", "b\xf6b")],
        [("x-user", "bob\x7f")],
    ],
)
def test_a_repeated_or_unprintable_header_is_malformed(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(MalformedAttribute, match="x-user"):
        _read(header("X-User"), headers=headers)


def test_a_comma_is_refused_where_the_server_folds_repeated_headers() -> None:
    with pytest.raises(MalformedAttribute, match="comma"):
        _read(header("X-User"), headers=[("x-user", "bob,eve")], joins_duplicates=True)
    assert _read(header("X-User"), headers=[("x-user", "cn=bob,o=x")]) == "cn=bob,o=x"


def test_a_list_header_is_split_at_commas() -> None:
    source = as_source(header("X-Roles"), "roles", many=True)
    assert _read(source, headers=[("x-roles", "admin, ,dpo")], joins_duplicates=True) == ("admin", "dpo")
    assert _read(source, headers=[("x-roles", "")]) == ()


def test_a_query_parameter_is_converted() -> None:
    assert _read(query("rows", type=int), query="a=1&rows=1000") == 1000
    assert _read(query("q"), query="q=%C3%A4+b") == "ä b"
    assert _read(query("on", type=bool), query="on=true") is True
    assert _read(query("id", many=True), query="id=1&id=2") == ("1", "2")
    assert _read(query("rows", type=int), query="row%73=7") == 7
    assert _read(query("rows", type=int), query="other=7") is None


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (int, "rows=1&rows=2"),
        (int, "rows=x"),
        (int, "rows="),
        (int, "rows=%D9%A1"),
        (int, "rows=1_0"),
        (float, "rows=nan"),
        (float, "rows=inf"),
        (bool, "rows=yes"),
        (str, "rows=%FF"),
    ],
)
def test_an_unusable_query_parameter_is_malformed(wanted: type, text: str) -> None:
    with pytest.raises(MalformedAttribute):
        _read(query("rows", type=wanted), query=text)


def test_path_parameters_keep_their_type() -> None:
    assert _read(path_param("id")) == 7
    assert _read(path_param("other")) is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [("acme.app.example:8000", "acme"), ("app.example", None), ("192.0.2.1", None), (None, None)],
)
def test_the_subdomain_is_the_first_label(host: str | None, expected: str | None) -> None:
    assert _read(subdomain(), host=host) == expected


def test_a_subdomain_may_be_pinned_to_its_domain() -> None:
    assert _read(subdomain(of="app.example"), host="acme.app.example") == "acme"
    assert _read(subdomain(of="app.example"), host="acme.evil.example") is None
    assert _read(subdomain(of="app.example"), host="acmeapp.example") is None


class _User:
    username = "bob"

    class profile:  # noqa: N801 -- stands for an attribute
        tenant = "acme"

    def get_username(self) -> str:
        return self.username


def test_user_follows_dotted_attributes_and_calls_methods() -> None:
    identity = Identity("bob", user=_User())
    assert _read(user("profile.tenant"), identity) == "acme"
    assert _read(user("get_username"), identity) == "bob"
    assert _read(user("missing"), identity) is None
    assert _read(user("username")) is None


def test_claims_are_read_by_dotted_path() -> None:
    identity = Identity("bob", claims={"org": {"id": "acme"}, "roles": ["a", "b"]})
    assert _read(claim("org.id"), identity) == "acme"
    assert _read(claim("roles"), identity) == ("a", "b")
    assert _read(claim("org.id.x"), identity) is None
    assert _read(claim("org.id")) is None


def test_const_is_the_same_for_everybody() -> None:
    assert _read(const("acme")) == "acme"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, None),
        ("", None),
        ("bob", Identity("bob")),
        ({"id": "bob", "roles": ["dpo"]}, ("bob", ("dpo",))),
        ({"sub": "bob"}, ("bob", ())),
        ({"roles": ["dpo"]}, None),
    ],
)
def test_identity_is_made_of_what_a_source_returns(found: object, expected: object) -> None:
    identity = identity_of(found)
    if isinstance(expected, tuple):
        assert identity is not None
        assert (identity.id, identity.roles) == expected
    else:
        assert identity == expected


def test_identity_of_a_user_object_keeps_the_object() -> None:
    bob = _User()
    identity = identity_of(bob)
    assert identity is not None
    assert (identity.id, identity.user) == ("bob", bob)


def test_a_source_may_be_a_dotted_path() -> None:
    assert as_source("tests.requests:FakeRequest", "tenant").gathered
    with pytest.raises(SettingsError, match=r"tenant: 'tests\.nowhere\.f' cannot be imported"):
        as_source("tests.nowhere.f", "tenant")
    with pytest.raises(SettingsError, match="not a dotted path"):
        as_source("acme", "tenant")
    with pytest.raises(SettingsError, match="is no source"):
        as_source(7, "tenant")


@pytest.mark.parametrize(
    ("peer", "believed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("::1", True),
        ("192.0.2.7", False),
        ("unix:", False),
        (None, False),
    ],
)
def test_headers_count_only_from_trusted_proxies_where_there_are_some(
    peer: str | None, believed: bool
) -> None:
    settings = GateSettings.load({"trusted_proxies": "10.0.0.0/8, ::1"}, {})
    source = behind(header("X-User"), settings.trusted_proxies)
    assert _read(source, headers=[("x-user", "bob")], client=peer) == ("bob" if believed else None)


def test_a_user_object_that_is_not_authenticated_is_nobody_whatever_it_is_called() -> None:
    class Guest:
        is_authenticated = False
        display_name = "guest"

    assert identity_of(Guest()) is None


def test_one_source_may_serve_an_asgi_and_a_wsgi_application() -> None:
    source = header("X-User")
    assert source.read(FakeRequest(headers=[("x-user", "ana, bob")]), None) == "ana, bob"
    with pytest.raises(MalformedAttribute, match="comma"):
        source.read(FakeRequest(headers=[("x-user", "ana, bob")], joins_duplicates=True), None)


def test_an_empty_list_in_a_header_is_there_and_empty() -> None:
    request = FakeRequest(headers=[("x-tags", " , ")])
    assert [header("X-Tags", many=True).read(request, None) for _ in range(2)] == [(), ()]
    assert header("X-Tags").read(FakeRequest(headers=[("x-tags", " ")]), None) is None
