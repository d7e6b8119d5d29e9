"""Mask token streams: the cost of an event, how much is held back, and whether every cutting gives the same.

`python -m benchmarks.masking_streams [CUTTINGS]` (10,000 random cuttings per format by default).
"""

from __future__ import annotations

import gc
import json
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from time import perf_counter, thread_time
from typing import AnyStr, Final

from policy_middleware.masking import Masker
from policy_middleware.masking.bodies.rules import TextStream

ENTITIES: Final = (
    "EMAIL_ADDRESS",
    "CREDIT_CARD",
    "IBAN_CODE",
    "IP_ADDRESS",
    "PHONE_NUMBER",
    "US_SSN",
    "URL",
    "MAC_ADDRESS",
    "SECRET",
)
MASKER: Final = Masker.from_spec({"entities": dict.fromkeys(ENTITIES, "replace")})
CLEAN: Final = [
    "The",
    "quarterly",
    "report",
    "shows",
    "that",
    "the",
    "customers",
    "in",
    "the",
    "northern",
    "region",
    "ordered",
    "more",
    "than",
    "before,",
    "and",
    "that",
    "most",
    "of",
    "them",
    "were",
    "content",
    "with",
    "the",
    "service.",
    "We",
    "suggest",
    "to",
    "write",
    "to",
    "them",
    "again",
    "in",
    "spring,",
    "and",
    "to",
    "ask",
]
VALUES: Final = (
    "john.smith@example.com",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "192.168.10.20",
    "078-05-1121",
    "https://example.com/a?b=c",
    "+49 30 901820",
    "01:23:45:67:89:ab",
    "jo",
    "@",
    "é😀",
    "\n",
    '"quoted\\"',
)
GOAL: Final = 100.0
"""Microseconds per event."""


def main(cuttings: int) -> int:
    """Print the figures; return 1 when some cutting gave another result."""
    rng = random.Random(7)
    text = " ".join(rng.choice(VALUES[:8]) if rng.random() < 0.03 else rng.choice(CLEAN) for _ in range(9000))
    tokens = re.findall(r" ?\w{1,5}|\W", text)
    print(f"{len(ENTITIES)} entities, {len(tokens):,} tokens of a text in which one word in 33 is a value\n")
    cost(tokens)
    rules = MASKER.rules()
    hold_back(tokens, rules.text_stream(), rules.spans("".join(tokens)))
    print(f"\n{cuttings:,} random cuttings of bytes per format, each compared with the whole text masked:")
    return 1 if sum(different(name, form, rng, cuttings) for name, form in FORMATS.items()) else 0


def cost(tokens: list[str]) -> None:
    """Print what masking adds to each event of the formats."""
    for name, form in FORMATS.items():
        events = list(form.make(tokens))
        best = min(spent(form.content_type, events) for _ in range(3))
        per_event = best / len(events) * 1e6
        print(f"{name:28} {per_event:7.1f} us per event (goal {GOAL:.0f})")


def spent(content_type: str, events: list[bytes]) -> float:
    """Return the seconds that one stream takes."""
    stream = MASKER.stream(content_type)
    gc.collect()
    start = thread_time()
    for event in events:
        stream.feed(event)
    stream.close()
    return thread_time() - start


def hold_back(tokens: list[str], stream: TextStream, values: Sequence[tuple[int, int]]) -> None:
    """Print how many characters of a text are held back after each token, and what of that cannot be helped.

    A value is replaced as a whole, so nothing of it can leave before the character behind it has come: that
    much is held by every masker. What readers wait for is the text that shows in the end.
    """
    hidden = bytearray(sum(map(len, tokens)))
    for start, end in values:
        hidden[start:end] = b"\1" * (end - start)
    shown = [0, *accumulate(1 - one for one in hidden)]
    held, of_values, of_text = [], [], []
    at = number = 0
    for token in tokens:
        stream.feed(token)
        at += len(token)
        held.append(stream.held)
        while number < len(values) and values[number][1] < at:
            number += 1
        of_values.append(max(0, at - values[number][0]) if number < len(values) else 0)
        of_text.append(shown[at] - shown[at - stream.held])
    for name, counts in (("in all", held), ("of values", of_values), ("of text that shows", of_text)):
        print(f"{'held back ' + name:28} {shares(counts)}")


