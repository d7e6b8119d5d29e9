from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given

from policy_middleware.model.conditions import ALWAYS, AllOf, AnyOf, Count, Leaf, Not, Operator
from policy_middleware.model.documents import (
    canonical_document,
    canonical_json,
    migrate_document,
    parse_document,
    revision_of,
)
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import DocumentError
from policy_middleware.model.policy import (
    ApprovalSpec,
    Combine,
    FieldMask,
    LimitSpec,
    MaskOperator,
    MaskSpec,
    Operation,
)
from tests.model.documents import ACME, RECORD, document, parsed, problems, rule
from tests.model.strategies import documents

NO_EFFECT = "is not accepted; write 'allow', 'deny', 'mask' or 'require_approval'"
FIELD_PATH = (
    "is not a field path; write keys with dots, [3] or [*] for items, * for any key and ** for any depth"
)


def test_a_document_says_what_its_author_wrote() -> None:
    acme = parse_document(json.dumps(ACME), name="acme")

    assert (acme.name, acme.default, acme.combine) == ("acme", Effect.DENY, Combine.FIRST_MATCH)
    assert acme.description == "Acme, DPA of March 2026"
    assert acme.metadata == {"owner": "dana", "tickets": ["SEC-12", 7]}
    assert acme.warnings == ()
    reads, no_delete, export, masked, incident = acme.rules
    assert (reads.id, reads.effect, reads.reason) == ("staff-reads", Effect.ALLOW, "Staff may read.")
    assert no_delete.note == "Asked for by legal."
    assert export.approval == ApprovalSpec(Leaf("subject.roles", Operator.EQ, "dpo"), 1, 14400.0, 3600.0)
    assert masked.mask == MaskSpec(
        (
            FieldMask("customers[*].email", Operation(MaskOperator.PARTIAL, show_first=2)),
            FieldMask("**.ssn", Operation(MaskOperator.REDACT)),
            FieldMask("[0].card", Operation(MaskOperator.PARTIAL, show_last=4)),
        )
    )
    assert (incident.observe, incident.valid_from, incident.valid_until) == (True, None, 1796083200.0)


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(ACME).encode(),
        json.dumps(ACME, indent=4),
        b"\xef\xbb\xbf" + json.dumps(ACME).encode(),
        ACME,
        OrderedDict(ACME),
        MappingProxyType(ACME),
    ],
    ids=["bytes", "text", "with a byte order mark", "dict", "ordered dict", "read-only mapping"],
)
def test_every_way_to_hand_over_a_document_means_the_same(raw: Any) -> None:
    assert parse_document(raw, name="acme") == parse_document(json.dumps(ACME), name="acme")


def test_the_least_document_has_a_default_and_no_rules() -> None:
    least = parse_document('{"default": "allow", "rules": []}', name="acme")

    assert (least.rules, least.default, least.description) == ((), Effect.ALLOW, None)


def test_rules_have_the_defaults_of_the_format() -> None:
    [only] = parsed(rule()).rules

    assert (only.when, only.enabled, only.observe, only.note) == (ALWAYS, True, False, None)
    assert (only.mask, only.approval, only.limit) == (None, None, None)


def test_an_approval_left_out_asks_anyone_for_four_hours_and_says_so() -> None:
    asking = parsed(rule(effect="require_approval"))

    assert asking.rules[0].approval == ApprovalSpec(ALWAYS, 1, 4 * 3600.0, 3600.0)
    assert asking.warnings == ("$.rules[0]: names no approvers, so anyone but the requester may approve",)


def test_all_parts_of_an_approval_are_read() -> None:
    approval = {"approvers": {"role": "a"}, "required": 2, "expires_in": "30m", "use_within": "90s"}

    [only] = parsed(rule(effect="require_approval", approval=approval)).rules

    assert only.approval == ApprovalSpec(Leaf("subject.roles", Operator.EQ, "a"), 2, 1800.0, 90.0)


def test_the_effect_may_be_called_action() -> None:
    by_effect, by_action = parsed(rule()), parsed(rule(effect=..., action="deny"))

    assert by_effect == by_action


def test_most_restrictive_combining_is_read() -> None:
    assert parsed(combine="most_restrictive").combine is Combine.MOST_RESTRICTIVE


