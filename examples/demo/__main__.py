"""Watch the main job run: three real apps, a real server, every effect (`make demo`, `make serve`)."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

import redis

from examples import services
from examples.demo import approvals, effects, evidence, hot_reload, incident, lock_out, outage
from examples.demo.cast import ANA
from examples.demo.stage import MAX_STALE, Stage, publish_policies
from examples.demo.transcript import Transcript
from tests.servers import Server


def demo() -> int:
    """Play every scene; return 0 when every step was as expected."""
    transcript = Transcript()
    os.environ["POLICY_DECISION_LOG_KEY"] = secrets.token_hex(32)  # seals the records of all that is started
    with ExitStack() as running:
        directory = Path(running.enter_context(tempfile.TemporaryDirectory()))
        server = running.enter_context(Server(persistent=True))
        store = running.enter_context(redis.Redis.from_url(server.url))
        version = store.info("server")["redis_version"]
        transcript.say(f"a server of its own at {server.url}, version {version}")
        publish_policies(server.url)
        stage = Stage(transcript, server, store, (services.fastapi(), services.django(), services.flask()))
        with ExitStack() as serving:
            environment = {"POLICY_STORE_URL": server.url, "POLICY_MAX_STALE": str(MAX_STALE)}
            for service in stage.services:
                serving.enter_context(service.configure(environment, directory / f"{service.port}.log"))
            first, *others = stage.services
            transcript.chapter(first.title)
            walk(stage, first)
            for service in others:
                transcript.chapter(f"The same in {service.title}", in_short=True)
                walk(stage, service)
            transcript.chapter("An incident: one key for every tenant and every service", in_short=True)
            incident.play(stage)
            transcript.chapter("An outage: the store is stopped, and started again", in_short=True)
            outage.play(stage)
        transcript.chapter("The evidence: what the decision log says of all this")
        evidence.play(stage, directory / "decisions.jsonl")
    return transcript.close()


def walk(stage: Stage, service: services.Service) -> None:
    """Play on one service whatever concerns it alone."""
    for scene in (effects, approvals, lock_out, hot_reload):
        scene.play(stage, service)


def serve() -> int:
    """Leave the FastAPI service running over a real server until Ctrl-C."""
    with Server(persistent=True) as server:
        publish_policies(server.url)
        service = services.fastapi().configure({"POLICY_STORE_URL": server.url})
        with suppress(KeyboardInterrupt), service:
            ask = " ".join(f"-H '{name}: {value}'" for name, value in ANA.headers.items())
            change = "-x SET 'policy:doc:{acme}' < examples/policies/acme.json"
            print(f"\nAsk     curl -i {ask} {service.url}/customers/c1")
            print(f"Change  redis-cli -u {server.url} {change}")
            print(
                f"Look    {Path(sys.executable).with_name('policyctl')} --store {server.url} status\n",
                flush=True,
            )
            service.wait()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="leave the FastAPI service running")
    # Ending by SIGTERM has to unwind as well, or the server and the services would be left behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(serve() if parser.parse_args().serve else demo())
