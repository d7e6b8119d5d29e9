"""Which places of a JSON document the paths of a mask name, followed step by step while reading.

The paths together are a small nondeterministic automaton over keys and indexes; a `Place` is one state of
its subset construction (Rabin & Scott 1959), built when a document first leads there. No place (None) means
that nothing below can be masked, so a reader may skip it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from policy_middleware.masking.operators import Operators, Treatment
from policy_middleware.masking.searched import searched
from policy_middleware.model.errors import MaskError
from policy_middleware.model.field_paths import FieldStep, Wildcard, parse_field_path
from policy_middleware.model.policy import FieldMask, MaskOperator, Operation

if TYPE_CHECKING:
    from policy_middleware.masking.json_reading import Reading

_MAX_PLACES: Final = 4096
"""Places remembered between documents; paths with many wildcards can name exponentially many."""

_Position = tuple[int, int]
"""The number of a path, and how many of its steps have been taken."""


@dataclass(slots=True, eq=False)
class Branches:
    """Where the children of a container lead: by key or index, and for every other one.

    `drops` says that some child is removed from its container; `names` holds the keys and indexes that
    lead elsewhere than the others; `spares_scalars` that a scalar under no such name stays as it is.
    """

    named: Mapping[str | int, Place | None]
    other: Place | None
    names: frozenset[str | int]
    drops: bool
    spares_scalars: bool
    reading: Reading | None = None
    """How a JSON text is read here, once one was."""

    @classmethod
    def of(cls, named: Mapping[str | int, Place | None], other: Place | None) -> Branches:
        """Return the branches with what follows from them."""
        return cls(
            named,
            other,
            names=frozenset(named),
            drops=any(place is not None and place.drops for place in (other, *named.values())),
            spares_scalars=other is None or other.treatment is None,
        )

    def __bool__(self) -> bool:
        return self.other is not None or any(place is not None for place in self.named.values())


class Place:
    """One place of a document as the paths see it: what is done there, and where its children lead."""

    __slots__ = ("_elements", "_members", "_positions", "_selector", "asked", "treatment")

    def __init__(
        self,
        selector: Selector,
        positions: frozenset[_Position],
        asked: frozenset[int],
        treatment: Treatment | None,
    ) -> None:
        self.treatment = treatment
        self.asked = asked
        """The numbers of the paths that ask for something here."""
        self._selector = selector
        self._positions = positions
        self._members: Branches | None = None
        self._elements: Branches | None = None

    @property
    def drops(self) -> bool:
        """True when what is here is removed from its container."""
        return self.treatment is not None and self.treatment.drops

    @property
    def members(self) -> Branches:
        """Where the members of an object lead, by key."""
        branches = self._members
        if branches is None:
            branches = self._members = self._selector.branches(self._positions, self.asked, str)
        return branches

    @property
    def elements(self) -> Branches:
        """Where the elements of an array lead, by index."""
        branches = self._elements
        if branches is None:
            branches = self._elements = self._selector.branches(self._positions, self.asked, int)
        return branches


class Selector:
    """The compiled paths of one mask; shared by threads (a race only builds an equal place twice).

    A key matches exactly, once its escapes are decoded. `*` is every member and element, `[*]` every
    element, `**` any number of members and elements. What is asked for a container holds for everything in
    it; where several paths meet, the strictest operator wins (`operators/table.py`).
    """

    def __init__(self, fields: Iterable[FieldMask], operators: Operators) -> None:
        """Compile `fields`; raises MaskError for a path or an operator that cannot be followed."""
        self._operators = operators
        self._spelled: list[str] = []
        self._paths: list[tuple[FieldStep, ...]] = []
        self._asked: list[Operation] = []
        for field in fields:
            steps = _steps(field)
            operation = field.operation
            if operation.operator is MaskOperator.DROP and isinstance(steps[-1], int):
                # Removing one element moves the next one to its index, where a second mask would find it.
                operation = Operation(MaskOperator.NULLIFY)
            operators.of(frozenset({operation}))  # refused now, not when a body first leads there
            self._spelled.append(field.path)
            self._paths.append(steps)
            self._asked.append(operation)
        self._places: dict[tuple[frozenset[_Position], frozenset[int]], Place] = {}
        self._treatments: dict[frozenset[int], Treatment] = {}

    def root(self) -> Place | None:
        """Return the place of the whole document, or None when there is no path at all."""
        if len(self._places) > _MAX_PLACES:
            self._places = {}
        return self._place(((number, 0) for number in range(len(self._paths))), frozenset())

    @property
    def paths(self) -> Sequence[tuple[str, tuple[FieldStep, ...], Treatment]]:
        """What was compiled: each path as it is spelled, its steps, and what it asks for."""
        return [
            (spelled, steps, self._treatment(frozenset({number})))
            for number, (spelled, steps) in enumerate(zip(self._spelled, self._paths, strict=True))
        ]

    def _treatment(self, numbers: frozenset[int]) -> Treatment:
        treatment = self._treatments.get(numbers)
        if treatment is None:
            treatment = self._treatments[numbers] = self._made(numbers)
        return treatment

    def _made(self, numbers: frozenset[int]) -> Treatment:
        asked = frozenset(map(self._asked.__getitem__, numbers))
        treatment = Treatment.of(asked, self._operators)
        if not treatment.reveals or not any(operation.beside for operation in asked):
            return treatment
        names = [name for number in numbers if isinstance(name := self._paths[number][-1], str)]
        return replace(treatment, operator=searched(treatment.operator, asked, names, self._operators))

    def branches(
        self, positions: frozenset[_Position], asked: frozenset[int], kind: type[str | int]
    ) -> Branches:
        """Return where the children lead whose steps are of `kind`: keys (str) or indexes (int)."""
        named = {
            step
            for number, taken in positions
            if taken < len(self._paths[number]) and isinstance(step := self._paths[number][taken], kind)
        }
        other = self._place(self._advance(positions, None, kind), asked)
        places = {name: self._place(self._advance(positions, name, kind), asked) for name in named}
        return Branches.of(places, other)

    def _advance(
        self, positions: frozenset[_Position], name: FieldStep | None, kind: type[str | int]
    ) -> Iterable[_Position]:
        for number, taken in positions:
            if taken == len(self._paths[number]):
                continue
            step = self._paths[number][taken]
            if step is Wildcard.ANY_DEPTH:
                yield number, taken
            elif (
                step is Wildcard.ANY_KEY
                or (step is Wildcard.ANY_ITEM and kind is int)
                or (name is not None and step == name)
            ):
                yield number, taken + 1

    def _place(self, positions: Iterable[_Position], asked: frozenset[int]) -> Place | None:
        reached = self._without_depth(positions)
        asked |= {number for number, taken in reached if taken == len(self._paths[number])}
        if not reached and not asked:
            return None
        key = (reached, asked)
        place = self._places.get(key)
        if place is None:
            treatment = self._treatment(asked) if asked else None
            place = self._places[key] = Place(self, reached, asked, treatment)
        return place

    def _without_depth(self, positions: Iterable[_Position]) -> frozenset[_Position]:
        """Add what is reached when `**` stands for no step at all."""
        reached = set(positions)
        waiting = list(reached)
        while waiting:
            number, taken = waiting.pop()
            steps = self._paths[number]
            following = (number, taken + 1)
            if taken < len(steps) and steps[taken] is Wildcard.ANY_DEPTH and following not in reached:
                reached.add(following)
                waiting.append(following)
        return frozenset(reached)


def _steps(field: FieldMask) -> tuple[FieldStep, ...]:
    try:
        return parse_field_path(field.path)
    except ValueError as error:
        raise MaskError(f"a path of the mask cannot be followed: {error}") from None