def test_reasons_are_written_in_any_language() -> None:
    reason = "Acc\u00e8s refus\u00e9\u00a0: \u60a8\u65e0\u6743\u8bbf\u95ee \U0001f6ab"

    assert parsed(rule(reason=reason)).rules[0].reason == reason


PROBLEMS: list[tuple[Any, str]] = [
    ("x", '$: must be an object with "default" and "rules", not text'),
    (None, '$: must be an object with "default" and "rules", not null'),
    (document(default=...), "$.default: is missing; write allow or deny, which applies when no rule decides"),
    (document(default=None), "$.default: is null; leave it out instead"),
    (document(default="mask"), "$.default: 'mask' is not accepted; write 'allow' or 'deny'"),
    (document(default=["deny"]), "$.default: a list is not accepted; write 'allow' or 'deny'"),
    (document(rules=...), "$.rules: is missing; a document without rules is written with []"),
    (document(rules={}), "$.rules: must be a list, not an object"),
    (document(rule()) | {"ruels": []}, "$.ruels: is an unknown key; did you mean 'rules'?"),
    (
        document(zzzz=1),
        (
            "$.zzzz: is an unknown key; "
            "there are $schema, schema, description, metadata, default, combine, "
            "recognizers, rules"
        ),
    ),
    (document(schema=2), "$.schema: is 2; this version of the package reads schema 1"),
    (document(schema=True), "$.schema: must be a whole number, not true"),
    (document(schema="1"), "$.schema: must be a whole number, not '1'"),
    (document(combine="all"), "$.combine: 'all' is not accepted; write 'first_match' or 'most_restrictive'"),
    (document(description=1), "$.description: must be text, not a number"),
    (document(metadata=[]), "$.metadata: must be an object, not a list"),
    (document(1), "$.rules[0]: must be an object, not a number"),
    (document(rule(), rule(id=...)), "$.rules[1].id: is missing; every rule needs an id of its own"),
    (document(rule(), rule()), "$.rules[1].id: 'r1' is the id of rule 0 already"),
    (
        document(rule(id="a b")),
        (
            "$.rules[0].id: 'a b' is not an id; write 1-128 letters, digits, '.', '_', ':' or '-', "
            "beginning with a letter or digit"
        ),
    ),
    (document(rule(id=7)), "$.rules[0].id: must be text, not a number"),
    (document(rule(when=...)), "$.rules[0].when: is missing; a rule that always holds is written with {}"),
    (document(rule(when=None)), "$.rules[0].when: must be an object of conditions, not null"),
    (document(rule(when={"rle": 1})), "$.rules[0].when.rle: is an unknown attribute; did you mean 'role'?"),
    (
        document(rule(when={"resource.rows": {"gte": True}})),
        "$.rules[0].when['resource.rows'].gte: takes a number or text, not true or false",
    ),
    (document(rule(conditions={})), "$.rules[0].conditions: means the same as 'when' beside it; keep one"),
    (document(rule(action="deny")), "$.rules[0].action: means the same as 'effect' beside it; keep one"),
    (
        document(rule(effect=...)),
        "$.rules[0].effect: is missing; write allow, deny, mask or require_approval",
    ),
    (
        document(rule(effect="dney")),
        f"$.rules[0].effect: 'dney' {NO_EFFECT}",
    ),
    (
        document(rule(effect=..., action="dney")),
        f"$.rules[0].action: 'dney' {NO_EFFECT}",
    ),
    (document(rule(reason=...)), "$.rules[0].reason: is missing; say why, in words the client may read"),
    (document(rule(reason="")), "$.rules[0].reason: is empty; say why, in words the client may read"),
    (document(rule(reason=" \t")), "$.rules[0].reason: is empty; say why, in words the client may read"),
    (
        document(rule(reason="a\nb")),
        "$.rules[0].reason: holds a line break or control character; write one line of plain text",
    ),
    (
        document(rule(reason="a \u202etxt.exe")),
        "$.rules[0].reason: holds a line break or control character; write one line of plain text",
    ),
    (document(rule(reason="x" * 1001)), "$.rules[0].reason: has 1001 characters; at most 1000 are accepted"),
    (document(rule(note=None)), "$.rules[0].note: must be text, not null"),
    (document(rule(enabled="no")), "$.rules[0].enabled: must be true or false, not text"),
    (document(rule(enabled=0)), "$.rules[0].enabled: must be true or false, not a number"),
    (document(rule(mode="watch")), "$.rules[0].mode: 'watch' is not accepted; write 'enforce' or 'observe'"),
    (document(rule(enbled=True)), "$.rules[0].enbled: is an unknown key; did you mean 'enabled'?"),
    (
        document(rule(valid_until="2026-12-01T00:00:00")),
        (
            "$.rules[0].valid_until: "
            "'2026-12-01T00:00:00' needs an offset, such as the Z of 2026-12-01T00:00:00Z"
        ),
    ),
    (
        document(rule(valid_from="tomorrow")),
        "$.rules[0].valid_from: 'tomorrow' is not an RFC 3339 time such as 2026-12-01T00:00:00Z",
    ),
    (
        document(rule(valid_until=None)),
        "$.rules[0].valid_until: must be a time such as '2026-12-01T00:00:00Z', not null",
    ),
    (
        document(rule(valid_from="2026-12-01T01:00:00Z", valid_until="2026-12-01T02:00:00+01:00")),
        "$.rules[0].valid_until: is not after valid_from, so the rule would never be on",
    ),
    (
        document(rule(effect="mask")),
        '$.rules[0].mask: is missing; say what is masked, such as {"fields": {"**.email": "redact"}}',
    ),
    (
        document(rule(mask={"fields": {"a": "redact"}})),
        "$.rules[0].mask: belongs to effect mask, not to deny",
    ),
    (document(rule(approval={})), "$.rules[0].approval: belongs to effect require_approval, not to deny"),
    (
        document(rule(effect="require_approval", approval=None)),
        "$.rules[0].approval: is null; leave it out instead",
    ),
    (
        document(rule(effect="require_approval", approval={"required": 0})),
        "$.rules[0].approval.required: is 0; the least is 1",
    ),
    (
        document(rule(effect="require_approval", approval={"required": True})),
        "$.rules[0].approval.required: must be a whole number, not true",
    ),
    (
        document(rule(effect="require_approval", approval={"required": 1.5})),
        "$.rules[0].approval.required: must be a whole number, not 1.5",
    ),
    (
        document(rule(effect="require_approval", approval={"expires_in": 3600})),
        "$.rules[0].approval.expires_in: must be a duration such as '30m' or '4h', not a number",
    ),
    (
        document(rule(effect="require_approval", approval={"use_within": "1w"})),
        (
            "$.rules[0].approval.use_within: '1w' is not a duration; "
            "write a whole number and s, m, h or d, such as '90s', '4h' or '7d'"
        ),
    ),
    (
        document(rule(effect="require_approval", approval={"approvers": {"action": "x"}})),
        (
            "$.rules[0].approval.approvers.action: is not the approver's; "
            "name role, user or another attribute under subject"
        ),
    ),
    (
        document(rule(effect="require_approval", approval={"aprovers": {}})),
        "$.rules[0].approval.aprovers: is an unknown key; did you mean 'approvers'?",
    ),
]


