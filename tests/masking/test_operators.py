"""What each operator writes, and what holds where several meet."""

from __future__ import annotations

import json
from datetime import date
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.masking import Masker, MaskKeys, register_operator
from policy_middleware.masking.keys import hkdf
from policy_middleware.masking.operators.encrypting import Encrypt
from policy_middleware.model.errors import MaskError, SettingsError
from policy_middleware.model.policy import FieldMask, MaskOperator, MaskSpec, Operation

KEY = b"0123456789abcdef0123456789abcdef"
JSON = "application/json"


def masked(value: object, operator: object, key: bytes | None = KEY) -> object:
    masker = Masker.from_spec({"fields": {"v": operator}}, tenant_key=key)
    once = masker.mask(json.dumps({"v": value}).encode(), JSON).body
    return json.loads(once).get("v", ...)


@pytest.mark.parametrize(
    ("operator", "value", "written"),
    [
        ("keep", "x", "x"),
        ("redact", "x", "[REDACTED]"),
        ("redact", 17, 0),
        ("redact", True, False),
        ("redact", None, None),
        ("replace", "x", "<MASKED>"),
        ({"operator": "replace", "text": "n/a"}, "x", "n/a"),
        ({"operator": "replace", "text": "n/a", "as_text": True}, 17, "n/a"),
        ("replace", 17, 0),
        ("show_last_4", "4111111111111111", "************1111"),
        ("show_first_4", "4111111111111111", "4111************"),
        ("email_mask", "jo@mail.example.com", "XXXXX@mail.example.com"),
        ("email_mask", "no address", "[REDACTED]"),
        ("email_mask", "a@b@c.example", "[REDACTED]"),
        ("nullify", {"a": 1}, None),
        ("drop", "x", ...),
        ("generalize", "2026-11-22T10:00:00Z", "2026"),
        ("generalize", "22 Nov 2026", "2026"),
        ("generalize", "1999 or 2000", "[REDACTED]"),
        ("generalize", 17, 0),
        ({"operator": "generalize", "to": "month"}, "2026-11-22", "2026-11"),
        ({"operator": "generalize", "to": "month"}, "11/22/2026", "[REDACTED]"),
        ({"operator": "generalize", "bucket": 10}, 37, 30),
        ({"operator": "generalize", "bucket": 10}, -37, -40),
        ({"operator": "generalize", "bucket": 0.5}, 1.75, 1.5),
        ({"operator": "generalize", "bucket": 10}, "37", "30"),
        ({"operator": "generalize", "bucket": 10}, 1e300, 0),
        ("date_shift", "no date", "[REDACTED]"),
        ("date_shift", "2026-02-30", "[REDACTED]"),
    ],
)
def test_an_operator_writes_what_the_page_about_masking_says(operator, value, written):
    assert masked(value, operator) == written


@pytest.mark.parametrize(
    "operator", [one.value for one in MaskOperator if one.value not in ("custom", "date_shift")]
)
@settings(max_examples=25, deadline=None)
@given(value=st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.emails(), st.dates().map(str)))
def test_masking_twice_changes_nothing_under_any_operator(operator, value):
    masker = Masker.from_spec({"fields": {"v": operator, "w": "show_last_4"}}, tenant_key=KEY)
    once = masker.mask(json.dumps({"v": value, "w": value}).encode(), JSON).body
    assert masker.mask(once, JSON).body == once


@pytest.mark.parametrize("operator", ["hash", "tokenize", "encrypt"])
def test_pseudonyms_are_stable_within_a_tenant_and_tell_nothing_across_tenants(operator):
    assert masked("jo@example.com", operator) == masked("jo@example.com", operator)
    assert masked("jo@example.com", operator) != masked("jo@example.com", operator, b"another key of 16+")
    assert masked("jo@example.com", operator) != masked("bo@example.com", operator)
    assert masked(17, operator) == 0
    assert isinstance(masked(17, {"operator": operator, "as_text": True}), str)


@pytest.mark.parametrize("operator", ["hash", "tokenize", "encrypt"])
def test_a_value_that_only_looks_like_a_pseudonym_is_masked(operator):
    written = masked("secret", operator)
    assert isinstance(written, str)
    forged = written[:-1] + ("a" if written[-1] != "a" else "b")
    assert masked(forged, operator) != forged


def test_a_token_is_the_same_in_a_field_and_in_a_text():
    spec = {"fields": {"v": "tokenize"}, "entities": {"EMAIL_ADDRESS": "tokenize"}}
    body = Masker.from_spec(spec, tenant_key=KEY).mask(b'{"v": "jo@x.com", "t": "to jo@x.com"}', JSON).body
    found = json.loads(body)
    assert found["v"].partition("_")[2] == found["t"].rpartition("_")[2]


def test_what_was_encrypted_can_be_decrypted_with_the_key_and_no_other():
    written = str(masked("Grüße \u2028 \U0001f600", "encrypt"))
    assert Encrypt(0, KEY).decrypted(f"x {written}.") == ("x Grüße \u2028 \U0001f600.", 1)
    assert Encrypt(0, b"another key of 16+").decrypted(written) == (written, 0)


