from __future__ import annotations

import pytest

from policy_middleware.model.errors import SettingsError
from policy_middleware.stores.keys import KeyLayout


def test_every_key_of_a_tenant_carries_the_tenant_as_its_hash_tag() -> None:
    keys = KeyLayout()
    assert keys.doc("acme") == "policy:doc:{acme}"
    assert keys.history("_global") == "policy:history:{_global}"
    assert keys.status("acme") == "policy:status:{acme}"
    assert keys.approval("acme", "fp", "abc") == "policy:approval:{acme}:fp:abc"
    assert keys.count("acme", "r1") == "policy:count:{acme}:r1"
    assert keys.meta() == "policy:meta"
    assert keys.decisions() == "policy:decisions"


@pytest.mark.parametrize("name", ["", "a}b", "{a}", "a b", "_other", "a" * 129, "a\n", "é", "a:*"])
def test_names_that_could_reach_another_key_are_refused(name: str) -> None:
    keys = KeyLayout()
    for make in (keys.doc, keys.history, keys.status, keys.approval, keys.count):
        with pytest.raises(ValueError, match="neither a tenant id"):
            make(name)


@pytest.mark.parametrize("prefix", ["", "a{b}:", "policy *", "x\n", "p" * 65])
def test_prefixes_that_would_break_the_layout_are_refused_at_start_up(prefix: str) -> None:
    with pytest.raises(SettingsError, match="key_prefix"):
        KeyLayout(prefix)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("policy:doc:{acme}", "acme"),
        ("policy:doc:{_global}", "_global"),
        ("policy:doc:acme", None),
        ("policy:doc:{_other}", None),
        ("policy:doc:{a b}", None),
        ("policy:doc:{}", None),
        ("policy:history:{acme}", None),
        ("other:doc:{acme}", None),
    ],
)
def test_only_well_formed_document_keys_name_a_document(key: str, name: str | None) -> None:
    assert KeyLayout().document_name(key) == name
