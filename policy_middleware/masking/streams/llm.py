"""Token streams of language models, understood field by field.

A value is spread over many events, a few letters in each, so every text that grows event by event has a
text stream of its own, and what that one holds back leaves with a later event. Events that repeat a text in
full (`*.done`, `response.completed`) are masked as the documents they are, and agree with the deltas because
masking a stream equals masking the whole.

Sources: OpenAI API reference, "Streaming" of chat completions and of responses; Anthropic API reference,
"Streaming messages"; Ollama API reference, "Generate a chat completion"; Cohere, "A Guide to Streaming
Responses" (v2); Gemini API reference, `models.streamGenerateContent`; Amazon Bedrock API reference,
`ConverseStreamOutput`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, NoReturn

from policy_middleware.masking.bodies.rules import BodyRules, TextStream
from policy_middleware.masking.streams.json_fragments import JsonFragments
from policy_middleware.masking.streams.llm_formats import (
    MARKS,
    Growing,
    Key,
    Node,
    Place,
    Step,
    Update,
    leftover,
    update_of,
)
from policy_middleware.model.errors import MaskError

MAX_TEXTS: Final = 1024
"""Texts that may grow side by side in one response."""

_SENTINEL: Final = "\ue000"
"""Stands for a growing text while the rest of its event is masked as a document."""
_WRITTEN_SENTINEL: Final = f'"{_SENTINEL}"'


class Message(NamedTuple):
    """One JSON text to send; `kind` is the name of the event that it is sent as."""

    text: str
    kind: str


@dataclass(slots=True)
class _Open:
    """A text that is growing, and the last event with it, masked."""

    stream: TextStream
    growing: Growing
    event: Node
    kind: str


class DeltaMask:
    """Masks the JSON events of one stream: each as a document, but for the texts that grow."""

    def __init__(self, rules: BodyRules, *, reopens: bool = False) -> None:
        """Prepare for one stream; `reopens`: answers follow each other, with texts of the same names."""
        self._rules = rules
        self._reopens = reopens
        self._open: dict[Key, _Open] = {}
        self._closed: set[Key] = set()
        self._clean_skeleton = ""
        """The last event, less its texts, in which nothing was masked."""

    def event(self, text: str, kind: str = "") -> list[Message]:
        """Return what is to be sent for an event, which itself comes last.

        Raises MaskError for what is not strict JSON, or holds what cannot be masked.
        """
        document = _parsed(text) if self._rules.has_texts and may_grow(text) else None
        update = update_of(document)
        if update is None or not isinstance(document, dict):
            return [Message(self._rules.json(text), kind)]
        if update.unmaskable is not None:
            raise MaskError(f"an event has {update.unmaskable}, which cannot be masked")
        coming = {growing.key for growing in update.growing if not growing.repeats}
        tails = [message for ended in update.ends for message in self._tails(ended, but=coming)]
        return [*tails, Message(self._grown(document, update, kind), kind)]

    def close(self) -> list[Message]:
        """Return what is left of every text, when the stream has come to its end."""
        return self._tails((), but=())

    def _grown(self, document: Node, update: Update, kind: str) -> str:
        """Return the event with its rest masked as a document, and what its texts may show by now."""
        texts = [_take(document, growing.place) for growing in update.growing]
        skeleton = masked_skeleton = _dumped(document)
        if skeleton != self._clean_skeleton:  # events of one stream differ in their texts only, as a rule
            masked_skeleton = self._rules.json(skeleton)
            if masked_skeleton == skeleton:
                self._clean_skeleton = skeleton
        if len(texts) == 1 and masked_skeleton == skeleton and skeleton.count(_WRITTEN_SENTINEL) == 1:
            (growing,) = update.growing
            shown = self._shown(growing, texts[0], document, kind, ends=_ends(update, 0))
            _put(document, growing.place, shown)
            return skeleton.replace(_WRITTEN_SENTINEL, _dumped(shown))
        masked = document if masked_skeleton == skeleton else json.loads(masked_skeleton)
        for number, (growing, text) in enumerate(zip(update.growing, texts, strict=True)):
            container = _find(masked, growing.place[:-1])
            if not isinstance(container, dict) or container.get(growing.place[-1]) != _SENTINEL:
                continue  # a field rule has had its say here
            shown = self._shown(growing, text, masked, kind, ends=_ends(update, number))
            container[growing.place[-1]] = shown
        return _dumped(masked)

    def _shown(self, growing: Growing, text: str, event: Node, kind: str, *, ends: bool) -> str:
        if growing.repeats:
            whole = self._stream(growing)
            shown = whole.feed(text) + whole.close()
            self._rules.found(whole)
            return shown
        key = growing.key
        opened = self._open.get(key)
        if opened is None:
            if not text:
                return ""
            if key in self._closed:
                raise MaskError("a text of the event stream goes on after its end")
            if len(self._open) + len(self._closed) >= MAX_TEXTS:
                raise MaskError(f"an event stream has more than {MAX_TEXTS} texts that grow")
            opened = self._open[key] = _Open(self._stream(growing), growing, event, kind)
        opened.growing, opened.event, opened.kind = growing, event, kind
        shown = opened.stream.feed(text)
        return shown + self._end(key) if ends else shown

    def _stream(self, growing: Growing) -> TextStream:
        stream = self._rules.text_stream()
        return JsonFragments(stream) if growing.is_json else stream

    def _end(self, key: Key) -> str:
        opened = self._open.pop(key)
        if not (self._reopens or opened.growing.reopens):
            self._closed.add(key)
        tail = opened.stream.close()
        self._rules.found(opened.stream)
        return tail

    def _tails(self, ended: Key, but: Iterable[Key]) -> list[Message]:
        """Return an event for what is left of every text below `ended`, except of those named."""
        messages: list[Message] = []
        for key in [key for key in self._open if key[: len(ended)] == ended and key not in but]:
            opened = self._open[key]
            tail = self._end(key)
            if tail:
                event = leftover(opened.event, opened.growing, tail)
                kind = event.get("type") if opened.kind else ""
                messages.append(Message(_dumped(event), kind if isinstance(kind, str) else opened.kind))
        return messages


def may_grow(text: str) -> bool:
    """Return False for what is certainly no event of a format in which texts grow."""
    return _MARK_OF_A_FORMAT.search(text) is not None


_MARK_OF_A_FORMAT: Final = re.compile(rf'\\|"(?:{"|".join(MARKS)})"')
"""Members that `update_of` tells formats by; a backslash may spell any of them."""


def _ends(update: Update, number: int) -> bool:
    """Return whether a text of an event is the last that comes of what it continues."""
    key = update.growing[number].key
    return any(key[: len(ended)] == ended for ended in update.ends) and all(
        growing.key != key for growing in update.growing[number + 1 :]
    )


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _dumped(document: object) -> str:
    try:
        return _ENCODER.encode(document)
    except ValueError:
        problem = "an event has a number beyond what can be read"
    raise MaskError(problem)


def _find(node: object, place: Iterable[Step]) -> object:
    for step in place:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            return None
    return node


def _take(document: Node, place: Place) -> str:
    """Put the sentinel in the place of a text, and return the text."""
    text = _put(document, place, _SENTINEL)
    assert isinstance(text, str)
    return text


def _put(document: Node, place: Place, text: str) -> object:
    """Put `text` in its place, and return what was there."""
    container = _find(document, place[:-1])
    assert isinstance(container, dict)
    before: object = container[place[-1]]
    container[place[-1]] = text
    return before


class _DuplicateKey(ValueError):
    """An object names a member twice, which two readers may read in two ways."""


def _members(pairs: list[tuple[str, object]]) -> Node:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DuplicateKey
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_refuse_constant)


def _parsed(text: str) -> object:
    problem = "an event is not valid JSON"
    try:
        return _DECODER.decode(text)
    except _DuplicateKey:
        problem = "an event names a member twice"
    except RecursionError:
        problem = "an event is nested too deeply"
    except ValueError:
        pass
    # Raised out here because a JSONDecodeError in the context would carry the whole event along.
    raise MaskError(problem)
