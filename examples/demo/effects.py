"""Allow, deny and mask, in one answer and in a stream."""

from __future__ import annotations

import json

from examples.demo.cast import ANA, ASSISTANT, CUSTOMER, MIA, SAM, STREAM
from examples.demo.stage import Stage
from examples.demo.transcript import assembled
from examples.services import Answer, Service


def play(stage: Stage, service: Service) -> None:
    """Ask as three people of two companies."""
    step = stage.transcript.step
    step("allow", service, ANA, CUSTOMER, status=200)
    step("deny: another tenant, other rules", service, MIA, ASSISTANT, status=403)
    step("mask", service, SAM, ASSISTANT, status=200, holds=_hides_the_address)
    step("mask an address in six pieces", service, SAM, STREAM, status=200, holds=_hides_it_in_the_stream)


def _hides_the_address(answer: Answer) -> bool:
    return "ada@example.com" not in json.dumps(answer.body) and "x-policy-masked" in answer.headers


def _hides_it_in_the_stream(answer: Answer) -> bool:
    masked = "Ada Byron <<EMAIL_ADDRESS>> has a balance of 120.50 EUR. "
    return assembled(answer) == masked and answer.headers.get("x-policy-masked") == "stream"
