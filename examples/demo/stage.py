"""What every scene plays on: transcript, store, running services, and the operator's command line."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import redis

from examples.demo.transcript import Transcript
from examples.services import ROOT, Service
from tests.servers import Server

POLICIES: Final = ROOT / "examples" / "policies"
MAX_STALE: Final = 4
"""Seconds the services decide from memory without a store; 30 by default, but nobody watches that long."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything a scene needs; `server` can be stopped, `store` is a plain client of it."""

    transcript: Transcript
    server: Server
    store: redis.Redis
    services: tuple[Service, ...]

    def set(self, name: str, body: bytes | str, told: str) -> None:
        """Send a plain SET of a policy document, as redis-cli does."""
        self.transcript.say(f"redis-cli SET 'policy:doc:{{{name}}}'  {told}")
        self.store.set(f"policy:doc:{{{name}}}", body)

    def operate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Tell the command, run it as an operator would, and return what it said and its exit code."""
        self.transcript.say(shlex.join(("policyctl", *arguments)))
        return policyctl(self.server.url, *arguments)


def policyctl(store_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on a store."""
    program = Path(sys.executable).with_name("policyctl")
    environment = {**os.environ, "POLICY_STORE_URL": store_url}
    return subprocess.run(
        (program, *arguments), check=False, env=environment, capture_output=True, text=True, timeout=60
    )


def publish_policies(store_url: str) -> None:
    """Publish every policy of the examples but the incident's; raises CalledProcessError."""
    for name in ("_global", "acme", "globex"):
        policyctl(store_url, "publish", str(POLICIES / f"{name}.json"), "--author", "demo").check_returncode()
