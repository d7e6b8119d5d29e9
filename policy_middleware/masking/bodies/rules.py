"""What bodies and streams need to know of a mask, and the tally of what it found in one response."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from policy_middleware.masking.operators.constants import FIELD
from policy_middleware.model.errors import MaskError

if TYPE_CHECKING:
    from policy_middleware.masking.operators import Treatment

_AT_ONCE: Final = 64 * 1024
"""Characters that are searched in one call: RE2 holds the interpreter lock, and other threads wait."""


class MaskedText(Protocol):
    """A text that may leave."""

    @property
    def text(self) -> str:
        """The text, masked."""

    @property
    def findings(self) -> Mapping[str, int]:
        """How many values of each entity were replaced in it."""


class TextStream(Protocol):
    """Masks a text that arrives in pieces, exactly as it would mask the whole."""

    @property
    def findings(self) -> Mapping[str, int]:
        """How many values of each entity were replaced so far."""

    @property
    def held(self) -> int:
        """The number of characters that are held back."""

    def feed(self, text: str, /) -> str:
        """Return what may leave of everything fed so far."""

    def close(self) -> str:
        """Return the rest."""


class TextMasker(Protocol):
    """Masks texts by what is recognised in them."""

    def mask(self, text: str, /) -> MaskedText:
        """Return `text` with every value masked."""

    def announcement(self, name: str, /) -> str:
        """Return words that announce what is expected under a name; "" when it tells nothing."""

    def mask_all(
        self, texts: Sequence[str], announcement: str = "", /, *, in_one_line: bool = False
    ) -> Mapping[int, MaskedText]:
        """Return what `mask` returns for those of `texts`, by position, that change.

        Each is searched as if `announcement` stood before it; `in_one_line`: as HTML shows its space.
        """

    def detects(self, text: str, /) -> bool:
        """True when `mask` would change the text."""

    def spans(self, text: str, /) -> Sequence[tuple[int, int]]:
        """Return where `mask` replaces something in `text`."""

    def stream(self) -> TextStream:
        """Return a new stream."""


class Tally:
    """What was masked in one response: how many values, which entities, at which paths. Never a value."""

    __slots__ = ("count", "entities", "paths")

    MOST_PATHS = 100
    """Paths that are told apart; what a client can make up must not fill the log."""

    def __init__(self) -> None:
        self.count = 0
        self.entities: Counter[str] = Counter()
        self.paths: Counter[str] = Counter()

    def found(self, findings: Mapping[str, int]) -> None:
        """Add values that were recognised in a text."""
        for entity, count in findings.items():
            self.entity(entity, count)

    def entity(self, name: str, count: int = 1) -> None:
        """Add values of one entity."""
        self.count += count
        self.entities[name] += count

    def path(self, path: str, count: int = 1) -> None:
        """Add values that a field rule has masked."""
        self.count += count
        self.place(path, count)

    def place(self, path: str, count: int = 1) -> None:
        """Add where values were masked that are counted already."""
        if path in self.paths or len(self.paths) < self.MOST_PATHS:
            self.paths[path] += count


class JsonRules(Protocol):
    """Masks JSON texts by fields and by what is recognised in them."""

    def __call__(self, text: str, tally: Tally, /) -> str:
        """Return the JSON text masked, and add to the tally; raises MaskError."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a mask asks for the cells of one column, and the paths of the mask that ask for it."""

    treatment: Treatment
    paths: Sequence[str]

    @property
    def keeps(self) -> bool:
        """True when the cells stay as they are, and are not searched."""
        return self.treatment.keeps

    def text(self, content: str) -> str:
        """Return what is written for the content of a cell, which has no null and cannot go."""
        return "" if self.treatment.replaces_whole else self.treatment.operator.text(content, FIELD)


