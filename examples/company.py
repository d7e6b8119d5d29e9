"""The business of the examples: customers, refunds, reports, an assistant. Knows no framework, no policy."""

from __future__ import annotations

from collections.abc import Mapping
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
    named = [
        each for each in CUSTOMERS.get(tenant, ()) if each.name.partition(" ")[0].lower() in question.lower()
    ]
    sentences = [f"{each.name} has a balance of {each.balance:.2f} EUR." for each in named]
    return {
        "answer": " ".join(sentences) or "I found no customer by that name.",
        "sources": [asdict(each) for each in named],
    }


def _find(tenant: str, customer_id: str) -> Customer:
    for each in CUSTOMERS.get(tenant, ()):
        if each.id == customer_id:
            return each
    raise UnknownCustomer(f"no customer {customer_id} in {tenant}")
