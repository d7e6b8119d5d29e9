"""The JSON Schema of policy documents, for editors: what may stand where, and what it means."""

from __future__ import annotations

from typing import Any, Final

from policy_middleware.model.canonical_form import RULE_ALIASES
from policy_middleware.model.conditions import Operator
from policy_middleware.model.count_parser import COMPARISONS, COUNTED, MOST_COUNTED
from policy_middleware.model.document_consistency import BELONGS_TO
from policy_middleware.model.document_models import DEFINITION, DocumentModel
from policy_middleware.model.effect import Effect
from policy_middleware.model.field_paths import FIELD_INDEXES, FIELD_SEGMENT
from policy_middleware.model.mask_models import ENTITY_NAME, HEADER_NAME
from policy_middleware.model.operands import SCALAR_SCHEMA, operand_schema
from policy_middleware.model.times import DURATION
from policy_middleware.model.vocabulary import ALIASES, RESERVED_ATTRIBUTES, ROOTS, SINGLE_ATTRIBUTES

Schema = dict[str, Any]
"""A JSON Schema: any JSON object."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_ATTRIBUTE_PATTERN: Final = (
    f"^(?:{'|'.join(sorted(SINGLE_ATTRIBUTES))}|(?:{'|'.join(sorted(ROOTS))})(?:\\.[A-Za-z0-9_-]+)+)$"
)
_FIELD_PATH_PATTERN: Final = (
    f"^(?:{FIELD_SEGMENT}{FIELD_INDEXES}*|{FIELD_INDEXES}+)(?:\\.{FIELD_SEGMENT}{FIELD_INDEXES}*)*$"
)


def document_schema() -> Schema:
    """Return the JSON Schema (2020-12) of a policy document, in the canonical and the decision record's form.

    Built from the models and tables that validation itself uses. It cannot say everything (unique ids, the
    syntax of patterns, which document is a guardrail): `parse_document` has the last word.
    """
    document = _settled(DocumentModel.model_json_schema(by_alias=True, mode="validation"))
    definitions: Schema = document.pop("$defs")
    _complete_rule(definitions["rule"])
    _complete_mask(definitions["mask"])
    document["properties"]["recognizers"]["propertyNames"] = {"pattern": f"^{ENTITY_NAME.pattern}$"}
    document["properties"]["rules"]["items"]["required"] = ["id"]
    # Only a document that restricts and nothing else can be a guardrail and do without a default.
    document["anyOf"] = [
        {"required": ["default"]},
        {"properties": {"rules": {"items": {"not": _has_effect(Effect.ALLOW)}}}},
    ]
    return {
        "$schema": DIALECT,
        "title": "Policy document",
        "if": {"type": "array"},
        "then": {"$ref": "#/$defs/rules"},
        "else": {"$ref": "#/$defs/document"},
        "$defs": {
            "document": document,
            "rules": {
                "type": "array",
                "description": "A bare list of rules: what no rule decides is allowed.",
                "items": {"$ref": "#/$defs/rule"},
            },
            **definitions,
            **_conditions(),
        },
    }


def _settled(schema: Any) -> Any:
    """Return what pydantic generated without what only means something in Python.

    Null is never accepted (optional keys are left out instead), defaults are those of parsed values, and
    titles repeat the names.
    """
    if isinstance(schema, list):
        return [_settled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    settled: Schema = {}
    for keyword, value in schema.items():
        if keyword in ("properties", "$defs"):
            settled[keyword] = {_definition(key): _settled(inner) for key, inner in value.items()}
        elif keyword == "anyOf" and {"type": "null"} in value:
            [other] = [item for item in value if item != {"type": "null"}]
            settled.update(_settled(other))
        elif keyword == DEFINITION:
            settled["$ref"] = f"#/$defs/{value}"
        elif keyword == "$ref":
            settled[keyword] = "#/$defs/" + _definition(value.rpartition("/")[2])
        elif keyword not in ("title", "default"):
            settled[keyword] = _settled(value)
    return settled


def _definition(name: str) -> str:
    """Return the name of a definition: `RuleModel` is `rule`; property names stay as they are."""
    return name.removesuffix("Model").lower() if name.endswith("Model") else name


def _complete_rule(rule: Schema) -> None:
    """Add the decision record's spellings, and which keys belong to which effect."""
    properties: Schema = rule["properties"]
    for alias, key in RULE_ALIASES.items():
        properties[alias] = {**properties[key], "description": f"The decision record's name for {key}."}
    rule["required"] = ["reason"]
    either = [{"oneOf": [{"required": [key]}, {"required": [alias]}]} for alias, key in RULE_ALIASES.items()]
    belongings = [
        {"if": _has_effect(effect), "else": {"properties": {key: False}}}
        for key, effect in BELONGS_TO.items()
    ]
    needs_mask = {"if": _has_effect(Effect.MASK), "then": {"required": ["mask"]}}
    rule["allOf"] = [*either, *belongings, needs_mask]


