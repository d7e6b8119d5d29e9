"""What the demo prints: request, decision and response of every step, and whether it was as expected."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping

from examples.services import Answer, Person, Service
from tests.waiting import eventually

WIDTH = 116


class Transcript:
    """Performs steps, prints them, and remembers which were not as expected."""

    def __init__(self) -> None:
        self._steps = 0
        self._unexpected: list[str] = []
        self._chapter = ""

    def chapter(self, title: str) -> None:
        """Begin a part of the walk."""
        self._chapter = title
        print(f"\n== {title} {'=' * max(0, WIDTH - len(title) - 4)}")

    def say(self, sentence: str) -> None:
        """Print something that is done between two requests."""
        print(f"\n   {sentence}", flush=True)

    def step(
        self,
        title: str,
        service: Service,
        person: Person,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        status: int,
        holds: Callable[[Answer], bool] = lambda answer: True,
    ) -> Answer:
        """Send one request; expect `status`, and what `holds` says of the answer."""
        answer = service.ask(person, method, path, body, headers)
        expected = answer.status == status and holds(answer)
        self._steps += 1
        print(f"\n{'ok' if expected else 'UNEXPECTED':<3}{title}")
        given = " ".join(f"{name}: {value}" for name, value in (headers or {}).items())
        print(_line(">", f"{person.name} ({person.role} of {person.tenant})  {method} {path}  {given}"))
        print(_line("=", _decision(service, answer)))
        print(_line("<", f"{answer.status} {json.dumps(answer.body)}"), flush=True)
        if not expected:
            self._unexpected.append(f"{self._chapter}: {title}: {answer.status} instead of {status}")
        return answer

    def close(self) -> int:
        """Print the balance; return 0 when every step was as expected, else 1."""
        print(f"\n{self._steps - len(self._unexpected)} of {self._steps} steps as expected")
        for unexpected in self._unexpected:
            print(f"   {unexpected}", file=sys.stderr)
        return 1 if self._unexpected else 0


def _line(mark: str, text: str) -> str:
    return f"   {mark} {text if len(text) <= WIDTH else text[: WIDTH - 1] + '…'}".rstrip()


def _decision(service: Service, answer: Answer) -> str:
    decision_id = answer.headers.get("x-policy-decision-id")
    if decision_id is None:
        return "no decision"
    record = eventually(lambda: service.decision(decision_id))
    rule = record.get("rule_id") or record.get("matched")
    return f"{record.get('effect')} by {rule}: {record.get('reason')}"
