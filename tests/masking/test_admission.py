"""Which documents are admitted by what their masks need, where they run and where they are written."""

from __future__ import annotations

from typing import Any

import pytest

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.masking import MaskKeys, mask_admission, pattern_admission
from policy_middleware.model.documents import canonical_json, parse_document
from policy_middleware.model.errors import DocumentError
from policy_middleware.model.policy import PolicyDocument

NO_KEYS = MaskKeys(None, None)
KEYS = MaskKeys(bytes(32), None)
PATTERN = {"patterns": {"TICKET": {"pattern": "T-[0-9]{4}", "operator": "redact"}}}


def raw(mask: dict[str, Any], **more: Any) -> dict[str, Any]:
    rule = {"id": "m", "when": {"role": "x"}, "effect": "mask", "reason": "Masked.", "mask": mask}
    return {"schema": 1, "default": "deny", "rules": [rule], **more}


def document(mask: dict[str, Any], name: str = "acme", **more: Any) -> PolicyDocument:
    return parse_document(canonical_json(raw(mask, **more), name=name), name=name)


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        ({"fields": {"a": "hash"}}, "needs a mask key"),
        ({"entities": {"EMAIL_ADDRESS": "tokenize"}}, "needs a mask key"),
        ({"fields": {"a": {"operator": "custom", "function": "unknown"}}}, "unknown"),
        ({"entities": {"SHOE_SIZE": "redact"}}, "SHOE_SIZE"),
    ],
)
def test_a_mask_that_cannot_be_applied_is_refused_with_its_place(mask: dict[str, Any], told: str) -> None:
    with pytest.raises(DocumentError, match=told) as refused:
        mask_admission(NO_KEYS)(document(mask))
    assert refused.value.problems[0].path.startswith("$.rules[0].mask")


def test_a_key_makes_keyed_operators_admitted() -> None:
    mask_admission(KEYS)(document({"fields": {"a": "hash", "b": "encrypt"}}))


def test_keys_and_functions_of_the_application_are_taken_for_granted_where_it_is_not() -> None:
    custom = {"operator": "custom", "function": "of the application"}
    mask = {
        "fields": {"a": "hash", "b": custom},
        "entities": {"EMAIL_ADDRESS": custom},
        "headers": {"X": custom},
    }
    mask_admission(None)(document(mask))
    with pytest.raises(DocumentError, match="SHOE_SIZE"):
        mask_admission(None)(document({"entities": {"SHOE_SIZE": "redact"}}))


def test_a_recognizer_that_misses_its_example_is_refused() -> None:
    own = {"BADGE": {"pattern": "B-[0-9]{4}", "examples": ["B-12"]}}
    with pytest.raises(DocumentError, match="B-12"):
        mask_admission(KEYS)(document({"entities": {"BADGE": "redact"}}, recognizers=own))


def test_slow_patterns_are_refused_to_who_publishes_and_not_to_who_loads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pattern_admission, "probe_milliseconds", lambda recognizer: 51.0)
    mask_admission(NO_KEYS)(document(PATTERN))
    with pytest.raises(DocumentError, match="TICKET"):
        mask_admission(NO_KEYS, probe=True)(document(PATTERN))


def test_an_enforcer_times_the_patterns_it_publishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern_admission, "probe_milliseconds", lambda recognizer: 51.0)
    with PolicyEnforcer.from_url("memory://", decision_log="logging") as enforcer:
        with pytest.raises(DocumentError, match="TICKET"):
            enforcer.publish("acme", raw(PATTERN))
        assert enforcer.snapshots.store.names() == []
