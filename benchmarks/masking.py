"""What masking of text costs: clean and dirty JSON text, token streams, and adverse megabytes.

`python -m benchmarks.masking`. The records are Faker's (`en_US`, seeded). Everything is timed as CPU time of
the thread, best of several, side by side with `orjson` loads, twelve `re` patterns over every string, dumps:
patterns of a line each, and patterns for the forms that the recognisers know.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import orjson
from faker import Faker

from benchmarks.masking_streams import hold_back
from policy_middleware.masking.recognition import RECOGNIZERS
from policy_middleware.masking.text_masking import TextMasker

SIZE: Final = 100_000
_SHORT: Final = (
    r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+",
    r"\b(?:\d[ -]?){11,18}\d\b",
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}\b",
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    r"(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}",
    r"\+?\(?\d{3}\)?[ .-]?\d{3}[ .-]?\d{4}",
    r"https?://[^\s\"'<>]+",
    r"\b[13][1-9A-HJ-NP-Za-km-z]{25,34}\b",
    r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b",
    r"\b\d{4}-\d{2}-\d{2}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
)
_TOP_LEVEL: Final = (
    "com|org|net|edu|gov|int|info|biz|io|ai|app|dev|co|uk|de|fr|es|it|nl|se|no|pl|jp|in|br|eu|ch|at"
)
_MONTH: Final = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
_YEAR: Final = r"(?:1[89]|2[01])\d{2}"
_REST: Final = r"[^\s\"'<>`{}|\\^]"
_THOROUGH: Final = (
    r"[\w.%+'~-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}",
    r"\b[0-6]\d{3}(?:[ -]?\d){8,15}\b",
    r"\b\d{3}[-. ]\d{2}[-. ]\d{4}\b",
    r"\b[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}\b",
    r"\b(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?\b|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}\b",
    (
        r"(?:\+|\b00)[1-9]\d{0,3}(?:[ ./()-]{0,3}\d){6,13}\b|\(\d{2,5}\) ?\d{3,4}[ .-]?\d{3,4}\b"
        r"|\b(?:1[ .-])?\d{3}[ .-]\d{3}[ .-]\d{4}\b|\b0\d{1,4}(?:[ ./-]{1,3}\d{2,8}){1,4}\b|\b\d{10}\b"
    ),
    (
        rf"(?i:\b(?:https?|ftps?|wss?|ssh|git|postgres(?:ql)?|mysql|mongodb|redis)://){_REST}+"
        rf"|\b[A-Za-z0-9_][A-Za-z0-9_.-]{{0,100}}\.(?:{_TOP_LEVEL})\b(?::\d{{1,5}})?(?:[/?#]{_REST}*)?"
    ),
    (
        r"\b[123mnDLMT][1-9A-HJ-NP-Za-km-z]{25,34}\b|\b(?i:bc|tb|ltc)1[02-9ac-hj-np-z]{11,71}\b"
        r"|\b0x[0-9a-fA-F]{40}\b"
    ),
    r"\b[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}\b|\b(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}\b",
    (
        r"\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}"
        r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
        rf"|\b\d{{1,2}}[-/.]\d{{1,2}}[-/.](?:\d{{4}}|\d{{2}})\b"
        rf"|(?i:\b(?:{_MONTH})\.? \d{{1,2}}(?:st|nd|rd|th)?(?:,? {_YEAR})?\b"
        rf"|\b\d{{1,2}}(?:st|nd|rd|th)? (?:of )?(?:{_MONTH})\b(?:[ ,-]{{1,2}}{_YEAR})?)"
    ),
    (
        r"\b(?:A[KSB]IA[A-Z0-9]{16}|gh[pousr]_\w{36}|github_pat_\w{22,}|glpat-[\w-]{20}|xox[abeoprs]-[\w-]{10,}"
        r"|[rsp]k_(?:live|test)_\w{16,}|sk-[\w-]{20,}|AIza[\w-]{35}|SG\.[\w.-]{30,}|npm_\w{36}|hf_\w{30,}"
        r"|eyJ[\w-]{10,}\.[\w-]+\.[\w-]*)|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
    ),
    r"\b\d{3} \d{3} \d{4}\b",
)
PEERS: Final = {
    "12 short re": tuple(map(re.compile, _SHORT)),
    "12 thorough re": tuple(map(re.compile, _THOROUGH)),
}
"""What one might write without this package: in a line each, or for the forms that the recognisers know."""


class Replace:
    """Writes the entity's name."""

    strictness = 1

    def text(self, value: str, entity: str) -> str:
        return f"<{entity}>"


