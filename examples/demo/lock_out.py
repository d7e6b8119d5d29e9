"""What happened before counts."""

from __future__ import annotations

from examples.demo.cast import CUSTOMER, EXPORT
from examples.demo.stage import Stage
from examples.services import Answer, Person, Service


def play(stage: Stage, service: Service) -> None:
    """Have somebody refused three times: the fourth attempt is stopped, though it would be allowed."""
    step = stage.transcript.step
    eve = Person(f"eve-{service.port}", "contractor", "acme")  # counters are shared by all three services
    step("a contractor may look at a customer", service, eve, CUSTOMER, status=200)
    for attempt in ("first", "second", "third"):
        step(f"but not export, {attempt} attempt", service, eve, EXPORT, status=403)
    step("locked out", service, eve, CUSTOMER, status=403, holds=_says_so)


def _says_so(answer: Answer) -> bool:
    return isinstance(answer.body, dict) and "Locked out" in str(answer.body.get("detail"))
