"""Where the texts are in an event of a language model, and which of them it ends.

| format | recognised by | texts that grow |
|---|---|---|
| OpenAI chat completions | `choices` | every text of a delta, and the arguments of tool calls |
| OpenAI responses, AI SDK | a `type` that ends with "delta" | `delta`, `inputTextDelta`, by item and part |
| OpenAI assistants | an `object` that ends with "delta" | every text of the object `delta`, by id |
| Anthropic messages | `type` of `content_block_*` | text, thinking and partial JSON, by block |
| Cohere v2 | `type` of `content-*` and `tool-*` | every text of the object `delta`, by index |
| Google Gemini | `candidates` | texts, thoughts and partial arguments, by candidate |
| Amazon Bedrock Converse | `contentBlockDelta`, or a bare `contentBlockIndex` | texts of `delta`, by block |
| Ollama | `done`, true or false | `response`, `message.content`, `message.thinking` |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

Step = str | int
Place = tuple[Step, ...]
Key = tuple[object, ...]
Node = dict[str, object]


@dataclass(frozen=True, slots=True)
class Growing:
    """A text of an event that continues the one with the same `key` in earlier events.

    `place` leads to it. `is_json`: it is a JSON text in fragments. `repeats`: it is complete in itself.
    `reopens`: after its end another one of the same key may begin.
    """

    key: Key
    place: Place
    is_json: bool = False
    repeats: bool = False
    reopens: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """What one event does: texts that grow, and keys (or beginnings of keys) of the texts that it ends.

    `unmaskable` names what it has that no mask sees through.
    """

    growing: tuple[Growing, ...] = ()
    ends: tuple[Key, ...] = ()
    unmaskable: str | None = None


_LABELS: Final = frozenset(
    {"finish_reason", "id", "index", "name", "object", "role", "signature", "status", "type"}
)
"""Members that name something and do not grow."""
_REPETITIONS: Final = frozenset({"logprobs", "logprobsResult"})
"""Members that say a text once more, token by token: no token alone shows what the text holds."""
_REPETITIONS_OF_CHAT: Final = _REPETITIONS | {"prompt_token_ids", "token_ids"}

_EVERYTHING: Final[Key] = ()
_UNMASKABLE: Final = re.compile(r"audio\.delta$|partial_image$")
_ENDING: Final = re.compile(r"[.-](?:done|end|available)$")
_LAST_EVENTS: Final = frozenset(
    {"response.completed", "response.failed", "response.incomplete", "finish", "message_stop", "message-end"}
)
_STARTS: Final = frozenset({"content-start", "tool-call-start"})
"""Events that have the first piece of a text in an object `delta`."""
_WHERE: Final = ("output_index", "item_id", "content_index", "summary_index", "id", "toolCallId", "index")
"""Members that tell the texts of one type apart."""
_DELTAS: Final = ("delta", "textDelta", "inputTextDelta", "argsTextDelta")
"""Members that an event may have its piece of a text in."""


def update_of(document: object) -> Update | None:
    """Return what an event does, None when it is a document of its own.

    What repeats a growing text token by token (`logprobs`) is taken out of `document`.
    """
    if not isinstance(document, dict):
        return None
    names = _REPETITIONS_OF_CHAT if "choices" in document else _REPETITIONS
    repeats = _without_repetitions(document, names)
    for read in _READERS:
        update = read(document)
        if update is not None:
            return update
    return Update() if repeats else None


def _without_repetitions(node: object, names: frozenset[str]) -> bool:
    """Empty the members of these names, wherever they are; return whether there were any."""
    if not isinstance(node, (dict, list)):
        return False
    found = False
    if isinstance(node, dict):
        for name in names.intersection(node):
            if node[name]:
                found = True
                # Clients expect that the member is there.
                node[name] = [] if isinstance(node[name], list) else None
    for value in node.values() if isinstance(node, dict) else node:
        found |= _without_repetitions(value, names)
    return found


def leftover(document: Node, growing: Growing, tail: str) -> Node:
    """Return an event that holds `tail` and where it belongs, and nothing else that `document` says.

    `document` is an earlier event with that text, masked.
    """
    place = growing.place
    if document.get("type") == "content_block_start":
        field = str(place[-1])
        kind = _BLOCK_DELTAS.get(field, "text_delta")
        delta: Node = {"type": kind, field: tail}
        return {"type": "content_block_delta", "index": document.get("index", 0), "delta": delta}
    scalars: Node = {name: value for name, value in document.items() if not isinstance(value, (dict, list))}
    if scalars.get("type") in _STARTS:
        scalars["type"] = str(scalars["type"]).replace("-start", "-delta")
    event: Node = {**scalars, str(place[0]): _branch(document[str(place[0])], place[1:], tail)}
    if place[0] == "choices":
        choices = event["choices"]
        if isinstance(choices, list):
            choices[0]["finish_reason"] = None
    if "done" in event:
        event["done"] = False
    return event


_KEPT: Final = ("index", "type", "contentBlockIndex", "jsonPath", "thought")
"""Members that say where a text belongs."""


def _branch(node: object, place: Place, tail: str) -> object:
    if not place:
        return tail
    step, rest = place[0], place[1:]
    if isinstance(node, dict):
        branch: Node = {name: node[name] for name in _KEPT if name in node}
        branch[str(step)] = _branch(node.get(step), rest, tail)
        return branch
    if isinstance(node, list) and isinstance(step, int) and step < len(node):
        return [_branch(node[step], rest, tail)]
    return tail


def _chat(document: Node) -> Update | None:
    growing: list[Growing] = []
    ends: list[Key] = []
    choices = document.get("choices")
    if not isinstance(choices, list):
        return None
    for number, choice in enumerate(choices):
        if not isinstance(choice, dict):
            continue
        key: Key = ("choices", _hashable(choice.get("index", 0)))
        delta = choice.get("delta")
        if isinstance(choice.get("text"), str):
            growing.append(Growing((*key, "text"), ("choices", number, "text")))
        if isinstance(delta, dict):
            audio = delta.get("audio")
            if isinstance(audio, dict) and audio.get("data"):
                return Update(unmaskable="audio")
            growing += _of_delta(delta, key, ("choices", number, "delta"))
        if choice.get("finish_reason") is not None:
            ends.append(key)
    return Update(tuple(growing), tuple(ends)) if growing or ends else None


def _of_delta(node: Node, key: Key, place: Place, json_text: str = "arguments") -> Iterator[Growing]:
    """Yield the texts of a delta: its own, and those of its parts (tool calls, content, reasoning).

    `json_text` is the name of those that are JSON in fragments.
    """
    for name, value in node.items():
        below, there = (*key, name), (*place, name)
        if isinstance(value, str):
            if name not in _LABELS:
                yield Growing(below, there, is_json=name == json_text)
        elif isinstance(value, dict):
            yield from _of_delta(value, below, there, json_text)
        elif isinstance(value, list) and name in _PARTS:
            for number, part in enumerate(value):
                if isinstance(part, dict):
                    # Parts without an index are pieces of one text.
                    key_of_part = (*below, _hashable(part.get("index")))
                    yield from _of_delta(part, key_of_part, (*there, number), json_text)


_PARTS: Final = frozenset({"content", "reasoning_details", "thinking", "tool_calls", "toolResult"})


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the `type` of an event tells: the text it is about, and what it does to it."""

    name: str
    is_delta: bool
    is_json: bool
    is_ending: bool
    is_unmaskable: bool