@pytest.mark.parametrize(("raw", "sentence"), PROBLEMS, ids=[sentence for _, sentence in PROBLEMS])
def test_a_fault_is_reported_at_its_place_with_its_sentence(raw: Any, sentence: str) -> None:
    assert problems(json.dumps(raw)) == [sentence]


MASKS: list[tuple[Any, str]] = [
    (None, ": is null; leave it out instead"),
    ("redact", ": must be an object, not text"),
    ({}, ": names nothing; write fields, entities, patterns or headers"),
    ({"fields": {}}, ": names nothing; write fields, entities, patterns or headers"),
    ({"fields": ["a"]}, ".fields: must be an object, not a list"),
    ({"fields": {"a..b": "redact"}}, f".fields['a..b']: 'a..b' {FIELD_PATH}"),
    (
        {"fields": {"$.a[?@.b]": "redact"}},
        (
            ".fields['$.a[?@.b]']: '$.a[?@.b]' is no JSONPath that can be masked: "
            "a filter (?) is not understood; name the places"
        ),
    ),
    ({"fields": {"a": "redcat"}}, ".fields.a: operator 'redcat' is unknown; did you mean 'redact'?"),
    (
        {"fields": {"a": "custom"}},
        '.fields.a: custom needs the name of its function: {"operator": "custom", "function": "..."}',
    ),
    ({"fields": {"a": 1}}, ".fields.a: must be an object, not a number"),
    ({"fields": {"a": None}}, ".fields.a: must be an object, not null"),
    ({"fields": {"a": {}}}, ".fields.a.operator: is missing"),
    ({"fields": {"a": {"operator": 1}}}, ".fields.a.operator: must be the name of an operator, not a number"),
    (
        {"fields": {"a": {"operator": "hsh"}}},
        ".fields.a.operator: operator 'hsh' is unknown; did you mean 'hash'?",
    ),
    (
        {"fields": {"a": {"operator": "drop", "show_last": 4}}},
        ".fields.a: show_last belongs to partial, not to drop",
    ),
    (
        {"fields": {"a": {"operator": "partial", "show_last": 0}}},
        ".fields.a: shows no character at all; write redact instead",
    ),
    (
        {"fields": {"a": {"operator": "partial", "show_last": -1}}},
        ".fields.a.show_last: is -1; the least is 0",
    ),
    (
        {"fields": {"a": {"operator": "partial", "show_first": 101}}},
        ".fields.a.show_first: is 101; the most is 100",
    ),
    (
        {"fields": {"a": {"operator": "partial", "show_lsat": 1}}},
        ".fields.a.show_lsat: is an unknown key; did you mean 'show_last'?",
    ),
    (
        {"entities": {"EMAIL_ADDRESS": "drop"}},
        ".entities.EMAIL_ADDRESS: drop means a whole value, and this is a piece of text; write redact",
    ),
    (
        {"entities": {"email": "redact"}},
        (
            ".entities.email: 'email' is not the name of an entity; "
            "write up to 64 capital letters, digits and '_'"
        ),
    ),
    ({"patterns": []}, ".patterns: must be an object, not a list"),
    (
        {"patterns": {"X": {"operator": "redact"}}},
        ".patterns.X.pattern: is missing; write what is looked for, in RE2 syntax",
    ),
    (
        {"headers": {"X-A": "nullify"}},
        ".headers.X-A: nullify means a value of a body; write redact or drop",
    ),
    ({"headers": {"X-A": "scan", "x-a": "redact"}}, ": names a header twice; their case does not count"),
    (
        {"fields": {"a": {"operator": "generalize", "bucket": 0}}},
        ".fields.a.bucket: is 0.0; write a number above 0",
    ),
    ({"fields": {"a": "drop"}, "field": {}}, ".field: is an unknown key; did you mean 'fields'?"),
]


