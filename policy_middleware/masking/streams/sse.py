"""`text/event-stream`, event by event, however its bytes were cut (HTML standard, section 9.2).

Lines may end with LF, CRLF or CR, and a stream may begin with a byte order mark; what comes out ends its
lines with LF or, once the stream has used it, with CRLF. A comment between two events goes out at once,
because comments keep connections alive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.masking.streams.cpu_budget import CpuBudget
from policy_middleware.masking.streams.event_queue import EventQueue
from policy_middleware.masking.streams.llm import DeltaMask, Message
from policy_middleware.model.errors import MaskError

DONE: Final = "[DONE]"
"""The data of the event that ends streams in the formats of OpenAI."""

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its lines without their ends; `ended`: a blank line followed."""

    lines: Sequence[str]
    ended: bool = True


class EventReader:
    """Cuts bytes into events; holds at most `limit` bytes of one that has not ended."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: list[str] = []
        self._parts: list[bytes] = []
        """What has come of the line that has not ended."""
        self._size = 0
        self._at_start = True
        self._after_return = False
        self.line_end = "\n"

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield what `chunk` completes; raises MaskError for too long an event, or bytes not of UTF-8."""
        if self._after_return and chunk:
            self._after_return = False
            if chunk[:1] == b"\n":
                self.line_end = "\r\n"
                chunk = chunk[1:]
        if not chunk:
            return
        if b"\r\n" in chunk:
            self.line_end = "\r\n"
        self._after_return = chunk.endswith(b"\r")
        *ended, rest = _LINE_END.split(chunk)
        for line in ended:
            self._parts.append(line)
            whole = b"".join(self._parts)
            self._parts.clear()
            yield from self._line(whole)
        if rest:
            self._parts.append(rest)
            self._grow(len(rest))

    def close(self) -> Iterator[Event]:
        """Yield what the stream has ended in the middle of."""
        rest = b"".join(self._parts)
        if rest:
            yield from self._line(rest)
        if self._lines:
            yield Event(self._lines, ended=False)

    def _line(self, line: bytes) -> Iterator[Event]:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            yield Event(self._lines)
            self._lines, self._size = [], 0
            return
        self._grow(len(line))
        text = _decoded(line)
        if text[0] == ":" and not self._lines:
            self._size = 0
            yield Event([text], ended=False)
        else:
            self._lines.append(text)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > 2 * self._limit or len(self._parts) + len(self._lines) > self._limit:
            raise MaskError(f"an event is longer than the {self._limit} bytes that may be held for masking")


class EventStreamMask:
    """Masks one event stream: `feed` returns what may leave by now, `close` the rest.

    Each raises MaskError for what cannot be masked; then nothing more may leave. Data that is JSON is masked
    as a document, but for the texts of language models, which grow from event to event. Any other data may be
    a piece of a text too (see EventQueue). Ids, names of events and comments are masked one by one.
    """

    def __init__(self, rules: BodyRules, *, limit: int) -> None:
        self._rules = rules
        self._reader = EventReader(limit)
        self._deltas = DeltaMask(rules)
        self._queue = EventQueue(rules, limit=limit)
        self._clean_name = ""
        """The last line with the name of an event that nothing was masked in; most events have the same."""

    def feed(self, chunk: bytes) -> bytes:
        """Return what may leave now that `chunk` has come."""
        budget = CpuBudget(len(chunk))
        parts: list[str] = []
        for event in self._reader.feed(chunk):
            budget.spend()
            parts += self._masked(event)
        return _encoded(parts)

    def close(self) -> bytes:
        """Return the rest of a stream that has come to its end."""
        parts = [part for event in self._reader.close() for part in self._masked(event)]
        parts += self._queue.close()
        tails = list(self._sent(self._deltas.close()))
        if tails and parts and not parts[-1].endswith(self._reader.line_end * 2):
            parts.append(self._reader.line_end)
        return _encoded([*parts, *tails])

    def _masked(self, event: Event) -> Iterator[str]:
        fields = [_field(line) for line in event.lines]
        data = "\n".join(value for name, value in fields if name == "data")
        write = partial(self._written, event, fields, data)
        if not data or not (self._rules.has_texts or data.strip()):
            yield from self._queue.put(write(data)) if fields else (write(data),)
        elif data.strip() == DONE:
            yield from self._queue.close()
            yield from self._sent(self._deltas.close())
            yield write(data)
        elif data.lstrip()[:1] in ("{", "[") or _is_escaped(data):
            kind = next((value for name, value in reversed(fields) if name == "event"), "")
            *before, last = self._deltas.event(data, kind)
            for part in (*self._sent(before), write(last.text)):
                yield from self._queue.put(part)
        else:
            yield from self._queue.put_text(data, write)

    def _written(self, event: Event, fields: Sequence[tuple[str, str]], data: str, masked: str) -> str:
        """Return an event with its data replaced and every other line masked."""
        lines: list[str] = []
        replaced = data == masked
        for line, (name, _) in zip(event.lines, fields, strict=True):
            if name != "data":
                lines.append(line if line == self._clean_name else self._masked_line(name, line))
            elif data == masked:
                lines.append(line)
            elif not replaced:
                lines += _data_lines(masked)
                replaced = True
        end = self._reader.line_end
        return "".join(f"{line}{end}" for line in lines) + (end if event.ended else "")

    def _masked_line(self, name: str, line: str) -> str:
        masked = self._rules.text_or_pass(line)
        if name == "event" and masked == line:
            self._clean_name = line
        return masked

    def _sent(self, messages: Iterable[Message]) -> Iterator[str]:
        """Yield events of our own, for what earlier events have held back."""
        end = self._reader.line_end
        for text, kind in messages:
            lines = [self._masked_line("event", f"event: {kind}")] if kind else []
            yield "".join(f"{line}{end}" for line in [*lines, *_data_lines(text)]) + end


def _is_escaped(data: str) -> bool:
    """Return whether data is a string of JSON whose escapes may hide something."""
    if "\\" not in data or data.lstrip()[:1] != '"':
        return False
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")


def _data_lines(text: str) -> list[str]:
    return [f"data: {line}" for line in re.split(r"\r\n|\n|\r", text)]


def _encoded(parts: Iterable[str]) -> bytes:
    # Only in JSON is there half a surrogate pair, and there an escape says the same.
    return "".join(parts).encode("utf-8", "backslashreplace")


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        pass
    # Raised out here because a UnicodeDecodeError in the context would carry the line along.
    raise MaskError("the event stream is not valid UTF-8")