def records(*, dirty: bool) -> list[dict[str, str]]:
    """Return about SIZE bytes of records, with personal values or without."""
    fake = Faker("en_US")
    fake.seed_instance(1)
    made: list[dict[str, str]] = []
    size = 0
    while size < SIZE:
        record = {
            "title": fake.job(),
            "company": fake.company(),
            "text": fake.paragraph(4),
            "kind": fake.word(),
        }
        if dirty:
            record |= {
                "mail": fake.email(),
                "phone": fake.phone_number(),
                "ip": fake.ipv4(),
                "ssn": fake.ssn(),
            }
        made.append(record)
        size += len(orjson.dumps(record)) + 1
    return made


def milliseconds(work: Callable[[], object], rounds: int = 7) -> float:
    """Return the least CPU time of `work`."""
    times = []
    for _ in range(rounds):
        started = time.thread_time_ns()
        work()
        times.append((time.thread_time_ns() - started) / 1e6)
    return min(times)


def by_re(body: bytes, patterns: Sequence[re.Pattern[str]]) -> bytes:
    """Mask as one would without this package: parse, search each string, write."""

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            for pattern in patterns:
                value = pattern.sub("<X>", value)
            return value
        if isinstance(value, list):
            return [walk(one) for one in value]
        return {key: walk(one) for key, one in value.items()} if isinstance(value, dict) else value

    return orjson.dumps(walk(orjson.loads(body)))


def peers(body: bytes, ours: float) -> str:
    """Return how many times as long as `ours`, in milliseconds, the peers take for a body."""
    told = []
    for name, patterns in PEERS.items():
        theirs = milliseconds(partial(by_re, body, patterns), 3)
        told.append(f"orjson + {name} {theirs:.1f} ms ({theirs / ours:.1f} times as long)")
    return ", ".join(told) + " (goal 5)"


def adverse() -> Iterator[tuple[str, str]]:
    """Yield names and megabytes that look like values everywhere."""
    for unit in (
        "4111 ",
        "4-",
        "1:",
        "1.",
        "a@",
        "http://",
        "sk-",
        "DE89 ",
        "555-1234 ",
        "7",
        "a",
        "\uff14",
        "a\u200b",
    ):
        yield repr(unit), (unit * (1 + (1 << 20) // len(unit)))[: 1 << 20]
    draw = random.Random(1)
    for length in (2, 3, 4):
        groups = (str(draw.randrange(10 ** (length - 1), 7 * 10 ** (length - 1))) for _ in range(350_000))
        yield f"random groups of {length} digits", " ".join(groups)[: 1 << 20]


def main() -> None:
    masker = TextMasker(dict.fromkeys(RECOGNIZERS, Replace()))
    for name, dirty, goal in (("clean", False, 1.0), ("dirty", True, 10.0)):
        body = orjson.dumps(records(dirty=dirty))
        text = body.decode()
        found = sum(masker.mask(text).findings.values())
        ours = milliseconds(partial(masker.mask, text))
        print(
            f"{name} JSON text, {len(body)} bytes, {found} values: {ours:.2f} ms (goal {goal});"
            f" {peers(body, ours)}; presence alone {milliseconds(partial(masker.detects, text)):.2f} ms"
        )
    tokens = re.findall(
        r" ?\w{1,5}|\W",
        " ".join(record["text"] + " " + " ".join(record.values()) for record in records(dirty=True)),
    )
    for _ in range(2):  # The first warms RE2's states.
        stream = masker.stream()
        taken = []
        for token in tokens:
            started = time.thread_time_ns()
            stream.feed(token)
            taken.append((time.thread_time_ns() - started) / 1000)
    taken.sort()
    count = len(tokens)
    print(
        f"{count} tokens: p50 {taken[count // 2]:.0f}, mean {sum(taken) / count:.0f},"
        f" p99 {taken[count * 99 // 100]:.0f} us a token"
    )
    hold_back(tokens, masker.stream(), masker.spans("".join(tokens)))
    for name, text in adverse():
        print(f"adverse megabyte of {name}: {milliseconds(partial(masker.mask, text), 1):.0f} ms (goal 1000)")


if __name__ == "__main__":
    main()
