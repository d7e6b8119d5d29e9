"""What the demo prints: request, decision and response of every step, and whether it was as expected."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Mapping
from typing import Final

from examples.services import Answer, Person, Service
from tests.waiting import eventually

WIDTH: Final = 110
LONGEST: Final = 2 * WIDTH
"""Characters of a line that are shown, over two rows."""
TELLING: Final = ("x-policy-masked", "x-approval-id", "retry-after")
"""Response headers that are shown."""


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
        print(f"\n{'ok' if expected else 'UNEXPECTED'}  {title}")
        given = " ".join(f"{name}: {value}" for name, value in (headers or {}).items())
        print(_line(">", f"{person.name} ({person.role} of {person.tenant})  {method} {path}  {given}"))
        print(_line("=", _decision(service, answer)))
        print(_line("<", _response(answer)), flush=True)
        if not expected:
            print(f"   {service.title} said at last:\n{service.log_tail()}", file=sys.stderr)
            self._unexpected.append(f"{self._chapter}: {title}: {answer.status} instead of {status}")
        return answer

    def expect(self, title: str, expected: bool, found: str) -> None:
        """Print what was found out between two requests; `expected` says whether it should be so."""
        self._steps += 1
        print(f"\n{'ok' if expected else 'UNEXPECTED'}  {title}")
        print(_line("<", found), flush=True)
        if not expected:
            self._unexpected.append(f"{self._chapter}: {title}: {found}")

    def close(self) -> int:
        """Print the balance; return 0 when every step was as expected, else 1."""
        print(f"\n{self._steps - len(self._unexpected)} of {self._steps} steps as expected")
        for unexpected in self._unexpected:
            print(f"   {unexpected}", file=sys.stderr)
        return 1 if self._unexpected else 0


def _line(mark: str, text: str) -> str:
    shown = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return textwrap.fill(
        shown, WIDTH + 5, initial_indent=f"   {mark} ", subsequent_indent=" " * 5, break_on_hyphens=False
    )


def _response(answer: Answer) -> str:
    headers = [f"{name}: {answer.headers[name]}" for name in TELLING if name in answer.headers]
    return "  ".join([str(answer.status), *headers, json.dumps(answer.body, ensure_ascii=False)])


def _decision(service: Service, answer: Answer) -> str:
    decision_id = answer.headers.get("x-policy-decision-id")
    if decision_id is None:
        return "no decision"
    record: Mapping[str, object] = eventually(lambda: service.decision(decision_id) or {})
    rule = record["rule"] or record["matched"]
    return f"{record['effect']} by {rule}: {record['reason']}"
