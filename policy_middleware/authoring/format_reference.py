"""The reference of the document format as a page for people, made from the schema that editors use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from policy_middleware.model.schema import Schema, document_schema
from policy_middleware.model.vocabulary import ALIASES, RESERVED_ATTRIBUTES

_INTRODUCTION: Final = """\
# The format of a policy document

Every key there is, made from the model that validates documents (`policyctl schema --markdown`). What they
mean together is in [policies](policies.md). Keys that are not listed are refused, and so are values of other
types: nothing is converted. A moment is written as in RFC 3339, a length of time as a number and `s`, `m`,
`h` or `d`.
"""
_TOP: Final = "document"
_OF_THE_RECORD: Final = "The decision record's name for "
_TITLES: Final = {_TOP: "The document", "rule": "A rule", "when": "A condition"}
_UNLISTED: Final = frozenset({"rules", "comparison", "attribute", "when"})
_PLAIN: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "object": "object",
    "array": "list",
}


def format_reference() -> str:
    """Return the reference of the document format in Markdown."""
    definitions: Schema = document_schema()["$defs"]
    first = [_TOP, "rule"]
    others = [name for name in definitions if name not in first and name not in _UNLISTED]
    parts = [
        _INTRODUCTION,
        *(_object(name, definitions[name]) for name in first),
        _conditions(definitions),
        *(_object(name, definitions[name]) for name in others),
    ]
    return "\n".join(parts)


def _object(name: str, schema: Schema) -> str:
    title = _TITLES.get(name, f"`{name}`")
    rows = "".join(_rows(schema))
    closing = "".join(_remarks(name))
    table = f"\n| key | value | |\n|---|---|---|\n{rows}" if rows else ""
    return f"## {title}\n\n{_sentence(schema)}\n{table}{closing}"


def _rows(schema: Schema) -> Iterator[str]:
    required = schema.get("required", ())
    for key, described in schema.get("properties", {}).items():
        text = _sentence(described)
        if text.startswith(_OF_THE_RECORD):
            continue
        if key in required:
            text = f"Has to be there. {text}".strip()
        yield f"| `{key}` | {_value(described)} | {text} |\n"


def _remarks(name: str) -> Iterator[str]:
    if name == _TOP:
        yield (
            "\nA bare list of rules is read as well: it allows what no rule decides, and `policyctl migrate` "
            "writes it in\nthis form.\n"
        )
    if name == "rule":
        yield (
            "\n`id`, `when`, `effect` and `reason` have to be there; `mask`, `approval` and `limit` belong "
            "to one\neffect each. `conditions` and `action` are read as `when` and `effect`.\n"
        )


def _conditions(definitions: Mapping[str, Any]) -> str:
    when, comparison = definitions["when"], definitions["comparison"]
    operators = comparison["then"]["properties"]
    keys = "".join(
        f"| `{key}` | {_value(when['properties'][key])} | {_sentence(when['properties'][key])} |\n"
        for key in ("all", "any", "not", "count")
        if key in when["properties"]
    )
    rows = "".join(
        f"| `{name}` | {_value(described)} | {_sentence(described)} |\n"
        for name, described in operators.items()
    )
    attributes = ", ".join(f"`{name}`" for name in sorted(RESERVED_ATTRIBUTES))
    aliases = ", ".join(f"`{alias}` for `{name}`" for alias, name in ALIASES.items())
    return (
        f"## {_TITLES['when']}\n\n{_sentence(when)}\n\n| key | value | |\n|---|---|---|\n"
        f"| an attribute | {_value(comparison)} | {_sentence(comparison)} |\n{keys}"
        f"\n| operator | operand | holds when |\n|---|---|---|\n{rows}"
        f"\nAlways there, as far as a request has them: {attributes}.\n"
        f"\nShort names: {aliases}.\n"
    )


def _sentence(schema: Schema) -> str:
    return str(schema.get("description", "")).replace("|", "\\|").replace("\n", " ")


def _value(schema: Any) -> str:
    """Say in a few words what may stand somewhere."""
    if not isinstance(schema, dict):
        return "anything"
    if "$ref" in schema:
        return _named(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return f"`{_literal(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{_literal(one)}`" for one in schema["enum"])
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_value(one) for one in schema[several]))
    if schema.get("format") == "date-time":
        return f"moment, such as `{schema['examples'][0]}`"
    if "[smhd]" in schema.get("pattern", ""):
        return "length of time, such as `4h`"
    return _typed(schema)


def _typed(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(_PLAIN.get(str(one), str(one)) for one in kind)
    if kind == "array" and "items" in schema:
        return f"list of: {_value(schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object, by key: {_value(schema['additionalProperties'])}"
    if kind == "object" and "ref" in schema.get("properties", {}):
        return '`{"ref": attribute}`'
    if kind == "integer" and "maximum" in schema:
        return f"whole number from {schema.get('minimum', 0)} to {schema['maximum']}"
    if kind is None and schema.get("if", {}).get("type") == "object":
        return "a value, or operators"
    return _PLAIN.get(str(kind), "anything")


def _named(name: str) -> str:
    if name == "when":
        return "[condition](#a-condition)"
    if name == "rule":
        return "[rule](#a-rule)"
    if name in _UNLISTED:
        return "attribute" if name == "attribute" else "a value, or operators"
    return f"[`{name}`](#{name})"


def _literal(value: object) -> str:
    return value if isinstance(value, str) else str(value).lower()
