"""Masking of text: every value of the chosen entities replaced, the rest as it was."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from policy_middleware.masking.normalized import JOINT, View
from policy_middleware.masking.operator_protocol import MaskingOperator
from policy_middleware.masking.recognition import recognizer_of
from policy_middleware.masking.recognizers.recognizer import Recognizer
from policy_middleware.masking.scanner import Found, regions, scanner_of

if TYPE_CHECKING:
    from policy_middleware.masking.text_stream import TextStream


@dataclass(frozen=True, slots=True)
class MaskedText:
    """A text that may leave, and how many values of each entity were replaced in it."""

    text: str
    findings: Counter[str] = field(default_factory=Counter)


class TextMasker:
    """Compiled rules: which entities and patterns are replaced, and how. Shared by texts and threads."""

    __slots__ = ("_names", "_operators", "scanner")

    def __init__(self, rules: Mapping[str, MaskingOperator], custom: Iterable[Recognizer] = ()) -> None:
        """Compile `rules`, from the names of built-in entities and of `custom` recognisers to operators.

        Where a custom recogniser bears the name of a built-in one it replaces it. Raises RecognizerError
        for a name that is neither, SettingsError when the extra `mask` is not installed.
        """
        own = {recognizer.entity: recognizer for recognizer in custom}
        self._names = tuple(rules)
        self._operators = tuple(rules.values())
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
        findings: Counter[str] = Counter()
        united, _ = regions(found, len(view.data))
        pieces: list[str] = []
        done = self.render(text, view, united, 0, pieces, findings)
        pieces.append(text[done:])
        return MaskedText("".join(pieces), findings)

    def mask_all(self, texts: Sequence[str]) -> list[MaskedText]:
        """Return what `mask` returns for each of `texts`, in one search: many short ones are cheap."""
        views = [self.scanner.alphabet.view(text) for text in texts]
        joined = bytes([JOINT]).join(view.data for view in views)
        masked = [MaskedText(text) for text in texts]
        found = self.scanner.scan(joined)
        if not found:
            return masked
        offsets = [0, *accumulate(len(view.data) + 1 for view in views)]
        within: dict[int, list[Found]] = {}
        for one in found:
            number = bisect_right(offsets, one.start) - 1
            at = offsets[number]
            within.setdefault(number, []).append(
                Found(one.start - at, one.end - at, one.recognizer, one.score)
            )
        for number, inside in within.items():
            text, view = texts[number], views[number]
            findings: Counter[str] = Counter()
            pieces: list[str] = []
            done = self.render(text, view, regions(inside, len(view.data))[0], 0, pieces, findings)
            pieces.append(text[done:])
            masked[number] = MaskedText("".join(pieces), findings)
        return masked

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
        findings: Counter[str],
    ) -> int:
        """Append `text` from `done` on to `pieces`, with `united` replaced; return the character reached."""
        for members in united:
            start = max(done, view.start(min(one.start for one in members)))
            end = view.end(max(one.end for one in members))
            if end <= start:  # Both lie in one character that stands for several.
                continue
            strictest = max(members, key=self._strictness)
            name = self._names[strictest.recognizer]
            pieces.append(text[done:start])
            pieces.append(self._operators[strictest.recognizer].text(text[start:end], name))
            findings[name] += 1
            done = end
        return done

    def _strictness(self, found: Found) -> tuple[int, int, int]:
        return self._operators[found.recognizer].strictness, found.end - found.start, -found.recognizer
