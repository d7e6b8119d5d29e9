"""What hostile megabytes cost of each kind of body that is masked as a whole, and what bombs allocate.

`python -m benchmarks.masking_hostile [KIND ...]`. Each body is masked once with every entity, timed as CPU
time of the thread and printed worst first. "search" is what the search of the same bytes as plain text costs,
and "pause" the longest time that another thread had to wait. Bombs are decoded in a process of their own,
whose peak memory is printed beside that of a process that decodes nothing.
"""

from __future__ import annotations

import argparse
import gc
import resource
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cbor2
import msgpack  # type: ignore[import-untyped]  # it comes without types

from policy_middleware.masking import Masker
from policy_middleware.masking.codecs import decode
from policy_middleware.masking.recognition import RECOGNIZERS
from policy_middleware.model.errors import MaskError

SIZE: Final = 1_000_000
GOAL: Final = 1.0
"""Seconds of CPU time for one megabyte."""
_ZEROS: Final = bytes(1_000_000)
_BOMB_SIZE: Final = 200_000_000
_BOMB_LIMIT: Final = 16 * 1024 * 1024
_ADDRESS: Final = "john.smith@example.com"
_ENTITIES: Final = Masker.from_spec({"entities": dict.fromkeys(RECOGNIZERS, "replace")})
_ADDRESSES: Final = Masker.from_spec({"entities": {"EMAIL_ADDRESS": "replace"}})
_BOTH: Final = Masker.from_spec(
    {"fields": {"**.a": "redact", "c3": "show_last_4"}, "entities": dict.fromkeys(RECOGNIZERS, "replace")}
)
_FIELDS: Final = Masker.from_spec({"fields": {"**.a": "redact", "c3": "show_last_4"}})


@dataclass(frozen=True)
class Hostile:
    """One adverse body."""

    kind: str
    name: str
    content_type: str
    body: bytes
    masker: Masker = _ENTITIES