@pytest.mark.parametrize(("mask", "sentence"), MASKS, ids=[sentence for _, sentence in MASKS])
def test_a_fault_in_a_mask_is_reported_at_its_place(mask: Any, sentence: str) -> None:
    assert problems(document(rule(effect="mask", mask=mask))) == [f"$.rules[0].mask{sentence}"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("partial", (0, 4)),
        ({"operator": "partial"}, (0, 4)),
        ({"operator": "partial", "show_first": 2}, (2, 0)),
        ({"operator": "partial", "show_last": 3}, (0, 3)),
        ({"operator": "partial", "show_first": 1, "show_last": 2}, (1, 2)),
        ({"operator": "redact"}, (0, 0)),
        ("drop", (0, 0)),
    ],
)
def test_partial_shows_the_last_four_characters_unless_told_otherwise(
    written: Any, shown: tuple[int, int]
) -> None:
    [only] = parsed(rule(effect="mask", mask={"fields": {"a": written}})).rules

    assert only.mask is not None
    [field] = only.mask.fields
    assert (field.operation.show_first, field.operation.show_last) == shown


def test_a_limit_belongs_to_its_rule() -> None:
    limit = {"per": ["user"], "within": "24h", "max": 5}

    [only] = parsed(rule(effect="allow", limit=limit)).rules

    assert only.limit == LimitSpec(("subject.id",), 86400.0, 5, owner=f"acme/{only.id}")
    assert only.condition == AllOf((only.when, only.limit.room))


