from __future__ import annotations

import json
from typing import Any

import pytest

from policy_middleware.console.redaction import WITHHELD, Redaction, laid_out
from policy_middleware.enforcer import PolicyEnforcer


def redaction(enforcer: PolicyEnforcer, **mask: Any) -> Redaction:
    rules = [{"id": "m", "when": {"role": "support"}, "effect": "mask", "reason": "Support.", "mask": mask}]
    enforcer.publish("acme", {"schema": 1, "default": "allow", "rules": rules if mask else []})
    return Redaction(enforcer.snapshots.load("acme"))


def test_without_mask_rules_nothing_is_hidden(enforcer: PolicyEnforcer) -> None:
    shown = redaction(enforcer)
    assert not shown.hides
    assert shown.query("email=ada@x.test&a=%20b") == "email=ada@x.test&a=%20b"
    assert shown.body(b'{"email": "ada"}', "application/json", 99) == '{"email":"ada"}'


@pytest.mark.parametrize(
    "path", ["email", "customers[*].email", "**.email", "$.customers[*]['email']", "email[*]"]
)
def test_a_masked_name_is_hidden_wherever_it_occurs(enforcer: PolicyEnforcer, path: str) -> None:
    shown = redaction(enforcer, fields={path: "redact"})
    assert "ada" not in shown.query("email=ada&rows=5")
    assert "rows=5" in shown.query("email=ada&rows=5")
    body = shown.body(b'{"email": "ada", "deep": [{"email": "ada"}], "rows": 5}', "application/json", 999)
    assert body is not None
    assert "ada" not in body
    assert json.loads(body)["rows"] == 5
    assert "ada" not in (shown.body(b"email=ada&rows=5", "application/x-www-form-urlencoded", 99) or "")


def test_every_operator_hides_all_of_a_value(enforcer: PolicyEnforcer) -> None:
    shown = redaction(enforcer, fields={"email": "drop", "name": "partial"})
    body = shown.body(b'{"email": "ada", "name": "Ada Lovelace"}', "application/json", 99)
    assert json.loads(body or "") != {}
    assert "Ada" not in (body or "")
    assert "email" not in (body or "")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{not json", "application/json"),
        (b"\xff\xfe", "text/plain"),
        (b"who knows", "text/plain"),
        (b"[" * 5000, "application/json"),
    ],
)
def test_what_cannot_be_masked_is_not_shown(enforcer: PolicyEnforcer, body: bytes, kind: str) -> None:
    assert redaction(enforcer, fields={"email": "redact"}).body(body, kind, 9999) == WITHHELD


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b'"' + b"x" * 500 + b'"', "application/json"),
        (b" " * 70_000 + b"1", "application/json"),
        (b"%PDF", "application/pdf"),
        (b"--x", "multipart/form-data; boundary=x"),
        (b"1", None),
    ],
)
def test_what_is_no_short_text_is_not_shown(enforcer: PolicyEnforcer, body: bytes, kind: str | None) -> None:
    assert redaction(enforcer).body(body, kind, 100) is None


def test_bodies_are_laid_out_for_people() -> None:
    assert laid_out('{"a":1}', "application/json; charset=utf-8") == '{\n  "a": 1\n}'
    assert laid_out("a=1&b=x%20y", "application/x-www-form-urlencoded") == "a = 1\nb = x y"
    assert laid_out(WITHHELD, "application/json") == WITHHELD
    assert laid_out("so be it", "text/plain") == "so be it"
