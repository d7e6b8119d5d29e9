"""Plain text that arrives in pieces."""

from __future__ import annotations

import codecs

from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.masking.json_lookalike import (
    begins_like_strict_json,
    check_no_json,
    holds_json,
    may_begin_like_json,
)
from policy_middleware.masking.streams.json_fragments import JsonFragments
from policy_middleware.model.errors import MaskError

_PIECE = 64 * 1024
"""Characters that are searched in one go."""


class PlainTextMask:
    """Masks UTF-8 text: `feed` returns what may leave by now, `close` the rest.

    Each raises MaskError for what is not UTF-8; then nothing more may leave. Text that begins like JSON is
    searched without the escapes of JSON.
    """

    def __init__(self, rules: BodyRules) -> None:
        self._rules = rules
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._stream = rules.text_stream()
        self._beginning: str | None = ""
        """What has come while it cannot be told whether it is JSON; None: it is not."""

    def feed(self, chunk: bytes) -> bytes:
        """Return what may leave now that `chunk` has come."""
        text = self._begun(self._decoded(chunk))
        pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
        return "".join(map(self._stream.feed, pieces)).encode()

    def close(self) -> bytes:
        """Return the rest of a text that has come to its end."""
        text = (self._beginning or "") + self._decoded(b"", final=True)
        rest = (self._stream.feed(text) if text else "") + self._stream.close()
        self._rules.found(self._stream)
        return rest.encode()

    def _begun(self, text: str) -> str:
        """Hold the text back until it is certain that it does not begin like JSON."""
        if self._beginning is None:
            return text
        text = self._beginning + text
        if self._rules.has_fields:
            check_no_json(text)
        if begins_like_strict_json(text):
            self._stream = JsonFragments(self._stream)
        if not may_begin_like_json(text):
            self._beginning = None
            return text
        if len(text) > _PIECE:
            raise MaskError(f"a text begins with {_PIECE} blanks")
        self._beginning = text
        return ""

    def _decoded(self, chunk: bytes, *, final: bool = False) -> str:
        try:
            return self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            pass
        # Raised out here because a UnicodeDecodeError in the context would carry the text along.
        raise MaskError("the text is not valid UTF-8")


def mask_with_json(text: str, rules: BodyRules) -> str:
    """Return a text masked that may hold JSON: what the escapes of JSON hide is masked as well."""
    masked = rules.text(text)
    if "\\" not in masked or not holds_json(masked):
        return masked
    stream = JsonFragments(rules.text_stream())
    shown = [stream.feed(masked[start : start + _PIECE]) for start in range(0, len(masked), _PIECE)]
    shown.append(stream.close())
    rules.found(stream)
    return "".join(shown) if stream.findings else masked
