"""The messages of one WebSocket, each masked as a whole before it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Final

from policy_middleware.masking.bodies.binary import mask_cbor, mask_msgpack
from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.masking.failing_closed import failing_closed
from policy_middleware.masking.headers import Header, HeaderMasker, masked_headers
from policy_middleware.masking.json_lookalike import begins_like_json, holds_json
from policy_middleware.masking.report import MaskReport
from policy_middleware.masking.streams.llm import DeltaMask
from policy_middleware.masking.streams.text import mask_with_json
from policy_middleware.model.errors import MaskError

_BINARY: Final = {"msgpack": mask_msgpack, "cbor": mask_cbor}
"""By the last word of a subprotocol, such as `wamp.2.msgpack`."""


class MessageMask:
    """Masks what a server sends on one WebSocket.

    A message that is JSON is masked as a document. The texts of language models, which grow from message to
    message, are followed as they are in event streams, so what they hold back comes with a later message, or
    before the end (`close`). Other text is searched; binary messages are taken when the subprotocol says that
    they are MessagePack or CBOR.

    Each method raises MaskError for what cannot be masked; then nothing more may be sent, and every later
    call raises again. It is for one thread at a time.
    """

    def __init__(self, masker: HeaderMasker, rules: BodyRules, *, max_message: int) -> None:
        """Prepare to mask messages of `max_message` bytes (or characters) at most."""
        self._masker = masker
        self._rules = rules
        self._max_message = max_message
        self._deltas = DeltaMask(rules, reopens=True)
        self._binary: Callable[[bytes, BodyRules], bytes] | None = None
        self._problem: str | None = None

    def accept(
        self, headers: Iterable[Header], subprotocol: str | None, offered: Sequence[str]
    ) -> list[Header]:
        """Return the headers that may go with the acceptance; the subprotocol must be one of the offered."""
        self._check()
        with self._failing_closed():
            if subprotocol is not None:
                if subprotocol not in offered:
                    raise MaskError("the application chose a subprotocol that the client did not offer")
                self._binary = _BINARY.get(subprotocol.replace("+", ".").rpartition(".")[2].lower())
            return masked_headers(headers, self._masker, self._rules, length=None, masked="stream")
        raise self._failed()

    def text(self, text: str) -> list[str]:
        """Return the messages to send for one of text."""
        self._check()
        with self._failing_closed():
            self._check_size(len(text))
            if _is_json(text):
                return [message.text for message in self._deltas.event(text)]
            if self._rules.has_fields and holds_json(text):
                raise MaskError("the mask names fields, and a message has JSON behind other text")
            return [mask_with_json(text, self._rules) if text else text]
        raise self._failed()

    def binary(self, data: bytes) -> bytes:
        """Return the message to send for a binary one."""
        self._check()
        with self._failing_closed():
            self._check_size(len(data))
            if not data:
                return data
            if self._binary is None:
                raise MaskError(
                    "a binary message is only masked where the subprotocol ends in .msgpack or .cbor"
                )
            return self._binary(data, self._rules)
        raise self._failed()

    def close(self, reason: str) -> tuple[list[str], str]:
        """Return the messages to send before the end, and the reason to give for it (empty where masked)."""
        self._check()
        with self._failing_closed():
            tails = [message.text for message in self._deltas.close()]
            return tails, "" if self._rules.is_masked(reason) else reason
        raise self._failed()

    def report(self) -> MaskReport:
        """Return what has been masked so far."""
        return MaskReport.of(self._rules.tally, streamed=True)

    def abandon(self) -> MaskReport:
        """Return what was masked on a socket whose application failed; what is held back is dropped."""
        self._drop("the socket was abandoned")
        return MaskReport.of(self._rules.tally, streamed=True, complete=False)

    def _check_size(self, size: int) -> None:
        if size > self._max_message:
            raise MaskError(
                f"a message is longer than the {self._max_message} bytes that may be held for masking"
            )

    def _failing_closed(self) -> AbstractContextManager[None]:
        return failing_closed(self._drop)

    def _drop(self, problem: str) -> None:
        """Forget every original text, once what has been masked is counted."""
        with suppress(Exception):  # what it is worth is known already
            self._deltas.close()
        self._problem = problem
        self._deltas = DeltaMask(self._rules)

    def _check(self) -> None:
        if self._problem is not None:
            raise self._failed()

    def _failed(self) -> MaskError:
        return MaskError(self._problem)


def _is_json(text: str) -> bool:
    """Return whether a message is masked as JSON; what only begins like it is, and is refused there."""
    if begins_like_json(text):
        return True
    if text.lstrip()[:1] not in _BEGINNINGS:
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


_BEGINNINGS: Final = frozenset('{["-0123456789tfn')
"""Of JSON texts; a line that begins with `[10:32]` is none."""