def test_every_fault_of_a_limit_is_reported() -> None:
    limit = {"per": ["user", "subject"], "within": "1w", "max": 0, "x": 1}

    assert problems(document(rule(limit=limit))) == [
        "$.rules[0].limit.per[1]: is a group of attributes; name one of them, such as subject.id",
        (
            "$.rules[0].limit.within: '1w' is not a duration; "
            "write a whole number and s, m, h or d, such as '90s', '4h' or '7d'"
        ),
        "$.rules[0].limit.max: is 0; the least is 1",
        "$.rules[0].limit.x: is an unknown key; there are per, within, max",
        "$.rules[0].limit: belongs to effect allow, not to deny",
    ]


def test_a_count_knows_the_rule_that_asks() -> None:
    count = {"effect": "deny", "per": ["subject.id"], "within": "1h", "gte": 3}

    [only] = parsed(rule(when={"any": [{"not": {"count": count}}]})).rules

    asked = Count(("subject.id",), 3600.0, Operator.GTE, 3, effect="deny", owner=f"acme/{only.id}")
    assert only.when == AnyOf((Not(asked),))


def test_a_count_of_a_rule_names_another_rule_of_the_document() -> None:
    def counting(name: str) -> dict[str, Any]:
        return {"any": [{"count": {"rule": name, "per": ["subject.id"], "within": "1h", "gte": 3}}]}

    first, second = rule(id="first", when=counting("second")), rule(id="second")
    assert parsed(first, second).rules[0].id == "first"
    assert problems(document(rule(id="first", when=counting("first")))) == [
        (
            "$.rules[0].when.any[0].count.rule: "
            "is the rule's own id; what a rule decided does not count for itself"
        ),
    ]
    assert problems(document(rule(when=counting("nowhere")))) == [
        "$.rules[0].when.any[0].count.rule: 'nowhere' is no rule of this document"
    ]


def test_all_problems_are_reported_rule_by_rule() -> None:
    raw = document(
        rule(effect="mask", reason=""),
        rule(effect="allow", approval={"required": 0}, when={"x": 1, "y": 1}),
        default=...,
        extra=1,
    )

    assert [line.partition(":")[0] for line in problems(raw)] == [
        "$.extra",
        "$.default",
        "$.rules[0].reason",
        "$.rules[0].mask",
        "$.rules[1].when.x",
        "$.rules[1].when.y",
        "$.rules[1].approval.required",
        "$.rules[1].id",
        "$.rules[1].approval",
    ]


def test_a_message_tells_the_first_problems_and_counts_the_rest() -> None:
    with pytest.raises(DocumentError) as caught:
        parsed(*[rule(id=f"r{number}", reason="") for number in range(50)])

    assert len(caught.value.problems) == 50
    assert str(caught.value).startswith("policy document 'acme' is not valid: $.rules[0].reason: is empty")
    assert str(caught.value).endswith("; and 40 more")


@pytest.mark.parametrize("name", ["", "_other", "a b", "a" * 129, "-a\n", "ä"])
def test_only_tenants_and_reserved_names_have_documents(name: str) -> None:
    assert problems(document(), name=name) == [
        f"$: {name!r} is neither a tenant id nor a reserved document name"
    ]


@pytest.mark.parametrize("name", ["_global", "_incident"])
def test_guardrails_only_restrict_and_have_no_default(name: str) -> None:
    until = {"valid_until": "2026-12-01T00:00:00Z"}

    assert parse_document({"rules": []}, name=name).default is None
    assert parse_document({"rules": [rule(**until)]}, name=name).rules[0].effect is Effect.DENY
    assert problems(
        document(rule(effect="allow", **until), rule(id="r2", effect=..., action="allow", **until)), name
    ) == [
        f"$.default: does not belong into {name}, which only restricts what a tenant's document allows",
        f"$.rules[0].effect: cannot be allow in {name}, whose rules only restrict",
        f"$.rules[1].action: cannot be allow in {name}, whose rules only restrict",
    ]


def test_emergency_rules_say_when_they_end() -> None:
    assert problems({"rules": [rule()]}, "_incident") == [
        "$.rules[0].valid_until: is missing; an emergency rule says when it ends"
    ]
    assert parse_document({"rules": [rule()]}, name="_global").rules[0].valid_until is None


def test_the_document_for_all_others_is_an_ordinary_one() -> None:
    assert parse_document(document(rule(effect="allow")), name="_default").default is Effect.ALLOW
    assert problems({"rules": []}, "_default")[0].startswith("$.default: is missing")


