"""Rules change while the services run, by nothing but SET."""

from __future__ import annotations

import json

from examples.demo.cast import ANA, CUSTOMER
from examples.demo.stage import POLICIES, Stage
from examples.services import Service


def play(stage: Stage, service: Service) -> None:
    """Take a rule away, break the document, and put it back."""
    transcript = stage.transcript
    original = (POLICIES / "acme.json").read_bytes()
    document = json.loads(original)
    document["rules"] = [rule for rule in document["rules"] if rule["id"] != "analysts-work"]
    stage.set("acme", json.dumps(document), "without the rule that lets analysts work")
    transcript.settled("hot reload", service, ANA, CUSTOMER, status=403)
    stage.set("acme", original[:200], "cut off in the middle")
    transcript.step("a broken document never takes effect", service, ANA, CUSTOMER, status=403)
    stage.set("acme", original, "as it was")
    transcript.settled("back again", service, ANA, CUSTOMER, status=200)