def test_dates_of_a_tenant_move_together():
    one, other = masked("2026-01-01", "date_shift"), masked("2026-01-11T10:00:00Z", "date_shift")
    assert isinstance(one, str)
    assert isinstance(other, str)
    assert one != "2026-01-01"
    assert other.endswith("T10:00:00Z")
    assert (date.fromisoformat(other[:10]) - date.fromisoformat(one)).days == 10


@pytest.mark.parametrize("operator", ["hash", "tokenize", "encrypt", "date_shift"])
@pytest.mark.parametrize("spec", ["fields", "entities", "headers"])
def test_a_keyed_operator_without_a_key_is_refused_and_never_weaker(operator, spec):
    name = {"fields": "v", "entities": "EMAIL_ADDRESS", "headers": "X-V"}[spec]
    with pytest.raises(MaskError, match="needs a mask key"):
        Masker.from_spec({spec: {name: operator}})
    with pytest.raises(MaskError, match="at least 16 bytes"):
        Masker.from_spec({spec: {name: operator}}, tenant_key=b"short")


def test_a_custom_operator_is_called_by_its_name():
    register_operator("test-initial", initial)
    register_operator("test-initial", initial)
    assert masked("Jo", {"operator": "custom", "function": "test-initial"}) == "J."
    with pytest.raises(SettingsError, match="registered already"):
        register_operator("test-initial", lambda value, entity: value)
    with pytest.raises(MaskError, match="no operator 'unknown' is registered"):
        masked("Jo", {"operator": "custom", "function": "unknown"})


def initial(value: str, entity: str) -> str:
    return value[:1] + "."


def test_a_custom_operator_that_fails_tells_nothing_of_the_value():
    def failing(value: str, entity: str) -> str:
        raise ValueError(value)

    register_operator("test-failing", failing)
    with pytest.raises(MaskError, match="failed with ValueError") as caught:
        masked("secret", {"operator": "custom", "function": "test-failing"})
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


REVEALING = [
    Operation(MaskOperator.PARTIAL, show_last=4),
    Operation(MaskOperator.EMAIL_MASK),
    Operation(MaskOperator.GENERALIZE, to="year"),
    Operation(MaskOperator.DATE_SHIFT, days=10),
]


@pytest.mark.parametrize(("one", "other"), list(combinations(REVEALING, 2)))
def test_where_two_operators_show_different_parts_nothing_is_shown(one, other):
    spec = MaskSpec((FieldMask("v", one),)) | MaskSpec((FieldMask("*", other),))
    body = Masker.from_spec(spec, tenant_key=KEY).mask(b'{"v": "2026-11-22"}', JSON).body
    assert body == b'{"v": "[REDACTED]"}'


def test_a_keep_of_one_mask_does_not_keep_from_another():
    keeping = MaskSpec((FieldMask("v", Operation(MaskOperator.KEEP)),))
    body = b'{"v": "jo@example.com"}'
    searching = Masker.from_spec({"entities": {"EMAIL_ADDRESS": "redact"}}).spec
    both = Masker.from_spec({"fields": {"v": "keep"}, "entities": {"EMAIL_ADDRESS": "redact"}})
    assert both.mask(body, JSON).body == body
    assert Masker.from_spec(keeping | searching).mask(body, JSON).body == b'{"v": "[REDACTED]"}'
    assert Masker.from_spec(both.spec | searching).mask(body, JSON).body == b'{"v": "[REDACTED]"}'


def test_keys_are_derived_as_rfc_5869_says():
    # Appendix A.3: no salt, no info.
    derived = hkdf(bytes([0x0B] * 22), b"", 42)
    assert derived.hex().startswith("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d")


def test_every_tenant_has_a_key_of_its_own():
    keys = MaskKeys(b"s" * 32, None)
    assert keys.of("acme") == keys.of("acme") != keys.of("globex")
    assert MaskKeys(None, None).of("acme") is None
    assert MaskKeys(None, lambda tenant: tenant.encode() * 4).of("acme") == b"acme" * 4


def test_a_key_that_cannot_be_had_is_an_error_and_asked_for_again():
    asked = []

    def ask(tenant: str) -> bytes:
        asked.append(tenant)
        if len(asked) == 1:
            raise OSError("away")
        return b"k" * 16

    keys = MaskKeys(None, ask)
    with pytest.raises(MaskError, match="mask_key failed for tenant 'acme': OSError"):
        keys.of("acme")
    assert keys.of("acme") == keys.of("acme") == b"k" * 16
    assert asked == ["acme", "acme"]


def test_keys_that_cannot_be_right_are_refused_at_once():
    with pytest.raises(SettingsError, match="mask_secret: has 16 bytes"):
        MaskKeys(b"s" * 16, None)
    with pytest.raises(SettingsError, match="two sources"):
        MaskKeys(b"s" * 32, lambda tenant: b"k" * 16)
