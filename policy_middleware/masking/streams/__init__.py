"""Bodies that are masked while they arrive."""

from __future__ import annotations

from typing import Protocol

from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.masking.media_type import Kind, MediaType
from policy_middleware.masking.streams.ndjson import LinesMask
from policy_middleware.masking.streams.sse import EventStreamMask
from policy_middleware.masking.streams.text import PlainTextMask
from policy_middleware.model.errors import MaskError


class StreamMask(Protocol):
    """Masks one body while it arrives."""

    def feed(self, chunk: bytes) -> bytes:
        """Return what may leave now; raises MaskError, and then nothing more may."""

    def close(self) -> bytes:
        """Return the rest of a body that has come to its end."""


def stream_mask(media: MediaType, rules: BodyRules, *, limit: int) -> StreamMask:
    """Return what masks a body of this type while it arrives, holding at most `limit` bytes of it."""
    match media.kind:
        case Kind.EVENTS:
            return EventStreamMask(rules, limit=limit)
        case Kind.NDJSON:
            return LinesMask(rules, limit=limit)
        case Kind.TEXT:
            return PlainTextMask(rules)
    raise MaskError("bodies of this Content-Type are masked as a whole")


__all__ = ["StreamMask", "stream_mask"]
