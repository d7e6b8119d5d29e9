"""Random texts with values in them, and random ways to cut bytes into chunks."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st

from policy_middleware.masking import Masker
from policy_middleware.masking.streams import StreamMask

EXAMPLES = int(os.environ.get("POLICY_TEST_CUTTINGS", "100"))
"""Random cuttings per property; 10,000 and more are run before a release."""

many = settings(max_examples=EXAMPLES, deadline=None)

MASKER = Masker.from_spec(
    {
        "fields": {"**.ssn": "redact"},
        "entities": {
            "EMAIL_ADDRESS": "replace",
            "CREDIT_CARD": "replace",
            "IP_ADDRESS": "replace",
            "IBAN_CODE": "replace",
        },
    }
)
TEXTS_ONLY = Masker.from_spec({"entities": {"EMAIL_ADDRESS": "replace", "CREDIT_CARD": "replace"}})
FIELDS_ONLY = Masker.from_spec({"fields": {"**.ssn": "redact", "email": "redact"}})

EMAIL = "john.smith@example.com"

fragments = st.sampled_from(
    [
        EMAIL,
        "ann@example.org",
        "4111 1111 1111 1111",
        "192.168.10.20",
        "DE89 3704 0044 0532 0130 00",
        " ",
        "Write to ",
        " and ",
        "jo",
        "@",
        ".com",
        "12",
        "é",
        "😀",
        "\n",
        "\t",
        '"',
        "\\",
        "\u200b",
        "<b>",
        ", ",
    ]
)
texts = st.lists(fragments, max_size=10).map("".join)


@st.composite
def chunks_of(draw: st.DrawFn, body: bytes) -> list[bytes]:
    """Cut `body` anywhere, also inside of characters and escapes."""
    if draw(st.booleans()):
        size = draw(st.sampled_from([1, 2, 3, 7, 50]))
        return [body[start : start + size] for start in range(0, len(body), size)]
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=12)))
    return [body[start:end] for start, end in itertools.pairwise([0, *cuts, len(body)])]


def run(stream: StreamMask, chunks: list[bytes]) -> bytes:
    """Feed every chunk and close."""
    return b"".join(map(stream.feed, chunks)) + stream.close()


def whole(text: str) -> str:
    """Mask a text as a whole."""
    return MASKER.rules().text(text)


def consume(outputs: Iterable[bytes]) -> None:
    """Ask for every output and drop it."""
    for _ in outputs:
        pass
