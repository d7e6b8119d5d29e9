from __future__ import annotations

import pytest

from policy_middleware.model.conditions import ALWAYS
from policy_middleware.model.decision import Matched, Outcome, PolicyDecision
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import (
    ContextError,
    DocumentError,
    MissingExtra,
    NoUsablePolicy,
    PolicyError,
    Problem,
    RevisionConflict,
    StoreUnavailable,
    short_revision,
)
from policy_middleware.model.policy import FieldMask, MaskOperator, MaskSpec, Operation, Rule


def rule(valid_from: float | None = None, valid_until: float | None = None, enabled: bool = True) -> Rule:
    return Rule("r1", ALWAYS, Effect.DENY, "No.", "", None, enabled, False, valid_from, valid_until)


def test_effects_rise_in_strictness() -> None:
    assert sorted(Effect, key=lambda effect: effect.strictness) == [
        Effect.ALLOW,
        Effect.MASK,
        Effect.REQUIRE_APPROVAL,
        Effect.DENY,
    ]
    assert [effect for effect in Effect if not effect.restricts] == [Effect.ALLOW]


def test_a_window_includes_its_beginning_and_not_its_end() -> None:
    windowed = rule(valid_from=10.0, valid_until=20.0)

    assert [windowed.active_at(now) for now in (9.9, 10.0, 19.9, 20.0)] == [False, True, True, False]


def test_an_open_window_is_on_until_the_rule_is_switched_off() -> None:
    assert rule().active_at(0.0)
    assert not rule(enabled=False).active_at(0.0)


def test_masks_unite_without_repeating_a_field() -> None:
    first, second = (
        FieldMask("a", Operation(MaskOperator.DROP)),
        FieldMask("b", Operation(MaskOperator.REDACT)),
    )

    assert MaskSpec((first,)) | MaskSpec((second, first)) == MaskSpec((first, second))


@pytest.mark.parametrize(
    ("effect", "allowed"),
    [(Effect.ALLOW, True), (Effect.MASK, True), (Effect.REQUIRE_APPROVAL, False), (Effect.DENY, False)],
)
def test_a_decision_lets_the_handler_run_when_nothing_stands_before_it(effect: Effect, allowed: bool) -> None:
    decision = PolicyDecision("d1", Outcome(effect, "Why.", "r1", "acme", Matched.RULE), {"acme": "f" * 64})

    assert decision.allowed is allowed
    assert (decision.effect, decision.action, decision.reason) == (effect, effect, "Why.")
    assert (decision.rule_id, decision.document, decision.matched) == ("r1", "acme", Matched.RULE)
    assert (decision.indeterminate, decision.observed, decision.obligations.approvals) == (False, (), ())


def test_every_error_is_a_policy_error() -> None:
    errors: list[Exception] = [
        DocumentError([Problem("$", "x")]),
        ContextError("a", "x"),
        NoUsablePolicy("x"),
        RevisionConflict("acme", "a" * 64, None),
        MissingExtra("jwt", "jwt_bearer()"),
    ]

    assert all(isinstance(error, PolicyError) for error in errors)
    assert issubclass(NoUsablePolicy, StoreUnavailable)


def test_a_conflict_names_both_revisions_briefly() -> None:
    assert str(RevisionConflict("acme", "a" * 64, None)) == (
        "document 'acme' is at revision none, not aaaaaaaaaaaa: "
        "somebody else changed it; look at the new one, then publish again"
    )
    assert short_revision("0123456789abcdef") == "0123456789ab"


def test_a_missing_extra_says_how_to_install_it() -> None:
    assert str(MissingExtra("jwt", "jwt_bearer()")) == (
        'jwt_bearer() needs an optional dependency: pip install "policy-middleware[jwt]"'
    )
