"""The business of the examples: customers, refunds, reports, an assistant. Knows no framework, no policy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final


class UnknownCustomer(LookupError):
    """There is no such customer in this tenant."""


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer of one tenant; `balance` is in euros."""

    id: str
    name: str
    email: str
    iban: str
    balance: float


CUSTOMERS: Final[Mapping[str, tuple[Customer, ...]]] = {
    "acme": (
        Customer("c1", "Ada Byron", "ada@example.com", "DE02120300000000202051", 120.5),
        Customer("c2", "Karl Benz", "karl@example.com", "DE02500105170137075030", 0.0),
        Customer("c3", "Ida Rhodes", "ida@example.com", "DE02100500000054540402", 39.9),
    ),
    "globex": (
        Customer("g1", "Hank Scorpio", "hank@example.org", "FR7630006000011234567890189", 9_000_000.0),
    ),
}


def customers(tenant: str) -> dict[str, object]:
    """Return every customer of a tenant."""
    return {"customers": [asdict(customer) for customer in CUSTOMERS.get(tenant, ())]}


def customer(tenant: str, customer_id: str) -> dict[str, object]:
    """Return one customer; raises UnknownCustomer."""
    return asdict(_find(tenant, customer_id))


def refund(tenant: str, customer_id: str, amount: float) -> dict[str, object]:
    """Pay `amount` euros back; raises UnknownCustomer."""
    return {"customer": _find(tenant, customer_id).id, "refunded": amount}


def export(tenant: str, rows: int) -> dict[str, object]:
    """Write a report of up to `rows` customers."""
    exported = min(rows, len(CUSTOMERS.get(tenant, ())))
    return {"report": f"{tenant}-customers.csv", "requested": rows, "exported": exported}


def answer(tenant: str, question: str) -> dict[str, object]:
    """Answer a question about the customers it names, with the records the answer was drawn from.

    Stands for a call to a language model, which would be given the same records.
    """
    named = [each for each in CUSTOMERS.get(tenant, ()) if _first_name(each) in question.lower()]
    sentences = [f"{each.name} has a balance of {each.balance:.2f} EUR." for each in named]
    return {
        "answer": " ".join(sentences) or "I found no customer by that name.",
        "sources": [asdict(each) for each in named],
    }


def answer_in_pieces(tenant: str, question: str) -> Iterator[bytes]:
    """Answer the same question as an event stream in the format of OpenAI's chat completions.

    As models do, it cuts words into pieces of a few letters: an e-mail address is spread over six events.
    """
    named = [each for each in CUSTOMERS.get(tenant, ()) if _first_name(each) in question.lower()]
    for each in named:
        yield _chunk(f"{each.name} <")
        size = -(-len(each.email) // 6)
        for start in range(0, len(each.email), size):
            yield _chunk(each.email[start : start + size])
        yield _chunk(f"> has a balance of {each.balance:.2f} EUR. ")
    if not named:
        yield _chunk("I found no customer by that name.")
    yield _chunk("", finish_reason="stop")
    yield b"data: [DONE]\n\n"


def _chunk(text: str, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish_reason}
    chunk = {"id": "chatcmpl-7", "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _first_name(each: Customer) -> str:
    return each.name.partition(" ")[0].lower()


def _find(tenant: str, customer_id: str) -> Customer:
    for each in CUSTOMERS.get(tenant, ()):
        if each.id == customer_id:
            return each
    raise UnknownCustomer(f"no customer {customer_id} in {tenant}")
