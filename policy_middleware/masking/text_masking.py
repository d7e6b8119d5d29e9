"""Masking of text: every value of the chosen entities replaced, the rest as it was."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from policy_middleware.masking.found import Found, regions
from policy_middleware.masking.normalized import View
from policy_middleware.masking.operator_protocol import MaskingOperator
from policy_middleware.masking.recognition import recognizer_of
from policy_middleware.masking.recognizers.recognizer import Recognizer
from policy_middleware.masking.scanner import scanner_of

if TYPE_CHECKING:
    from policy_middleware.masking.text_stream import TextStream


@dataclass(frozen=True, slots=True)
class MaskedText:
    """A text that may leave, and how many values of each entity were replaced in it."""

    text: str
    findings: Mapping[str, int] = field(default_factory=dict)


class TextMasker:
    """Compiled rules: which entities and patterns are replaced, and how. Shared by texts and threads."""

    __slots__ = ("_names", "_operators", "constants", "scanner")

    def __init__(self, rules: Mapping[str, MaskingOperator], custom: Iterable[Recognizer] = ()) -> None:
        """Compile `rules`, from the names of built-in entities and of `custom` recognisers to operators.

        Where a custom recogniser bears the name of a built-in one it replaces it. Raises RecognizerError
        for a name that is neither, SettingsError when the extra `mask` is not installed.
        """
        own = {recognizer.entity: recognizer for recognizer in custom}
        self._names = tuple(rules)
        self._operators = tuple(rules.values())
        self.constants: Sequence[tuple[str, str] | None] = [
            (name, operator.text("", name)) if getattr(operator, "is_constant", False) else None
            for name, operator in rules.items()
        ]
        """By recogniser what `replacement` returns for every value, None where that depends on the value."""
        self.scanner = scanner_of(tuple(own.get(name) or recognizer_of(name) for name in self._names))

    def detects(self, text: str) -> bool:
        """Return False when `text` certainly holds nothing to mask; True says that it is worth a search."""
        return bool(self.scanner.present(self.scanner.alphabet.view(text).data))

    def mask(self, text: str) -> MaskedText:
        """Return `text` with every value replaced; values that overlap as one, by the strictest operator."""
        view = self.scanner.alphabet.view(text)
        found = self.scanner.scan(view.data)
        if not found:
            return MaskedText(text)
        findings: dict[str, int] = {}
        united, _ = regions(found, len(view.data))
        pieces: list[str] = []
        done = self.render(text, view, united, 0, pieces, findings)
        pieces.append(text[done:])
        return MaskedText("".join(pieces), findings)

    def announcement(self, name: str) -> str:
        """Return words that announce what is expected under a name; "" when it tells nothing."""
        return self.scanner.announcement(name)

    def mask_all(
        self, texts: Sequence[str], announcement: str = "", *, in_one_line: bool = False
    ) -> dict[int, MaskedText]:
        """Return what `mask` returns for those of `texts`, by position, in which something was replaced.

        All are searched at once, each as if `announcement` stood before it: many short ones are cheap.
        `in_one_line`: ends of lines are blanks to who reads the texts, and several blanks are one.
        """
        skip = 0
        if announcement:
            texts = [f"{announcement}\n{text}" for text in texts]
            skip = len(announcement) + 1
        view = self.scanner.alphabet.joined(texts)
        if in_one_line:
            view = view.in_one_line()
        found = self.scanner.scan(view.data)
        if not found:
            return {}
        beginnings = [0, *accumulate([len(text) + 1 for text in texts])]
        masked: dict[int, MaskedText] = {}
        united, _ = regions(found, len(view.data))
        at, count = 0, len(united)
        while at < count:
            number = bisect_right(beginnings, view.start(united[at][0].start)) - 1
            behind, after = at + 1, beginnings[number + 1]
            while behind < count and view.start(united[behind][0].start) < after:
                behind += 1
            text = texts[number]
            pieces: list[str] = []
            findings: dict[str, int] = {}
            done = self._render(text, view, united[at:behind], (beginnings[number], skip), pieces, findings)
            pieces.append(text[done:])
            if findings:
                masked[number] = MaskedText("".join(pieces), findings)
            at = behind
        return masked

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where `mask` replaces something in `text`, from the left to the right."""
        view = self.scanner.alphabet.view(text)
        united, _ = regions(self.scanner.scan(view.data), len(view.data))
        return [
            (view.start(members[0].start), view.end(max(one.end for one in members))) for members in united
        ]

    def stream(self) -> TextStream:
        """Return a masker of one text that arrives in parts."""
        from policy_middleware.masking.text_stream import TextStream

        return TextStream(self)

    def render(
        self,
        text: str,
        view: View,
        united: Iterable[Sequence[Found]],
        done: int,
        pieces: list[str],
        findings: dict[str, int],
    ) -> int:
        """Append `text` from `done` on to `pieces`, with `united` replaced; return the character reached."""
        return self._render(text, view, united, (0, done), pieces, findings)

    def _render(
        self,
        text: str,
        view: View,
        united: Iterable[Sequence[Found]],
        origin: tuple[int, int],
        pieces: list[str],
        findings: dict[str, int],
    ) -> int:
        """Do what `render` does for a text that begins at the character `origin[0]` of the view."""
        offset, done = origin
        coincide = view.positions is None
        for members in united:
            start, end, recognizer = self.span(members)
            if not coincide:
                start, end = view.start(start), view.end(end)
            start, end = max(done, start - offset), end - offset
            if end <= start:  # Both lie in one character that stands for several.
                continue
            constant = self.constants[recognizer]
            name, written = constant or self.replacement(text[start:end], recognizer)
            pieces += (text[done:start], written)
            findings[name] = findings.get(name, 0) + 1
            done = end
        return done

    def replacement(self, value: str, recognizer: int) -> tuple[str, str]:
        """Return the entity that `recognizer` finds, and what is written in place of a value of it."""
        name = self._names[recognizer]
        return name, self._operators[recognizer].text(value, name)

    def span(self, members: Sequence[Found]) -> tuple[int, int, int]:
        """Return the span of matches that overlap, and the recogniser by whose operator they are replaced.

        It is the strictest; among equals the one that covers most.
        """
        if len(members) == 1:
            return members[0][:3]
        spans: dict[int, tuple[int, int]] = {}
        for start, end, recognizer, _ in members:
            least, most = spans.get(recognizer, (start, end))
            spans[recognizer] = min(start, least), max(end, most)
        strictest = max(
            spans,
            key=lambda one: (self._operators[one].strictness, spans[one][1] - spans[one][0], -one),
        )
        return min(one[0] for one in members), max(one[1] for one in members), strictest