def filled(unit: str, before: str = "", after: str = "") -> str:
    """Return `unit` over and over, a megabyte of it, with something before and after."""
    return before + unit * ((SIZE - len(before) - len(after)) // len(unit)) + after


def _spread(tag: str) -> str:
    return tag.join(_ADDRESS)


_MARKUP: Final[Mapping[str, str]] = {
    "addresses in paragraphs": filled(f"<p>{_ADDRESS}</p>"),
    "addresses in one paragraph": filled(f"{_ADDRESS} "),
    "addresses between spans": filled(f"<span>{_ADDRESS}</span> "),
    "<b> around every letter": filled(
        "".join(f"<b>{letter}</b>" for letter in _ADDRESS) + "<p>", after="</p>"
    ),
    "<b> before every letter, one run": filled(_spread("<b>") + " "),
    "comment in every address": filled(_ADDRESS.replace("@", "<!-- -->@") + " "),
    "a million <": filled("<"),
    "a million < with spaces": filled("< "),
    "unclosed tags": filled("<b>x"),
    "deeply nested": "<div>" * 90_000 + _ADDRESS + "</div>" * 90_000,
    "one tag without end": filled("a='b' ", before="<p "),
    "tags without end": filled("<p "),
    "attribute without end": filled("x", before="<p a='"),
    "quotes that never close": filled("<p a='"),
    "many attributes": filled("a=b ", before="<p ", after=">"),
    "addresses in attributes": filled(f'<a href="mailto:{_ADDRESS}">x</a>'),
    "a million &": filled("&"),
    "references everywhere": filled("".join(f"&#{ord(letter)};" for letter in _ADDRESS) + " "),
    "&#64; in addresses": filled(_ADDRESS.replace("@", "&#64;") + "<br>"),
    "named references": filled("&NotEqualTilde;&lt;&nbsp;"),
    "references without end": filled("&#x"),
    "references of many digits": filled("&#" + "0" * 1000 + "64;"),
    "comments": filled(f"<!--{_ADDRESS}-->"),
    "comments without end": filled("<!--"),
    "declarations": filled("<!a>"),
    "declarations without end": filled("<!"),
    "CDATA": filled(f"<![CDATA[{_ADDRESS}]]>"),
    "CDATA without end": filled("<![CDATA["),
    "<a/": filled("<a/"),
    "</": filled("</"),
    "empty elements": filled("<a/>"),
    "escapes in scripts": filled(r"x\u0041\x42 ", before="<script>", after="</script>"),
    "many scripts of escapes": filled(r"<script>a\u0041\x42</script>"),
    "escaped digits in paragraphs": filled(r"<p>\u0034111 1111"),
    "percent signs": filled("<a href='/%41%42%2e'>x</a>"),
    "percent signs in paragraphs": filled("<p>4%31 "),
    "backslashes": filled("\\"),
    "scripts without end": filled("<script>"),
    "script ends that are none": filled("</scripty", before="<script>", after="</script>"),
    "groups of digits": filled("<td>4111 1111</td>"),
    "groups of digits in spans": filled("<i>41</i> "),
    "full-width addresses": filled("<p>john\uff20example.com"),
    "zero width in addresses": filled("<b>j\u200bo\u200bhn@exa\u200bmple.com</b> "),
}
_XML: Final[Mapping[str, str]] = {
    **{name: text for name, text in _MARKUP.items() if "script" not in name},
    "processing instructions": filled("<?a b?>"),
    "namespaces": filled(f"<x:y z:w='{_ADDRESS}'/>"),
}


def _row(cells: list[str], delimiter: str = ",") -> str:
    return delimiter.join(cells) + "\n"


_HEADER: Final = "a,b,c3,d\n"
_TABLES: Final[Mapping[str, str]] = {
    "addresses, 4 columns": filled(_row([_ADDRESS] * 4), before=_HEADER),
    "different addresses, 4 columns": _HEADER
    + "".join(_row([f"user{number}{column}@example.com" for column in "abcd"]) for number in range(11_500)),
    "different addresses, quoted": _HEADER
    + "".join(_row([f'"user{number}{column}@example.com"' for column in "abcd"]) for number in range(10_500)),
    "doubled quotes": filled(_row(['"say ""john@example.com"""'] * 4), before=_HEADER),
    "nothing but doubled quotes": filled('""', before='a\n"', after='"'),
    "cells of doubled quotes": filled(_row(['""""'] * 4), before=_HEADER),
    "one column": filled(_ADDRESS + "\n", before="a\n"),
    "one column of one letter": filled("x\n", before="a\n"),
    "1000 columns": filled(
        _row([_ADDRESS] * 1000), before=_row(["a", "b", "c3", *(f"d{number}" for number in range(997))])
    ),
    "1000 columns of one letter": filled(
        _row(["x"] * 1000), before=_row(["a", "b", "c3", *(f"d{number}" for number in range(997))])
    ),
    "100,000 columns": _row([f"n{number}" for number in range(100_000)]) + _row(["x"] * 100_000),
    "empty rows": filled("\n", before=_HEADER),
    "rows of empty cells": filled(",,,\n", before=_HEADER),
    "one row of commas": filled(","),
    "CR only": filled(f"{_ADDRESS},b,c,d\r", before="a,b,c3,d\r"),
    "lines in cells": filled(f'"{_ADDRESS}\n{_ADDRESS}",b,c,d\n', before=_HEADER),
    "one cell": filled("x", before="a\n"),
    "quotes without end": filled('"', before="a\n", after="x"),
    "groups of digits": filled("4111,1111,22 33,4\n", before=_HEADER),
    "ragged": filled(f"{_ADDRESS}\n{_ADDRESS},b\n,,,{_ADDRESS},,\n", before=_HEADER),
    "full-width": filled("\uff14\uff11\uff11\uff11,john\uff20example.com,c,d\n", before=_HEADER),
    "numbers": filled("1,22,333,4444\n", before=_HEADER),
    "telephone numbers under their names": filled("4155550132,x,y,z\n", before="phone,ssn,c3,account\n"),
}
_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "full-width digits": ("utf-8", filled("\uff14\uff11\uff11\uff11 ")),
    "full-width addresses in UTF-16": ("utf-16", filled("john\uff20example\uff0ecom ")),
    "zero width everywhere": ("utf-8", filled("a\u200b")),
    "zero width only": ("utf-16", filled("\u200b")),
    "one letter into many": ("utf-8", filled("\ufdfa")),
    "ligatures and fractions": ("utf-16", filled("\ufb03\u00bd\u2469")),
    "addresses in latin-1": ("latin-1", filled(f"\u00e9 {_ADDRESS} ")),
    "NUL": ("utf-8", filled("\0")),
    "every plane": ("utf-32", filled("".join(map(chr, range(0x20000, 0x20400))))),
    "every character": (
        "utf-16",
        filled("".join(chr(code) for code in range(0x80, 0xFFFF) if not 0xD800 <= code < 0xE000)),
    ),
    "Shift JIS": ("shift_jis", filled("\u30a2" + _ADDRESS)),
    "soft hyphens in addresses": ("latin-1", filled("j\u00adohn@exam\u00adple.com ")),
}


def _nested(depth: int) -> list[Any]:
    node: list[Any] = []
    for _ in range(depth):
        node = [node]
    return node


