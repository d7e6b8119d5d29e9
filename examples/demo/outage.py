"""An outage: the store is stopped, and started again."""

from __future__ import annotations

from examples.demo.cast import ANA, CUSTOMER
from examples.demo.stage import MAX_STALE, Stage
from examples.services import Answer


def play(stage: Stage) -> None:
    """See decisions go on from memory, then see requests refused, then see everything back."""
    transcript = stage.transcript
    stage.server.stop()
    transcript.say(f"the store is stopped: for max_stale = {MAX_STALE} s, decisions go on from memory")
    for service in stage.services:
        transcript.step(f"from memory in {service.title}", service, ANA, CUSTOMER, status=200)
    for service in stage.services:
        transcript.settled(
            f"closed in {service.title}", service, ANA, CUSTOMER, status=503, holds=_says_when_to_come_back
        )
    stage.server.start()
    transcript.say("the store is started again")
    for service in stage.services:
        transcript.settled(f"back in {service.title}", service, ANA, CUSTOMER, status=200)


def _says_when_to_come_back(answer: Answer) -> bool:
    return "retry-after" in answer.headers
