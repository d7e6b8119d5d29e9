"""Random JSON documents with every spelling JSON allows, and what masking should make of them.

A document is a small syntax tree that keeps each literal and each run of whitespace, so that the expected
bytes can be printed; nothing here is shared with the code under test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

from policy_middleware.model.policy import FieldMask, MaskOperator, Operation

OPERATORS = [MaskOperator.PARTIAL, MaskOperator.REDACT, MaskOperator.NULLIFY, MaskOperator.DROP]
"""Operators whose work the model below repeats."""


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


WRITABLE = ["a", "b", "ssn", "é", "x y"]
"""Keys that a path can spell."""

Step = str | int


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
keys = st.one_of(
    st.sampled_from(WRITABLE).flatmap(spelled),
    st.sampled_from(WRITABLE).flatmap(spelled),
    st.text(max_size=3).map(json.dumps),
)


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


documents = containers(st.recursive(scalars, containers, max_leaves=20))


def places(node: Scalar | Container, place: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Every place of a document but the root."""
    for index, item in enumerate(node.items if isinstance(node, Container) else ()):
        below: tuple[Step, ...] = (*place, index if item.key is None else json.loads(item.key))
        yield below
        yield from places(item.value, below)


@st.composite
def paths_into(draw: st.DrawFn, node: Scalar | Container) -> str:
    """A path that names some place of the document, or one like it: steps become wildcards at random."""
    place = draw(st.sampled_from([*places(node), ("a", 0), ("b", "ssn")]))
    path = ""
    for step in place:
        if isinstance(step, int):
            path += draw(st.sampled_from([f"[{step}]", "[*]", "[*]"]))
            continue
        name = step if step in WRITABLE else "*"
        if draw(st.integers(0, 3)) == 0:
            name = draw(st.sampled_from(["*", f"**.{name}", "**.*"]))
        path += f".{name}" if path else name
    return path


@st.composite
def masked_documents(draw: st.DrawFn) -> tuple[Container, list[FieldMask]]:
    """A document, and masks that reach into it."""
    node = draw(documents)
    counts = st.integers(0, 3)
    operation = st.builds(Operation, st.sampled_from(OPERATORS), counts, counts)
    field = st.builds(FieldMask, paths_into(node), operation)
    return node, draw(st.lists(field, min_size=1, max_size=4))


@st.composite
def documents_masked_by_key(draw: st.DrawFn) -> tuple[Container, list[FieldMask]]:
    """A document, and masks that each name one key, as those do that the quick way takes."""
    node = draw(documents)
    named = [place for place in places(node) if place[-1] in WRITABLE and {*place} <= {*WRITABLE, *range(9)}]
    fields: dict[str, FieldMask] = {}
    for place in draw(st.lists(st.sampled_from([*named, ("a", 0, "b"), ("ssn",)]), min_size=1, max_size=3)):
        steps = ["[*]" if isinstance(step, int) else f".{step}" for step in place]
        path = draw(st.sampled_from(["".join(steps).removeprefix("."), f"**.{place[-1]}"]))
        fields[str(place[-1])] = FieldMask(path, Operation(draw(st.sampled_from(OPERATORS)), 1, 1))
    return node, [*fields.values()]


def ordinary(node: Scalar | Container, *, spaced: bool) -> Scalar | Container:
    """The document as most libraries write it, compact or with spaces; literals stay as they are spelled."""
    if isinstance(node, Scalar):
        return node
    items = tuple(
        Item(
            before=" " if spaced and number else "",
            key=None if item.key is None else _plain(item.key),
            colon="" if item.key is None else ": " if spaced else ":",
            value=ordinary(item.value, spaced=spaced),
            after="",
        )
        for number, item in enumerate(node.items)
    )
    return Container(node.kind, items, "")


def _plain(key: str) -> str:
    plain = json.dumps(json.loads(key), ensure_ascii=False)
    return key if re.search("[\ud800-\udfff]", plain) else plain


def printed(node: Scalar | Container) -> str:
    """The document as text."""
    if isinstance(node, Scalar):
        return node.literal
    inner = ",".join(
        item.before + (item.key or "") + item.colon + printed(item.value) + item.after for item in node.items
    )
    return node.kind + (inner or node.inside) + {"{": "}", "[": "]"}[node.kind]


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
            *range(len(value))[: field.operation.show_first],
            *range(len(value))[max(0, len(value) - field.operation.show_last) :],
        }
        visible &= (
            shown if 2 * (field.operation.show_first + field.operation.show_last) <= len(value) else set()
        )
    return json.dumps("".join(char if index in visible else "*" for index, char in enumerate(value)))
