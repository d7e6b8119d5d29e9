"""Random JSON documents with every spelling JSON allows, and what masking should make of them.

A document is a small syntax tree that keeps each literal and each run of whitespace, so that the expected
bytes can be printed; nothing here is shared with the code under test.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import strategies as st

from policy_middleware.model.policy import FieldMask, MaskOperator


@dataclass(frozen=True)
class Scalar:
    literal: str


@dataclass(frozen=True)
class Item:
    """One element, or one member when it has a key: its own bytes and the whitespace on either side."""

    before: str
    key: str | None
    colon: str
    value: Scalar | Container
    after: str


@dataclass(frozen=True)
class Container:
    kind: str  # "{" or "["
    items: tuple[Item, ...]
    inside: str  # the whitespace of an empty one


NAMES = ["a", "b", "ssn", "é", "x y", ""]


def spelled(text: str) -> st.SearchStrategy[str]:
    """Every character of a text plain or escaped, at random."""
    plain = json.dumps(text, ensure_ascii=False)
    wholly_escaped = '"' + "".join(f"\\u{ord(char):04x}" for char in text) + '"'
    return st.sampled_from([plain, json.dumps(text), wholly_escaped])


spaces = st.sampled_from(["", "", "", " ", "\n  ", "\t\r\n"])
texts = st.one_of(
    st.text(max_size=12).map(json.dumps),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(
        lambda text: json.dumps(text, ensure_ascii=False)
    ),
    st.sampled_from(
        [r'"\/\b\f\u00e9\ud83d\ude00"', r'"\ud800 alone"', '"[REDACTED]"', '"****"', '"💶 and ü"']
    ),
)
numbers = st.sampled_from(
    ["0", "-0", "1.10", "1E5", "1e+400", "12345678901234567890123", "-0.0", "9" * 5000, "7e-3"]
)
scalars = st.one_of(texts, numbers, st.sampled_from(["true", "false", "null"])).map(Scalar)
keys = st.one_of(st.sampled_from(NAMES).flatmap(spelled), st.text(max_size=3).map(json.dumps))


def containers(children: st.SearchStrategy[Scalar | Container]) -> st.SearchStrategy[Container]:
    members = st.builds(
        Item,
        spaces,
        keys,
        spaces.flatmap(lambda left: spaces.map(lambda right: f"{left}:{right}")),
        children,
        spaces,
    )
    elements = st.builds(Item, spaces, st.none(), st.just(""), children, spaces)
    return st.one_of(
        st.builds(Container, st.just("{"), st.lists(members, max_size=5).map(tuple), spaces),
        st.builds(Container, st.just("["), st.lists(elements, max_size=5).map(tuple), spaces),
    )


documents = st.recursive(scalars, containers, max_leaves=25)

_names = st.sampled_from([*NAMES[:4], "c"])
_steps = st.one_of(_names, _names, st.sampled_from(["*", "**.*"]), _names.map(lambda name: f"**.{name}"))
_indexes = st.sampled_from(["", "", "", "[*]", "[0]", "[1]", "[*][2]"])
_segments = st.builds(lambda step, index: step + index, _steps, _indexes)
_heads = st.one_of(_segments, _segments, st.sampled_from(["[*]", "[0]", "[1][0]"]))
paths = st.builds(lambda head, tail: ".".join([head, *tail]), _heads, st.lists(_segments, max_size=3))
fields = st.lists(
    st.builds(FieldMask, paths, st.sampled_from(MaskOperator), st.integers(0, 3), st.integers(0, 3)),
    min_size=1,
    max_size=4,
)


def printed(node: Scalar | Container) -> str:
    """The document as text."""
    if isinstance(node, Scalar):
        return node.literal
    inner = ",".join(
        item.before + (item.key or "") + item.colon + printed(item.value) + item.after for item in node.items
    )
    return node.kind + (inner or node.inside) + {"{": "}", "[": "]"}[node.kind]


Step = str | int


def steps_of(path: str) -> list[str]:
    """`a.b[*][3].**.c` as a list of single steps: names, `*`, `**`, `[*]`, `[3]`."""
    return [step for step in path.replace("[", ".[").split(".") if step]


def names(steps: list[str], place: tuple[Step, ...]) -> bool:
    """Whether a path names exactly this place."""
    if not steps:
        return not place
    step, rest = steps[0], steps[1:]
    if step == "**":
        return names(rest, place) or (bool(place) and names(steps, place[1:]))
    if not place or not names(rest, place[1:]):
        return False
    here = place[0]
    if step == "*":
        return True
    if step == "[*]":
        return isinstance(here, int)
    return step == (f"[{here}]" if isinstance(here, int) else here)


def asked(mask: list[FieldMask], place: tuple[Step, ...]) -> list[FieldMask]:
    """Every field that names this place or a container of it."""
    return [
        field
        for field in mask
        if any(names(steps_of(field.path), place[:length]) for length in range(len(place) + 1))
    ]


def masked(node: Scalar | Container, mask: list[FieldMask], place: tuple[Step, ...] = ()) -> str:
    """The text that should leave."""
    here = asked(mask, place)
    operators = {field.operator for field in here}
    if operators & {MaskOperator.NULLIFY, MaskOperator.DROP}:
        return "null"
    if isinstance(node, Scalar):
        return masked_scalar(node.literal, here) if here else node.literal
    if not node.items:
        return printed(node)
    out, kept, number_dropped = "", False, 0
    for index, item in enumerate(node.items):
        step: Step = index if item.key is None else json.loads(item.key)
        if dropped(mask, (*place, step)):
            # The item goes with one comma. Before the first item that stays, the first whitespace stays too.
            out += item.after if kept else (item.before if number_dropped == 0 else "")
            number_dropped += 1
            trailing = item.after
            continue
        before = item.before if kept or number_dropped == 0 else ""
        out += ("," if kept else "") + before
        out += (item.key or "") + item.colon + masked(item.value, mask, (*place, step)) + item.after
        kept = True
    if not kept:
        out += trailing
    return node.kind + out + {"{": "}", "[": "]"}[node.kind]


def dropped(mask: list[FieldMask], place: tuple[Step, ...]) -> bool:
    """Whether some field drops this place; what is picked by its index becomes null instead."""
    return any(
        field.operator is MaskOperator.DROP
        and not field.path.endswith(tuple(f"{digit}]" for digit in range(10)))
        for field in asked(mask, place)
    )


def masked_scalar(literal: str, here: list[FieldMask]) -> str:
    value = json.loads(literal) if literal[0] in '"tfn' else 0
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "false"
    if isinstance(value, int):
        return "0"
    if any(field.operator is MaskOperator.REDACT for field in here):
        return json.dumps("[REDACTED]")
    visible = set(range(len(value)))
    for field in here:
        shown = {
            *range(len(value))[: field.show_first],
            *range(len(value))[max(0, len(value) - field.show_last) :],
        }
        visible &= shown if 2 * (field.show_first + field.show_last) <= len(value) else set()
    return json.dumps("".join(char if index in visible else "*" for index, char in enumerate(value)))