@lru_cache(maxsize=1024)
def _kind_of(kind: str) -> _Kind:
    return _Kind(
        name=re.sub(r"[._-](?:start|delta|done|end)$", "", kind),
        is_delta=kind.endswith(("delta", "Delta")),
        is_json="arguments" in kind or "tool-input" in kind,
        is_ending=_ENDING.search(kind) is not None,
        is_unmaskable=_UNMASKABLE.search(kind) is not None,
    )


def _of_type(document: Node) -> Update | None:
    kind = document.get("type")
    if not isinstance(kind, str):
        return None
    known = _BY_TYPE.get(kind)
    return _typed(document, kind) if known is None else known(document)


def _typed(document: Node, kind: str) -> Update | None:
    told = _kind_of(kind)
    if told.is_unmaskable:
        return Update(unmaskable="sound or pictures")
    key: Key = ("typed", told.name, *[_hashable(document.get(member)) for member in _WHERE])
    grown = [name for name in _DELTAS if isinstance(document.get(name), str)] if told.is_delta else ()
    if grown:
        return Update(tuple(Growing((*key, name), (name,), is_json=told.is_json) for name in grown))
    delta = document.get("delta")
    if (told.is_delta or kind in _STARTS) and isinstance(delta, dict):
        document.pop("logprobs", None)
        return Update(tuple(_of_delta(delta, key, ("delta",))))
    repeated = tuple(_repeated_arguments(document))
    if kind in _LAST_EVENTS:
        return Update(repeated, (_EVERYTHING,))
    if told.is_ending:
        return Update(repeated, (key,))
    return Update(repeated) if repeated else None