def test_a_document_beyond_the_limit_is_refused_however_it_is_handed_over() -> None:
    large = document(rule(reason="x" * 500))

    for raw in (json.dumps(large), json.dumps(large).encode(), large):
        with pytest.raises(DocumentError, match="bytes long; at most 500 are accepted") as caught:
            parse_document(raw, name="acme", max_bytes=500)
        assert caught.value.name == "acme"


def test_metadata_is_kept_whatever_is_in_it_but_not_without_bottom() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": [deep]}

    assert parsed(metadata={"count": [None, 1.5, {"x": []}]}).metadata == {"count": [None, 1.5, {"x": []}]}
    assert problems(json.dumps(document(metadata=deep))) == ["$.metadata: is nested deeper than 64 levels"]


@pytest.mark.parametrize("levels", [40, 300, 490, 900, 960, 990, 5000])
def test_conditions_without_bottom_are_refused_however_deep_they_are(levels: int) -> None:
    for key in ("not", "x"):
        deep = f'{{"{key}":' * levels + "{}" + "}" * levels
        for rest in ('"action": "deny"', '"id": "r1", "action": "deny"'):
            assert problems(f'[{{"conditions": {deep}, {rest}}}]')


def test_stars_in_comparisons_are_warnings_at_their_place() -> None:
    approval = {"approvers": {"role": "dpo*"}}

    starred = parsed(rule(effect="require_approval", when={"action": {"in": ["a.*"]}}, approval=approval))

    sentence = "'*' is compared as a character; for a pattern write prefix or matches"
    assert starred.warnings == (
        f"$.rules[0].when.action.in: {sentence}",
        f"$.rules[0].approval.approvers.role: {sentence}",
    )


def test_the_form_of_the_decision_record_allows_by_default_and_says_so() -> None:
    record = parse_document(RECORD, name="acme")

    assert record.default is Effect.ALLOW
    assert [(entry.effect, entry.reason) for entry in record.rules] == [
        (Effect.DENY, "No."),
        (Effect.REQUIRE_APPROVAL, "Ask."),
    ]
    assert record.warnings == (
        (
            "$: a bare list of rules allows whatever no rule decides; "
            "'policyctl migrate' writes it with an explicit default and lasting ids"
        ),
        "$[1]: names no approvers, so anyone but the requester may approve",
    )


def test_paths_in_the_form_of_the_decision_record_are_those_of_its_author() -> None:
    assert problems(
        [{"conditions": {"rle": 1}, "action": "deny"}, {"conditions": {}, "action": "x", "reason": "y"}]
    ) == [
        "$[0].conditions.rle: is an unknown attribute; did you mean 'role'?",
        "$[0].reason: is missing; say why, in words the client may read",
        "$[1].action: 'x' is not accepted; write 'allow', 'deny', 'mask' or 'require_approval'",
    ]
    [warning, *_] = parse_document(
        [{"conditions": {"role": "a*"}, "action": "deny", "reason": "x"}], name="acme"
    ).warnings[1:]
    assert warning.startswith("$[0].conditions.role: '*' is compared")


def test_a_guardrail_in_the_form_of_the_decision_record_gets_no_default() -> None:
    assert parse_document([RECORD[0]], name="_global").default is None


def test_generated_ids_follow_the_rule_wherever_it_stands() -> None:
    first, second = (entry.id for entry in parse_document(RECORD, name="acme").rules)

    moved = parse_document(
        [{"conditions": {}, "action": "deny", "reason": "New."}, *RECORD[::-1]], name="acme"
    )

    assert [entry.id for entry in moved.rules][1:] == [second, first]
    assert first != second


def test_generated_ids_stay_unique_when_rules_repeat() -> None:
    stem = parse_document(RECORD[:1], name="acme").rules[0].id

    repeated = parse_document([RECORD[0], {"id": f"{stem}-2"} | RECORD[0], RECORD[0]], name="acme")

    assert [entry.id for entry in repeated.rules] == [stem, f"{stem}-2", f"{stem}-3"]