def shares(counts: list[int]) -> str:
    """Return the middle, the worst tenth and hundredth, and the most of `counts`."""
    ordered = sorted(counts)
    parts = [f"p{share} {ordered[len(ordered) * share // 100]}" for share in (50, 90, 99)]
    return f"{', '.join(parts)}, max {ordered[-1]} characters"


def different(name: str, form: Format, rng: random.Random, cuttings: int) -> int:
    """Print and return how many random cuttings of random texts did not equal the whole masked."""
    wrong = 0
    start = perf_counter()
    for _ in range(cuttings):
        text = "".join(rng.choice((*VALUES, " ", " and ")) for _ in range(rng.randint(1, 8)))
        body = b"".join(form.make(_cut(text, rng, (1, 2, 3, 4, 5, 6))))
        stream = MASKER.stream(form.content_type)
        chunks = _cut(body, rng, (1, 3, 17, 90, 400))
        out = b"".join(map(stream.feed, chunks)) + stream.close()
        wrong += form.read(out) != form.whole(text, body)
    print(f"{name:28} {cuttings - wrong:,} equal, {wrong} different ({perf_counter() - start:.0f} s)")
    return wrong


def _cut(whole: AnyStr, rng: random.Random, sizes: tuple[int, ...]) -> list[AnyStr]:
    parts = []
    at = 0
    while at < len(whole):
        size = rng.choice(sizes)
        parts.append(whole[at : at + size])
        at += size
    return parts


def chat(tokens: list[str]) -> Iterator[bytes]:
    """Yield OpenAI chat completion chunks."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    for token in tokens:
        choice = {"index": 0, "delta": {"content": token}, "finish_reason": None}
        yield _event({**head, "choices": [choice]})
    yield _event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield b"data: [DONE]\n\n"


def responses(tokens: list[str]) -> Iterator[bytes]:
    """Yield events of the OpenAI responses format."""
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    for number, token in enumerate(tokens):
        kind = "response.output_text.delta"
        yield _event({"type": kind, **where, "delta": token, "sequence_number": number}, kind)
    kind = "response.output_text.done"
    yield _event({"type": kind, **where, "text": "".join(tokens)}, kind)


def anthropic(tokens: list[str]) -> Iterator[bytes]:
    """Yield events of the Anthropic messages format."""
    for token in tokens:
        delta = {"type": "text_delta", "text": token}
        yield _event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")
    yield _event({"type": "content_block_stop", "index": 0}, "content_block_stop")


def ollama(tokens: list[str]) -> Iterator[bytes]:
    """Yield lines of Ollama."""
    for token in tokens:
        yield json.dumps({"model": "m", "response": token, "done": False}).encode() + b"\n"
    yield b'{"model": "m", "response": "", "done": true}\n'


def cohere(tokens: list[str]) -> Iterator[bytes]:
    """Yield events of Cohere's second version."""
    for token in tokens:
        delta = {"message": {"content": {"text": token}}}
        yield _event({"type": "content-delta", "index": 0, "delta": delta})
    yield _event({"type": "content-end", "index": 0})
    yield _event({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}})


def gemini(tokens: list[str]) -> Iterator[bytes]:
    """Yield events of Google Gemini."""
    for token in tokens:
        content = {"parts": [{"text": token}], "role": "model"}
        yield _event({"candidates": [{"content": content, "index": 0}], "modelVersion": "m"})
    yield _event({"candidates": [{"finishReason": "STOP", "index": 0}], "modelVersion": "m"})


def converse(tokens: list[str]) -> Iterator[bytes]:
    """Yield events of Amazon Bedrock's Converse."""
    for token in tokens:
        yield _event({"contentBlockDelta": {"delta": {"text": token}, "contentBlockIndex": 0}})
    yield _event({"contentBlockStop": {"contentBlockIndex": 0}})


def plain(tokens: list[str]) -> Iterator[bytes]:
    """Yield the text itself."""
    for token in tokens:
        yield token.encode()


