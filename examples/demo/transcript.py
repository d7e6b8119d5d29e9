"""What the demo prints: request, decision and response of every step, and whether it was as expected."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from examples.services import Answer, Call, Person, Service
from tests.waiting import eventually

WIDTH: Final = 110
LONGEST: Final = 2 * WIDTH
"""Characters of a line that are shown, over two rows."""
TELLING: Final = ("x-policy-masked", "retry-after")
"""Response headers that are shown."""
STEADY: Final = 8
"""Equal answers in a row after which every worker of a service has surely been asked."""
SETTLE_TIMEOUT: Final = 20.0
"""Seconds; longer than any service answers from memory here."""


class Transcript:
    """Performs steps, prints them, and remembers which were not as expected."""

    def __init__(self) -> None:
        self._steps = 0
        self._unexpected: list[str] = []
        self._chapter = ""
        self._in_short = False

    def chapter(self, title: str, *, in_short: bool = False) -> None:
        """Begin a part of the story; `in_short`, each of its steps is one line."""
        self._chapter, self._in_short = title, in_short
        print(f"\n== {title} {'=' * max(0, WIDTH - len(title) - 4)}")

    def say(self, sentence: str) -> None:
        """Print something that is done between two requests."""
        print(f"{'' if self._in_short else chr(10)}- {sentence}", flush=True)

    def quote(self, text: str) -> None:
        """Print what a command said."""
        print(textwrap.indent(text.rstrip(), "   "), flush=True)

    def step(
        self,
        title: str,
        service: Service,
        person: Person,
        call: Call,
        *,
        status: int,
        headers: Mapping[str, str] | None = None,
        holds: Callable[[Answer], bool] = lambda answer: True,
    ) -> Answer:
        """Send one request; expect `status`, and what `holds` says of the answer."""
        answer = service.send(person, call, headers)
        expected = answer.status == status and holds(answer)
        self._count(title, expected, f"{answer.status} instead of {status}")
        request = " ".join(
            (call.method, call.path, *(f"{name}: {each}" for name, each in (headers or {}).items()))
        )
        if self._in_short:
            asked = f"{person.name} {call.method} {call.path}"
            print(
                f"{_mark(expected)} {title:<40} {asked:<42} {answer.status}  {_decision(service, answer)}",
                flush=True,
            )
            if str(answer.body).startswith("data: "):
                print(_line("<", _body(answer)), flush=True)
        else:
            print(f"\n{_mark(expected)} {title}")
            print(_line(">", f"{person.name}, {person.role} of {person.tenant}: {request}"))
            print(_line("=", _decision(service, answer)))
            print(_line("<", _response(answer)), flush=True)
        if not expected:
            print(f"   {_response(answer)}", file=sys.stderr)
            print(f"   {service.title} said at last:\n{service.log_tail()}", file=sys.stderr)
        return answer

    def settled(
        self,
        title: str,
        service: Service,
        person: Person,
        call: Call,
        *,
        status: int,
        holds: Callable[[Answer], bool] = lambda answer: True,
    ) -> None:
        """Perform a step once every worker answers with `status`; it shows when they never do."""

        def settled() -> bool:
            return all(service.send(person, call).status == status for _ in range(STEADY))

        with suppress(AssertionError):
            eventually(settled, timeout=SETTLE_TIMEOUT)
        self.step(title, service, person, call, status=status, holds=holds)

    def expect(self, title: str, expected: bool, found: str) -> None:
        """Print what was found out between two requests; `expected` says whether it should be so."""
        self._count(title, expected, found)
        if self._in_short:
            print(f"{_mark(expected)} {title:<40} {found}", flush=True)
        else:
            print(f"\n{_mark(expected)} {title}\n{_line('<', found)}", flush=True)

    def close(self) -> int:
        """Print the balance; return 0 when every step was as expected, else 1."""
        print(f"\n{self._steps - len(self._unexpected)} of {self._steps} steps as expected")
        for unexpected in self._unexpected:
            print(f"   {unexpected}", file=sys.stderr)
        return 1 if self._unexpected else 0

    def _count(self, title: str, expected: bool, found: str) -> None:
        self._steps += 1
        if not expected:
            self._unexpected.append(f"{self._chapter}: {title}: {found}")


def assembled(answer: Answer) -> str:
    """Return the text of a streamed answer, as a client shows it."""
    events = str(answer.body).split("\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events if event.startswith("data: {")]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


def _mark(expected: bool) -> str:
    return "ok" if expected else "UNEXPECTED"


def _line(mark: str, text: str) -> str:
    shown = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return textwrap.fill(
        shown, WIDTH + 5, initial_indent=f"   {mark} ", subsequent_indent=" " * 5, break_on_hyphens=False
    )


def _response(answer: Answer) -> str:
    headers = [f"{name}: {answer.headers[name]}" for name in TELLING if name in answer.headers]
    return "  ".join([str(answer.status), *headers, _body(answer)])


def _body(answer: Answer) -> str:
    """Return what a person would read of a body: a problem's detail, a task's standing, a stream's text."""
    match answer.body:
        case {"type": str(), "detail": str(detail)}:
            return detail
        case {"task": {"id": str(task), "status": str(status)}}:
            return f"task {task} is {status}"
        case str(text) if text.startswith("data: "):
            return f"the client reads: {assembled(answer)}"
        case other:
            return json.dumps(other, ensure_ascii=False)


def _decision(service: Service, answer: Answer) -> str:
    decision_id = answer.headers.get("x-policy-decision-id")
    if decision_id is None:
        return "no decision"
    record: Mapping[str, object] = eventually(lambda: service.decision(decision_id) or {})
    return f"{record['effect']} by {record['rule'] or record['matched']}"