def _repeated_arguments(document: Node) -> Iterator[Growing]:
    """Yield the arguments of tool calls that an event of the responses format repeats in full."""
    if isinstance(document.get("arguments"), str):
        yield Growing((), ("arguments",), is_json=True, repeats=True)
    item = document.get("item")
    if isinstance(item, dict) and isinstance(item.get("arguments"), str):
        yield Growing((), ("item", "arguments"), is_json=True, repeats=True)
    response = document.get("response")
    output = response.get("output") if isinstance(response, dict) else None
    for number, item in enumerate(output if isinstance(output, list) else ()):
        if isinstance(item, dict) and isinstance(item.get("arguments"), str):
            yield Growing((), ("response", "output", number, "arguments"), is_json=True, repeats=True)


_BLOCK_DELTAS: Final = {
    "text": "text_delta",
    "thinking": "thinking_delta",
    "partial_json": "input_json_delta",
}


def _block_start(document: Node) -> Update | None:
    block = document.get("content_block")
    key: Key = ("block", _hashable(document.get("index")))
    return Update(
        tuple(
            Growing((*key, name), ("content_block", name))
            for name in ("text", "thinking")
            if isinstance(block, dict) and isinstance(block.get(name), str)
        )
    )


def _block_delta(document: Node) -> Update | None:
    delta = document.get("delta")
    key: Key = ("block", _hashable(document.get("index")))
    return Update(
        tuple(
            Growing((*key, name), ("delta", name), is_json=name == "partial_json")
            for name, value in (delta.items() if isinstance(delta, dict) else ())
            if isinstance(value, str) and name not in _LABELS
        )
    )


def _block_stop(document: Node) -> Update | None:
    return Update(ends=(("block", _hashable(document.get("index"))),))


def _blocks_stop(document: Node) -> Update | None:
    return Update(ends=(_EVERYTHING,))


def _completion(document: Node) -> Update | None:
    if not isinstance(document.get("completion"), str):
        return None
    ends = () if document.get("stop_reason") is None else (("completion",),)
    return Update((Growing(("completion",), ("completion",)),), ends)


_BY_TYPE: Final[Mapping[str, Callable[[Node], Update | None]]] = {
    "completion": _completion,
    "content_block_delta": _block_delta,
    "content_block_start": _block_start,
    "content_block_stop": _block_stop,
    "message_delta": _blocks_stop,
    "message_stop": _blocks_stop,
}


def _gemini(document: Node) -> Update | None:
    growing: list[Growing] = []
    ends: list[Key] = []
    candidates = document.get("candidates")
    if not isinstance(candidates, list):
        return None
    for number, candidate in enumerate(candidates):
        if not isinstance(candidate, dict):
            continue
        key: Key = ("candidates", _hashable(candidate.get("index", 0)))
        candidate.pop("logprobsResult", None)
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        for position, part in enumerate(parts if isinstance(parts, list) else ()):
            if not isinstance(part, dict):
                continue
            if "inlineData" in part:
                return Update(unmaskable="sound or pictures")
            place: Place = ("candidates", number, "content", "parts", position)
            if isinstance(part.get("text"), str):
                growing.append(Growing((*key, part.get("thought") is True), (*place, "text")))
            for argument, goes_on in _partial_arguments(part, key, place):
                growing.append(argument)
                if not goes_on:
                    ends.append(argument.key)
        if candidate.get("finishReason") is not None:
            ends.append(key)
    return Update(tuple(growing), tuple(ends)) if growing or ends else None