def plain_events(tokens: list[str]) -> Iterator[bytes]:
    """Yield events whose data are the tokens as they are."""
    for token in tokens:
        yield b"".join(b"data: %b\n" % line.encode() for line in token.split("\n")) + b"\n"


def framed(tokens: list[str]) -> Iterator[bytes]:
    """Yield every kind of line that an event may have, with one kind of line end, around tokens and JSON."""
    rng = random.Random(repr(tokens))
    end = rng.choice(("\n", "\r\n", "\r"))
    for token in tokens:
        text = token.replace("\n", " ")
        lines = (
            f"data: {text}",
            f"data:{text}",
            f": {text}",
            f"id: {text}",
            "data",
            "retry: 10",
            "event: note",
            f"data: {json.dumps({'text': token, 'n': 1.50})}",
        )
        event = rng.sample(lines[:-1], rng.randint(0, 4)) if rng.random() < 0.7 else [*lines[5:]]
        yield "".join(line + end for line in [*event, ""]).encode()


def documents(tokens: list[str]) -> Iterator[bytes]:
    """Yield lines of JSON that are no texts of a model."""
    for start in range(0, len(tokens), 8):
        text = "".join(tokens[start : start + 8])
        yield json.dumps({"id": start, "text": text, "tags": tokens[start : start + 3]}).encode() + b"\n"


def _event(document: dict[str, object], kind: str = "") -> bytes:
    name = f"event: {kind}\n" if kind else ""
    return f"{name}data: {json.dumps(document, ensure_ascii=False)}\n\n".encode()


def _documents(out: bytes) -> Iterator[dict[str, object]]:
    for line in out.decode().split("\n"):
        data = line.removeprefix("data: ")
        if data.startswith("{"):
            yield json.loads(data)


def _read(*path: str | int) -> Callable[[bytes], str]:
    def read(out: bytes) -> str:
        return "".join(_at(document, path) for document in _documents(out))

    return read


def _at(node: object, path: tuple[str | int, ...]) -> str:
    for step in path:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            return ""
    return node if isinstance(node, str) else ""


def masked_text(text: str, body: bytes) -> str:
    """Return the text masked."""
    return MASKER.rules().text(text)


def masked_lines(text: str, body: bytes) -> str:
    """Return every line of a body masked as a document of its own."""
    return "".join(
        MASKER.mask(line, "application/json").body.decode() + "\n" for line in body.split(b"\n") if line
    )


def masked_uncut(text: str, body: bytes) -> str:
    """Return an event stream masked that came in one piece."""
    stream = MASKER.stream("text/event-stream")
    return one_line_end(stream.feed(body) + stream.close())


def one_line_end(out: bytes) -> str:
    """Return events with the same line ends: which one is written is known once a stream has shown it."""
    return out.decode().replace("\r\n", "\n")


@dataclass(frozen=True)
class Format:
    """How tokens are sent, what a client reads of it, and what it should read."""

    make: Callable[[list[str]], Iterator[bytes]]
    read: Callable[[bytes], str]
    content_type: str = "text/event-stream"
    whole: Callable[[str, bytes], str] = masked_text


FORMATS: Final = {
    "OpenAI chat completions": Format(chat, _read("choices", 0, "delta", "content")),
    "OpenAI responses": Format(responses, _read("delta")),
    "Anthropic messages": Format(anthropic, _read("delta", "text")),
    "Cohere": Format(cohere, _read("delta", "message", "content", "text")),
    "Google Gemini": Format(gemini, _read("candidates", 0, "content", "parts", 0, "text")),
    "Amazon Bedrock Converse": Format(converse, _read("contentBlockDelta", "delta", "text")),
    "Ollama (NDJSON)": Format(ollama, _read("response"), "application/x-ndjson"),
    # Each may be a text of its own as well: both readings are masked, so some of them more than the whole.
    "events of plain text": Format(plain_events, one_line_end, whole=masked_uncut),
    "events of every framing": Format(framed, one_line_end, whole=masked_uncut),
    "other NDJSON": Format(documents, bytes.decode, "application/x-ndjson", masked_lines),
    "text/plain": Format(plain, bytes.decode, "text/plain"),
}

if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
