"""Masking of a text that arrives in parts, exactly as if it had arrived whole."""

from __future__ import annotations

from collections import Counter
from typing import Final

from policy_middleware.masking.found import LONGEST_MATCH, Found, regions
from policy_middleware.masking.normalized import View
from policy_middleware.masking.scanner import Cursor
from policy_middleware.masking.text_masking import TextMasker
from policy_middleware.model.errors import MaskError

MOST_HELD: Final = 16 * LONGEST_MATCH
"""Characters a stream holds back at most. Visible characters reach 2 * LONGEST_MATCH; only invisible ones
inside a value, which no honest text has in such numbers, come near, and then the stream ends."""

_WORTH_CUTTING: Final = 256
"""Bytes; cutting less at a time would copy more than it saves."""


class TextStream:
    """Masks one text: what `feed` and `close` return, joined, is what `TextMasker.mask` makes of the whole.

    Held back is only what could still become, or belong to, a value. When the text ends by an error do not
    call `close`: what is held may be half a value.
    """

    __slots__ = ("_closed", "_cursor", "_emitted", "_found", "_masker", "_text", "findings")

    def __init__(self, masker: TextMasker) -> None:
        self._masker = masker
        self._cursor = Cursor(masker.scanner)
        self._text = ""
        self._emitted = 0
        """The characters of `_text` that were returned; those before serve as context."""
        self._found: list[Found] = []
        self._closed = False
        self.findings: Counter[str] = Counter()
        """How many values of each entity were replaced so far."""

    @property
    def held(self) -> int:
        """The number of characters that are held back."""
        return len(self._text) - self._emitted

    def feed(self, text: str) -> str:
        """Take the next part of the text; return what can leave now, possibly nothing.

        Raises MaskError when more than MOST_HELD characters would have to be held back.
        """
        if self._closed:
            raise MaskError("the stream was closed; nothing more can be masked in it")
        self._text += text
        masked = self._advance(final=False)
        if self.held > MOST_HELD:
            self._closed = True
            self._text = ""
            raise MaskError(f"more than {MOST_HELD} characters would have to be held back")
        return masked

    def close(self) -> str:
        """Return what was held back, masked: the text has come to its end."""
        if self._closed:
            return ""
        self._closed = True
        return self._advance(final=True)

    def _advance(self, *, final: bool) -> str:
        text = self._text
        view = self._masker.scanner.alphabet.view(text)
        decided = self._cursor.advance(view.data, final=final, found=self._found)
        united, self._found = regions(self._found, decided)
        if self._found:
            decided = min(decided, self._found[0].start)
        pieces: list[str] = []
        done = self._masker.render(text, view, united, self._emitted, pieces, self.findings)
        limit = len(text) if decided == len(view.data) else max(done, view.start(decided))
        pieces.append(text[done:limit])
        self._emitted = limit
        if len(view.data) >= _WORTH_CUTTING:
            self._forget(view, view.first(self._cursor.needed(decided)))
        return "".join(pieces)

    def _forget(self, view: View, count: int) -> None:
        """Cut off the text that is not even needed as context any more: `count` bytes of the view."""
        if count < _WORTH_CUTTING:
            return
        characters = view.start(count)
        self._text = self._text[characters:]
        self._emitted -= characters
        self._cursor.forget(count)
        self._found = [
            Found(one.start - count, one.end - count, one.recognizer, one.score) for one in self._found
        ]