def _partial_arguments(part: Node, key: Key, place: Place) -> Iterator[tuple[Growing, bool]]:
    """Yield the pieces of a function call's arguments, and whether another one follows."""
    call = part.get("functionCall")
    arguments = call.get("partialArgs") if isinstance(call, dict) else None
    for number, argument in enumerate(arguments if isinstance(arguments, list) else ()):
        if isinstance(argument, dict) and isinstance(argument.get("stringValue"), str):
            below = (*key, "partialArgs", _hashable(argument.get("jsonPath")))
            there = (*place, "functionCall", "partialArgs", number, "stringValue")
            # The next call may have an argument of the same name.
            yield Growing(below, there, reopens=True), argument.get("willContinue") is True


def _converse(document: Node) -> Update | None:
    """Read an event in its envelope, which is named after what it does."""
    if "messageStop" in document:
        return Update(ends=(_EVERYTHING,))
    for name in ("contentBlockDelta", "contentBlockStop"):
        event = document.get(name)
        if isinstance(event, dict):
            return _converse_block(event, (name,))
    return None


def _converse_bare(document: Node) -> Update | None:
    if "contentBlockIndex" in document:
        return _converse_block(document, ())
    return Update(ends=(_EVERYTHING,)) if isinstance(document.get("stopReason"), str) else None


def _converse_block(event: Node, place: Place) -> Update | None:
    """Return what an event does to its block; without a delta or a start it ends it."""
    key: Key = ("converse", _hashable(event.get("contentBlockIndex")))
    delta = event.get("delta")
    if not isinstance(delta, dict):
        return None if "start" in event else Update(ends=(key,))
    if "image" in delta:
        return Update(unmaskable="pictures")
    return Update(tuple(_of_delta(delta, key, (*place, "delta"), json_text="input")))


def _ollama(document: Node) -> Update | None:
    if not isinstance(document.get("done"), bool):
        return None
    growing = [
        Growing(("ollama", name), (name,))
        for name in ("response", "thinking")
        if isinstance(document.get(name), str)
    ]
    message = document.get("message")
    if isinstance(message, dict):
        growing += [
            Growing(("ollama", "message", name), ("message", name))
            for name in ("content", "thinking")
            if isinstance(message.get(name), str)
        ]
    if growing:
        document.pop("context", None)  # the conversation, in the numbers of its tokens
    ends: tuple[Key, ...] = (_EVERYTHING,) if document["done"] else ()
    return Update(tuple(growing), ends) if growing else None


_WHOLE_OBJECTS: Final = frozenset({"thread.message", "thread.run.step"})
"""What the assistants repeat once all of it is there."""


def _of_object(document: Node) -> Update | None:
    """Read an event of the assistants, which says in `object` what it has."""
    kind, delta = document.get("object"), document.get("delta")
    if not isinstance(kind, str):
        return None
    key: Key = ("object", kind.removesuffix(".delta"), _hashable(document.get("id")))
    if kind.endswith(".delta") and isinstance(delta, dict):
        return Update(tuple(_of_delta(delta, key, ("delta",))))
    is_whole = kind in _WHOLE_OBJECTS and document.get("status") == "completed"
    return Update(ends=(key,)) if is_whole else None


def _hashable(value: object) -> object:
    return value if isinstance(value, (str, int, float)) or value is None else repr(value)


_READERS: Final = (_chat, _gemini, _converse, _of_type, _ollama, _converse_bare, _of_object)
MARKS: Final = (
    "choices",
    "candidates",
    "contentBlockDelta",
    "contentBlockIndex",
    "contentBlockStop",
    "messageStop",
    "stopReason",
    "type",
    "done",
    "object",
)
"""Members that formats are told by: every event in which a text grows or ends has one of them."""