def _complete_mask(mask: Schema) -> None:
    """Add what the names below a mask look like, and that there is one."""
    properties: Schema = mask["properties"]
    mask["anyOf"] = [{"properties": {key: {"minProperties": 1}}, "required": [key]} for key in properties]
    properties["fields"]["propertyNames"] = {"anyOf": [{"pattern": _FIELD_PATH_PATTERN}, {"pattern": r"^\$"}]}
    for key in ("entities", "patterns"):
        properties[key]["propertyNames"] = {"pattern": f"^{ENTITY_NAME.pattern}$"}
    properties["headers"]["propertyNames"] = {"pattern": f"^{HEADER_NAME.pattern}$"}


def _has_effect(effect: Effect) -> Schema:
    return {
        "anyOf": [
            {"properties": {key: {"const": effect.value}}, "required": [key]} for key in ("effect", "action")
        ]
    }


def _conditions() -> Schema:
    """Return the definitions of `when`, of what stands in it, and of attribute paths."""
    nested: Schema = {"$ref": "#/$defs/when"}
    several: Schema = {"type": "array", "items": nested, "minItems": 1}
    comparison: Schema = {"$ref": "#/$defs/comparison"}
    named = sorted({*RESERVED_ATTRIBUTES, *ALIASES})
    return {
        "when": {
            "type": "object",
            "description": "All entries have to hold: attributes, and all, any, not.",
            "properties": {
                "all": {"description": "Every one of these holds.", **several},
                "any": {"description": "At least one of these holds.", **several},
                "not": {"description": "This does not hold.", **nested},
                "count": {"$ref": "#/$defs/count"},
                **{
                    name: {"description": f"Same as {ALIASES[name]}.", **comparison}
                    if name in ALIASES
                    else comparison
                    for name in named
                },
            },
            "patternProperties": {_ATTRIBUTE_PATTERN: comparison},
            "additionalProperties": False,
        },
        "comparison": {
            "description": "A value that the attribute equals, or operators that all hold.",
            "if": {"type": "object"},
            "then": {
                "properties": {operator.value: operand_schema(operator) for operator in Operator},
                "additionalProperties": False,
                "minProperties": 1,
            },
            "else": SCALAR_SCHEMA,
        },
        "attribute": {
            "type": "string",
            "description": "The dotted path of an attribute, or a short name for one.",
            "anyOf": [{"enum": named}, {"pattern": _ATTRIBUTE_PATTERN}],
        },
        "count": {
            "type": "object",
            "description": "How often something happened: one of effect, rule, event, and one comparison.",
            "properties": {
                "per": {
                    "type": "array",
                    "items": {"$ref": "#/$defs/attribute"},
                    "minItems": 1,
                    "description": "Attributes that are counted apart.",
                },
                "within": {
                    "type": "string",
                    "pattern": f"^{DURATION.pattern}$",
                    "description": "The time that is looked back.",
                },
                "effect": {
                    "enum": [effect.value for effect in Effect],
                    "description": "Decisions with this effect, but for the rule's own.",
                },
                "rule": {
                    "type": "string",
                    "minLength": 1,
                    "description": "Decisions of another rule of this document.",
                },
                "event": {
                    "type": "string",
                    "minLength": 1,
                    "description": "What the application tells by `enforcer.record`.",
                },
                **{name: {"type": "integer", "minimum": 0, "maximum": MOST_COUNTED} for name in COMPARISONS},
            },
            "required": ["per", "within"],
            "allOf": [
                {"oneOf": [{"required": [key]} for key in keys]} for keys in (COUNTED, tuple(COMPARISONS))
            ],
            "additionalProperties": False,
        },
    }
