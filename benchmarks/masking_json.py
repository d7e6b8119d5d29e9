"""What masking of JSON costs, beside what parsing and writing the same body costs in the same run.

Run it with `python -m benchmarks.masking_json`. `python -m benchmarks.masking_json --documents 3000` masks as
many random documents instead, each in three layouts and in every way that takes it, and holds them against
the model of the tests: every byte outside masked values has to stay.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import orjson
from faker import Faker
from hypothesis import HealthCheck, given, settings

from benchmarks.masking import peers
from policy_middleware.masking import Masker
from policy_middleware.masking.json_body import rewrite
from policy_middleware.model.errors import MaskError
from policy_middleware.model.policy import FieldMask
from tests.masking.documents import Container, documents_masked_by_key, masked_documents
from tests.masking.lossless import outcomes

TYPE = "application/json"
FIELDS = {"customers[*].email": "redact", "customers[*].ssn": "redact"}
ENTITIES = dict.fromkeys(
    (
        *("CREDIT_CARD", "CRYPTO", "DATE_TIME", "EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "MAC_ADDRESS"),
        *("PHONE_NUMBER", "SECRET", "UK_NHS", "URL", "US_SSN"),
    ),
    "replace",
)


def record(number: int, *, clean: bool) -> dict[str, object]:
    """Return one customer."""
    draw = random.Random(number)
    return {
        "id": number,
        "name": draw.choice(["Ann", "Bo", "Charlie"]) + " Smith",
        "email": "unknown" if clean else f"user{number}@example.com",
        "ssn": "none" if clean else f"{draw.randint(100, 665)}-12-{draw.randint(1000, 9999)}",
        "active": bool(number % 2),
        "score": number * 1.5,
        "address": {"street": f"Main Street {number}", "city": "Springfield", "state": "Illinois"},
        "tags": ["a", "b", "customer"],
        "note": None,
    }


def body(records: int, *, clean: bool = False, compact: bool = True) -> bytes:
    """Return a page of customers as JSON."""
    page = {"customers": [record(number, clean=clean) for number in range(records)], "total": records}
    return json.dumps(page, separators=(",", ":") if compact else None).encode()


def best(run: Callable[[], object], rounds: int) -> float:
    """Return the seconds of CPU time of the quickest of `rounds` runs."""
    quickest = float("inf")
    for _ in range(rounds):
        started = time.thread_time()
        run()
        quickest = min(quickest, time.thread_time() - started)
    return quickest


def fields() -> None:
    """Print what field rules alone cost."""
    masker = Masker.from_spec({"fields": FIELDS})
    for records in (4, 440):
        rounds = 4000 if records < 10 else 100
        for layout in ("compact", "spaced"):
            page = body(records, compact=layout == "compact")
            bare = best(lambda page=page: orjson.dumps(orjson.loads(page)), rounds)  # type: ignore[misc]
            ours = best(lambda page=page: masker.mask(page, TYPE), rounds)  # type: ignore[misc]
            text, root = page.decode(), masker._selector.root()
            walked = best(lambda text=text, root=root: rewrite(text, root), rounds // 4)  # type: ignore[misc]
            print(
                f"fields  {len(page) / 1000:6.1f} KB {layout:8} orjson round trip {bare * 1e6:7.1f} us, "
                f"masked {ours * 1e6:7.1f} us ({bare / ours:.2f}x), "
                f"in place {walked * 1e6:7.0f} us ({len(page) / walked / 1e6:.0f} MB/s)"
            )


def realistic() -> None:
    """Print what a customer list costs, beside orjson and twelve `re` patterns over the same body."""
    masker = Masker.from_spec({"entities": ENTITIES})
    fake = Faker("en_US")
    fake.seed_instance(3)
    customers: list[dict[str, object]] = []
    while len(page := orjson.dumps({"customers": customers})) < 100_000:
        customers.append(
            {
                "id": 10_000 + len(customers),
                "name": fake.name(),
                "company": fake.company(),
                "email": fake.email(),
                "phone": fake.phone_number(),
                "card": fake.credit_card_number("visa16"),
                "plan": fake.word(),
                "note": fake.paragraph(3),
            }
        )
    ours = best(lambda: masker.mask(page, TYPE), 20)
    found = masker.mask(page, TYPE).count
    print(
        f"customers {len(page) / 1000:.0f} KB, {len(customers)} records, {found} found: "
        f"{ours * 1e3:.2f} ms; {peers(page, ours * 1e3)}"
    )


def entities() -> None:
    """Print what the search for entities adds to bodies without and with any."""
    masker = Masker.from_spec({"entities": ENTITIES})
    for clean in (True, False):
        page = body(440, clean=clean)
        took = best(lambda page=page: masker.mask(page, TYPE), 30)  # type: ignore[misc]
        count = masker.mask(page, TYPE).count
        kind = "clean" if clean else "dirty"
        print(f"entities {len(page) / 1000:5.1f} KB {kind}: {took * 1e3:.2f} ms, {count} found")


HOSTILE = {
    "empty arrays": "[" + ",".join(["[]"] * 330_000) + "]",
    "small objects": "[" + ",".join(['{"a":{}}'] * 110_000) + "]",
    "nests of 90": "[" + ",".join(["[" * 90 + "]" * 90] * 5_500) + "]",
    "one key": "{" + ",".join(['"x":1'] * 160_000) + "}",
    "too deep": "[" * 500_000 + "]" * 500_000,
    "escapes": '["' + "\\u0041" * 160_000 + '"]',
    "escaped keys": "{" + ",".join(['"\\u0078":1'] * 85_000) + "}",
    "nested objects": "[" + ",".join(['{"a":' * 90 + "1" + "}" * 90] * 1_800) + "]",
    "masked arrays": "[" + ",".join(['{"x":["a"]}'] * 80_000) + "]",
    "long then deep": "".join("[" + "1," * 5_000 for _ in range(90)) + "[]" + "]" * 90,
    "short numbers": "[" + ",".join(["1"] * 499_000) + "]",
    "quotes": '["' + '\\"' * 490_000 + '"]',
    "addresses": "[" + ",".join(['"a@b.co"'] * 110_000) + "]",
}


def hostile() -> None:
    """Print the slowest of several masks for bodies of one megabyte made to be slow."""
    maskers = [
        Masker.from_spec(mask)
        for mask in (
            {"fields": {"**.x": "redact"}},
            {"fields": {"**.*": "show_last_4"}},
            {"fields": {"[*][*]": "redact", "x": "drop"}},
            {"entities": ENTITIES},
        )
    ]
    for name, text in HOSTILE.items():
        page = text.encode()
        slowest = 0.0
        for masker in maskers:
            started = time.thread_time()
            with suppress(MaskError):
                masker.mask(page, TYPE)
            slowest = max(slowest, time.thread_time() - started)
        print(f"hostile {len(page) / 1e6:.2f} MB {name:14} {slowest:.2f} s")


def documents(count: int) -> int:
    """Print how many of `count` random documents are masked otherwise than the model says, and return it."""
    masked: Counter[str] = Counter()
    differences: list[str] = []

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=[*HealthCheck])
    @given(masked_documents() | documents_masked_by_key())
    def compare(document: tuple[Container, list[FieldMask]]) -> None:
        masked["documents"] += 1
        for text, expected, written in outcomes(*document):
            masked.update(written.keys())
            differences.extend(
                f"{way}: {text!r} under {document[1]}" for way in written if written[way] != expected
            )

    compare()
    for difference in differences:
        print(difference)
    print(
        f"{masked['documents']} documents in 3 layouts: {masked['mask']} masked, "
        f"{masked['in place']} in place and {masked['quick']} quickly; {len(differences)} differences"
    )
    return len(differences)


def main() -> int:
    """Run what the command line asks for; return the status of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--documents", type=int, metavar="COUNT", help="compare this many documents, measure nothing"
    )
    asked = parser.parse_args()
    if asked.documents is not None:
        return 1 if documents(asked.documents) else 0
    fields()
    entities()
    realistic()
    hostile()
    return 0


if __name__ == "__main__":
    sys.exit(main())