def test_the_canonical_form_of_the_decision_record_says_everything() -> None:
    canonical = canonical_document(RECORD)

    assert list(canonical) == ["schema", "default", "rules"]
    assert canonical["default"] == "allow"
    assert isinstance(canonical["rules"], list)
    assert [list(entry) for entry in canonical["rules"] if isinstance(entry, dict)] == [
        ["id", "when", "effect", "reason"]
    ] * 2
    assert migrate_document(RECORD) == canonical
    assert parse_document(canonical, name="acme").rules == parse_document(RECORD, name="acme").rules


def test_the_canonical_form_keeps_what_the_author_wrote_in_a_fixed_order() -> None:
    shuffled = {key: ACME[key] for key in reversed(ACME)}
    shuffled["rules"] = [{key: entry[key] for key in reversed(entry)} for entry in ACME["rules"]]

    canonical = canonical_document(shuffled)

    assert canonical == ACME
    assert list(canonical) == ["$schema", "schema", "description", "metadata", "default", "rules"]
    assert json.dumps(canonical["rules"]).startswith('[{"id": "staff-reads", "when": {"role"')


def test_an_invalid_document_has_no_canonical_form() -> None:
    with pytest.raises(DocumentError, match=r"\$\.default: is missing"):
        canonical_document({"rules": []})


def test_guardrails_have_a_canonical_form_under_their_name() -> None:
    assert canonical_document({"rules": []}, name="_global") == {"schema": 1, "rules": []}


def test_canonical_bytes_are_readable_utf_8_that_ends_in_a_newline() -> None:
    body = canonical_json(document(rule(reason="Größe")))

    assert body.decode().splitlines()[0] == "{"
    assert "Größe" in body.decode()
    assert body.endswith(b"}\n")
    assert canonical_json(body) == body


def test_canonical_bytes_are_held_to_the_limit_too() -> None:
    raw = json.dumps(document(rule()), separators=(",", ":"))

    with pytest.raises(DocumentError, match="bytes long; at most"):
        canonical_json(raw, max_bytes=len(raw))


def test_a_revision_is_the_sha_256_of_the_stored_bytes() -> None:
    assert revision_of(b"{}") == hashlib.sha256(b"{}").hexdigest()


def test_a_digest_tells_rules_apart_by_all_but_their_note() -> None:
    def digest(**changes: Any) -> str:
        return parsed(rule(**changes)).rules[0].digest

    assert digest() == digest(note="why") == digest(effect=..., action="deny")
    assert digest(when={"role": "a", "action": "b"}) == digest(when={"action": "b", "role": "a"})
    changed = [
        digest(),
        digest(id="r2"),
        digest(reason="Other."),
        digest(when={"role": "a"}),
        digest(effect="allow"),
        digest(enabled=False),
        digest(mode="observe"),
        digest(valid_until="2026-12-01T00:00:00Z"),
        digest(effect="mask", mask={"fields": {"a": "drop"}}),
        digest(effect="mask", mask={"fields": {"a": "redact"}}),
        digest(effect="require_approval"),
        digest(effect="require_approval", approval={"required": 2}),
    ]
    assert len(set(changed)) == len(changed)


@given(documents())
def test_the_canonical_form_is_stable_and_means_the_same(raw: Any) -> None:
    canonical = canonical_document(raw)

    assert canonical_document(canonical) == canonical
    assert list(canonical_document(json.dumps(canonical))) == list(canonical)
    original, again = parse_document(raw, name="acme"), parse_document(canonical_json(raw), name="acme")
    assert (again.rules, again.default, again.combine) == (original.rules, original.default, original.combine)
    assert (again.description, again.metadata) == (original.description, original.metadata)


@pytest.mark.parametrize(
    ("misspelt", "says"),
    [
        ({"schema": 1, "default": "allow", "rulez": []}, "$.rulez: is an unknown key; did you mean 'rules'?"),
        (
            {"schema": 1, "defualt": "deny", "rules": []},
            "$.defualt: is an unknown key; did you mean 'default'?",
        ),
    ],
)
def test_a_misspelt_key_is_told_as_that_and_not_as_missing_too(misspelt: Any, says: str) -> None:
    assert problems(misspelt) == [says]


def test_a_key_that_is_missing_beside_an_unlike_one_is_told_as_well() -> None:
    told = problems({"schema": 1, "default": "deny", "owner": "dana"})
    assert [one.partition(":")[0] for one in told] == ["$.rules", "$.owner"]
