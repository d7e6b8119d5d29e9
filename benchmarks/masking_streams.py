"""Mask token streams: the cost of an event, how much is held back, and whether every cutting gives the same.

`python -m benchmarks.masking_streams [CUTTINGS]` (10,000 random cuttings per format by default).
"""

from __future__ import annotations

import gc
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from itertools import accumulate
from time import thread_time
from typing import Final

from policy_middleware.masking import Masker

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
    hold_back(tokens)
    print(f"\n{cuttings:,} random cuttings of bytes per format, each compared with the whole text masked:")
    return 1 if sum(different(name, make, rng, cuttings) for name, make in FORMATS.items()) else 0


def cost(tokens: list[str]) -> None:
    """Print what masking adds to each event of the formats."""
    for name, make in FORMATS.items():
        events = list(make(tokens))
        content_type = TYPES.get(name, "text/event-stream")
        best = min(spent(content_type, events) for _ in range(3))
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


def hold_back(tokens: list[str]) -> None:
    """Print how many characters of a text are held back after each token, and what of that cannot be helped.

    A value is replaced as a whole, so nothing of it can leave before the character behind it has come: that
    much is held by every masker. What readers wait for is the text that shows in the end.
    """
    text = "".join(tokens)
    values = MASKER.rules().spans(text)
    hidden = bytearray(len(text))
    for start, end in values:
        hidden[start:end] = b"\1" * (end - start)
    shown = [0, *accumulate(1 - one for one in hidden)]
    stream = MASKER.rules().text_stream()
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


def different(
    name: str, make: Callable[[list[str]], Iterator[bytes]], rng: random.Random, cuttings: int
) -> int:
    """Print and return how many random cuttings of random texts did not equal the whole text masked."""
    wrong = 0
    start = thread_time()
    for _ in range(cuttings):
        text = "".join(rng.choice((*VALUES, " ", " and ")) for _ in range(rng.randint(1, 8)))
        tokens = []
        rest = text
        while rest:
            size = rng.randint(1, 6)
            tokens.append(rest[:size])
            rest = rest[size:]
        body = b"".join(make(tokens))
        stream = MASKER.stream(TYPES.get(name, "text/event-stream"))
        out, at = b"", 0
        while at < len(body):
            size = rng.choice((1, 3, 17, 90, 400))
            out += stream.feed(body[at : at + size])
            at += size
        out += stream.close()
        wrong += READERS[name](out) != MASKER.rules().text(text)
    print(f"{name:28} {cuttings - wrong:,} equal, {wrong} different ({thread_time() - start:.0f} s)")
    return wrong


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


def plain(tokens: list[str]) -> Iterator[bytes]:
    """Yield the text itself."""
    for token in tokens:
        yield token.encode()


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


FORMATS: Final[dict[str, Callable[[list[str]], Iterator[bytes]]]] = {
    "OpenAI chat completions": chat,
    "OpenAI responses": responses,
    "Anthropic messages": anthropic,
    "Ollama (NDJSON)": ollama,
    "text/plain": plain,
}
TYPES: Final = {"Ollama (NDJSON)": "application/x-ndjson", "text/plain": "text/plain"}
READERS: Final[dict[str, Callable[[bytes], str]]] = {
    "OpenAI chat completions": _read("choices", 0, "delta", "content"),
    "OpenAI responses": _read("delta"),
    "Anthropic messages": _read("delta", "text"),
    "Ollama (NDJSON)": _read("response"),
    "text/plain": bytes.decode,
}

if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