def _doubled(times: int) -> list[Any]:
    node: list[Any] = []
    for _ in range(times):
        node = [node, node]
    return node


_DOCUMENTS: Final[Mapping[str, Callable[[], object]]] = {
    "addresses": lambda: [_ADDRESS] * (SIZE // 24),
    "different addresses": lambda: [f"user{number}@example.com" for number in range(SIZE // 24)],
    "objects": lambda: [{"a": _ADDRESS, "c3": number} for number in range(SIZE // 35)],
    "wide": lambda: list(range(SIZE // 4)),
    "empty arrays": lambda: [[]] * SIZE,
    "nested": lambda: [_nested(90) for _ in range(SIZE // 91)],
    "nested to the limit": lambda: _nested(400),
    "bytes": lambda: [_ADDRESS.encode()] * (SIZE // 24),
    "short bytes": lambda: [b"x"] * (SIZE // 3),
    "different bytes": lambda: [f"user{number}@example.com".encode() for number in range(SIZE // 24)],
    "keys": lambda: {f"user{number}@example.com": number for number in range(SIZE // 28)},
    "numbers as keys": lambda: {number: number for number in range(SIZE // 8)},
    "nothing": lambda: [None] * SIZE,
    "infinities": lambda: [float("inf")] * (SIZE // 9),
    "marks": lambda: ["\ue000" + str(number % 10) for number in range(SIZE // 5)],
}
_SPECIAL: Final[Mapping[str, tuple[str, bytes]]] = {
    "an array of four thousand millions": ("application/msgpack", b"\xdd\xff\xff\xff\xff"),
    "a text of four thousand millions": ("application/msgpack", b"\xdb\xff\xff\xff\xff"),
    "arrays in arrays": ("application/msgpack", b"\x91" * SIZE),
    "extensions": ("application/msgpack", b"\xdd" + (SIZE // 3).to_bytes(4) + b"\xd4\x01a" * (SIZE // 3)),
    "dates": ("application/msgpack", b"\xdd" + (SIZE // 6).to_bytes(4) + b"\xd6\xff\0\0\0\0" * (SIZE // 6)),
    "arrays in arrays without end": ("application/cbor", b"\x9f" * SIZE),
    "an array as long as can be": ("application/cbor", b"\x9b" + b"\xff" * 8),
    "an array of a thousand million": ("application/cbor", b"\x9a\x3b\x9a\xca\0"),
    "a text of a thousand million": ("application/cbor", b"\x7a\x3b\x9a\xca\0"),
    "pieces of a text": ("application/cbor", b"\x7f" + b"\x61a" * (SIZE // 2) + b"\xff"),
    "a number of a megabyte": ("application/cbor", b"\xc2\x5a" + SIZE.to_bytes(4) + b"\xff" * SIZE),
    "tags": ("application/cbor", b"\x9f" + b"\xd9\x12\x34\x01" * (SIZE // 4) + b"\xff"),
    "tags in tags": ("application/cbor", b"\xd9\x12\x34" * (SIZE // 3) + b"\x01"),
    "fractions of many digits": (
        "application/cbor",
        b"\x9f" + b"\xc4\x82\x1a\x3b\x9a\xca\0\x01" * (SIZE // 8) + b"\xff",
    ),
    "shared references": (
        "application/cbor",
        b"\xd8\x1c\x9f" + b"\xd8\x1d\0" * (SIZE // 3) + b"\xff",
    ),
    "references that double": ("application/cbor", cbor2.dumps(_doubled(60), value_sharing=True)),
    "references to one text": (
        "application/cbor",
        cbor2.dumps(["x" * 400_000] * 100_000, string_referencing=True),
    ),
}


def bodies() -> Iterator[Hostile]:
    """Yield every adverse body but bombs."""
    for name, text in _MARKUP.items():
        yield Hostile("html", name, "text/html", text.encode()[:SIZE])
    for name, text in _XML.items():
        yield Hostile("xml", name, "application/xml", text.encode()[:SIZE])
    for name, text in _TABLES.items():
        for asked, masker in (("entities", _ENTITIES), ("fields and entities", _BOTH), ("fields", _FIELDS)):
            yield Hostile("csv", f"{name}, {asked}", "text/csv", text.encode()[:SIZE], masker)
    for name, (charset, text) in _TEXTS.items():
        encoded = text[: SIZE // len(text[:1000].encode(charset)) * 1000].encode(charset)
        yield Hostile("text", name, f"text/plain; charset={charset}", encoded)
    for name, document in _DOCUMENTS.items():
        yield Hostile(
            "binary", f"MessagePack, {name}", "application/msgpack", msgpack.packb(document()), _BOTH
        )
        yield Hostile("binary", f"CBOR, {name}", "application/cbor", cbor2.dumps(document()), _BOTH)
    for name, (content_type, body) in _SPECIAL.items():
        yield Hostile("binary", f"{name} ({content_type})", content_type, body)


@dataclass(frozen=True)
class Cost:
    """What one body took, in seconds."""

    seconds: float
    pause: float
    search: float
    outcome: str
    hostile: Hostile


class _Ticker:
    """Tells how long another thread had to wait."""

    def __init__(self) -> None:
        self.longest = 0.0
        threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        before = time.perf_counter()
        while True:
            time.sleep(0.001)
            now = time.perf_counter()
            self.longest = max(self.longest, now - before - 0.001)
            before = now


def cost(hostile: Hostile, ticker: _Ticker) -> Cost:
    """Mask one body and tell what it took."""
    # A heap that other bodies have filled is none of this one's cost.
    gc.collect()
    gc.freeze()
    ticker.longest = 0.0
    started = time.thread_time()
    try:
        outcome = f"{hostile.masker.mask(hostile.body, hostile.content_type).count} masked"
    except MaskError as error:
        outcome = f"refused: {error}"
    taken = time.thread_time() - started
    pause = ticker.longest
    return Cost(taken, pause, _search(hostile), outcome, hostile)


def _search(hostile: Hostile) -> float:
    text = hostile.body.decode("utf-8", "replace")
    started = time.thread_time()
    hostile.masker.mask_text(text)
    return time.thread_time() - started


def _deflated(wbits: int) -> bytes:
    return _packed(zlib.compressobj(wbits=wbits))


def _brotli() -> bytes:
    import brotli  # type: ignore[import-untyped]  # it comes without types

    packer = brotli.Compressor(quality=5)
    pieces = [packer.process(_ZEROS) for _ in range(_BOMB_SIZE // len(_ZEROS))]
    return b"".join([*pieces, packer.finish()])


def _zstd() -> bytes:
    import zstandard

    return _packed(zstandard.ZstdCompressor().compressobj(size=_BOMB_SIZE))


def _packed(packer: Any) -> bytes:
    pieces = [packer.compress(_ZEROS) for _ in range(_BOMB_SIZE // len(_ZEROS))]
    return b"".join([*pieces, packer.flush()])


_BOMBS: Final[Mapping[str, Callable[[], bytes]]] = {
    "gzip": lambda: _deflated(31),
    "deflate": lambda: _deflated(15),
    "br": _brotli,
    "zstd": _zstd,
}


def defuse(coding: str) -> None:
    """Decode the bomb on standard input ("" for none), and print the seconds and the peak of kilobytes."""
    bomb = sys.stdin.buffer.read()
    decode(b"", (), limit=_BOMB_LIMIT)
    started = time.process_time()
    outcome = "nothing decoded"
    if coding:
        try:
            outcome = f"DECODED {len(decode(bomb, (coding,), limit=_BOMB_LIMIT))} bytes"
        except MaskError as error:
            outcome = f"refused: {error}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{time.process_time() - started:6.2f} s, peak {peak / 1000:5.0f} MB, {outcome}")


def bombs() -> None:
    """Print what each bomb takes."""
    for coding in ("", *_BOMBS):
        bomb = _BOMBS[coding]() if coding else b""
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.masking_hostile", "--defuse", coding],
            input=bomb,
            capture_output=True,
            check=True,
        )
        size = f"bomb of {_BOMB_SIZE // 1_000_000} MB in {len(bomb)} bytes"
        print(f"{told.stdout.decode().strip()}: {coding} {size if coding else 'no bomb'}")


def main() -> None:
    """Print the cost of every body, worst first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="html, xml, csv, text, binary, bombs")
    parser.add_argument("--defuse", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.defuse is not None:
        defuse(asked.defuse)
        return
    kinds = set(asked.kinds)
    if not kinds or "bombs" in kinds:
        bombs()  # first, because a process is said to have the peak of the one that began it
    ticker = _Ticker()
    costs = [cost(hostile, ticker) for hostile in bodies() if not kinds or hostile.kind in kinds]
    for one in sorted(costs, key=lambda one: -one.seconds):
        mark = "OVER THE GOAL" if one.seconds > GOAL else ""
        body = one.hostile
        print(
            f"{one.seconds:6.2f} s (goal {GOAL:.0f}), pause {one.pause * 1e3:4.0f} ms,",
            f"search {one.search:5.2f} s: {body.kind} {body.name}, {one.outcome[:80]} {mark}",
        )


if __name__ == "__main__":
    main()