class BodyRules:
    """One mask at work on one response: rules for JSON, rules for text, and the tally of both.

    `texts` is None for a mask that only names fields: it has nothing to say about text, so text that is not
    addressed by fields is refused.
    """

    __slots__ = ("_columns", "_json", "_texts", "has_fields", "tally")

    def __init__(
        self,
        json_rules: JsonRules,
        texts: TextMasker | None,
        columns: Callable[[Sequence[str]], Sequence[Column | None]],
        *,
        has_fields: bool,
    ) -> None:
        self._json = json_rules
        self._texts = texts
        self._columns = columns
        self.has_fields = has_fields
        self.tally = Tally()

    @property
    def has_texts(self) -> bool:
        """True when texts are searched, whatever field they are in."""
        return self._texts is not None

    def json(self, text: str) -> str:
        """Return a JSON text masked; raises MaskError when it is not strict JSON."""
        return self._json(text, self.tally)

    def columns(self, names: Sequence[str]) -> Sequence[Column | None]:
        """Return what is asked for the members of these names of each row, None where it is nothing."""
        return self._columns(names)

    def treated(self, column: Column, count: int) -> None:
        """Add so many cells of a column that a field rule has masked."""
        self.tally.count += count
        for path in column.paths:
            self.tally.place(path, count)

    def text(self, text: str) -> str:
        """Return a text masked; raises MaskError for a mask that only names fields."""
        masked = self._searched().mask(text)
        self.tally.found(masked.findings)
        return masked.text

    def looked_at(self, texts: Sequence[str]) -> tuple[list[str], Counter[str]]:
        """Return several texts masked, each by itself, and what was found: nothing is counted yet."""
        found: Counter[str] = Counter()
        masked = list(texts)
        for number, changed in self._searched().mask_all(texts).items():
            masked[number] = changed.text
            found.update(changed.findings)
        return masked, found

    def announcement(self, name: str) -> str:
        """Return what the name of a column announces to be in it; "" when it tells nothing."""
        return "" if self._texts is None else self._texts.announcement(name)

    def masked_of(
        self, texts: Mapping[str, int], announcement: str = "", *, in_one_line: bool = False
    ) -> dict[str, str]:
        """Return what those of `texts` become that change; counted as often as each is said to occur.

        Each is searched as if `announcement` stood before it; `in_one_line`: as HTML shows its space.
        """
        replaced: dict[str, str] = {}
        for text, changed in self._changed(texts, announcement, in_one_line=in_one_line):
            replaced[text] = changed.text
            for entity, count in changed.findings.items():
                self.tally.entity(entity, count * texts[text])
        return replaced

    def shown(self, texts: Iterable[str], *, in_one_line: bool = False) -> dict[str, str]:
        """Return what those of `texts` become that change; nothing is counted."""
        return {text: changed.text for text, changed in self._changed(texts, in_one_line=in_one_line)}

    def _changed(
        self, texts: Iterable[str], announcement: str = "", *, in_one_line: bool
    ) -> Iterator[tuple[str, MaskedText]]:
        search = self._searched().mask_all
        for batch in _batches(texts):
            for number, changed in search(batch, announcement, in_one_line=in_one_line).items():
                yield batch[number], changed

    def text_or_pass(self, text: str) -> str:
        """Return a text masked, or as it is when the mask only names fields."""
        return text if self._texts is None else self.text(text)

    def detects(self, text: str) -> bool:
        """True when some value is recognised in a text."""
        return self._texts is not None and self._texts.detects(text)

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Return where values are in a text."""
        return self._searched().spans(text)

    def is_masked(self, text: str) -> bool:
        """True when `text` would leave changed; exact, where `detects` may be true of a mere likeness."""
        return self._texts is not None and self._texts.mask(text).text != text

    def text_stream(self) -> TextStream:
        """Return a stream for a text that arrives in pieces; raises MaskError as `text` does."""
        return self._searched().stream()

    def found(self, text: TextStream) -> None:
        """Add what a stream that is closed has found."""
        self.tally.found(text.findings)

    def check_text(self) -> None:
        """Raise MaskError for a mask that only names fields."""
        self._searched()

    def _searched(self) -> TextMasker:
        if self._texts is None:
            raise MaskError(
                "the mask only names fields, which a body of this type has not; name entities to search it"
            )
        return self._texts


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text) + 1
        if size > _AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
