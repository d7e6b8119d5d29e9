from __future__ import annotations

import pytest

from policy_middleware.model import vocabulary
from policy_middleware.model.vocabulary import (
    ALIASES,
    RESERVED_ATTRIBUTES,
    canonical_attribute,
    is_document_name,
    is_tenant_id,
    why_not_an_attribute,
)


@pytest.mark.parametrize("name", ["a", "acme", "Acme-2.eu:7@x", "-", "a_", "9" * 128])
def test_tenant_ids_are_made_of_a_few_safe_characters(name: str) -> None:
    assert is_tenant_id(name)
    assert is_document_name(name)


@pytest.mark.parametrize("name", ["", "_acme", "a" * 129, "a b", "a\n", "a{b}", "a/b", "ä", "\u0661", "a*"])
def test_everything_else_is_no_tenant_id(name: str) -> None:
    assert not is_tenant_id(name)
    assert not is_document_name(name)


@pytest.mark.parametrize("name", ["_global", "_incident", "_default"])
def test_reserved_documents_are_no_tenants(name: str) -> None:
    assert is_document_name(name)
    assert not is_tenant_id(name)


def test_every_alias_and_reserved_attribute_is_an_attribute() -> None:
    for name in {*ALIASES, *ALIASES.values(), *RESERVED_ATTRIBUTES}:
        assert why_not_an_attribute(name) is None
        assert canonical_attribute(name) == ALIASES.get(name, name)


@pytest.mark.parametrize("name", ["subject", "resource", "environment", "http", "context"])
def test_groups_of_attributes_are_told_apart_from_attributes(name: str) -> None:
    assert str(why_not_an_attribute(name)).startswith("is a group of attributes; name one of them, such as ")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("rols", "is an unknown attribute; did you mean 'roles'?"),
        ("resources.tags", "is an unknown attribute; did you mean 'resource.tags'?"),
        ("action.name", "is AuthZEN's spelling of 'action'; write action"),
        ("", "is not an attribute; its path is made of letters, digits, '_' and '-' between dots"),
        ("resource.", "is not an attribute; its path is made of letters, digits, '_' and '-' between dots"),
    ],
)
def test_what_is_no_attribute_is_explained(name: str, sentence: str) -> None:
    assert why_not_an_attribute(name) == sentence


def test_texts_too_long_for_a_tenant_are_not_kept() -> None:
    before = vocabulary._is_tenant_id.cache_info().currsize
    assert not is_tenant_id("x" * 60_000)
    assert vocabulary._is_tenant_id.cache_info().currsize == before
