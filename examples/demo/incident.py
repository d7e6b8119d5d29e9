"""An incident: one key for every tenant and every service."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from examples.demo.cast import ANA, ASSISTANT
from examples.demo.stage import POLICIES, Stage


def play(stage: Stage) -> None:
    """Switch the assistant off everywhere, and on again."""
    document = json.loads((POLICIES / "_incident.json").read_text())
    document["rules"][0]["valid_until"] = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    stage.set("_incident", json.dumps(document), "the assistant is off for an hour")
    for service in stage.services:
        stage.transcript.settled(f"off in {service.title}", service, ANA, ASSISTANT, status=403)
    stage.transcript.say("redis-cli DEL 'policy:doc:{_incident}'")
    stage.store.delete("policy:doc:{_incident}")
    for service in stage.services:
        stage.transcript.settled(f"on again in {service.title}", service, ANA, ASSISTANT, status=200)
