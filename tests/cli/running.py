"""Running the command line as a shell would, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from policy_middleware.cli.commands import policyctl

PROGRAM = Path(sys.executable).with_name("policyctl")

POLICY: dict[str, Any] = {
    "schema": 1,
    "default": "deny",
    "rules": [
        {"id": "readers", "when": {"role": "reader"}, "effect": "allow", "reason": "Readers read."},
        {
            "id": "export",
            "when": {"action": "report.export", "resource.rows": {"gte": 1000}},
            "effect": "require_approval",
            "reason": "Exports need a second person.",
            "approval": {"approvers": {"role": "dpo"}},
        },
        {
            "id": "support",
            "when": {"role": "support"},
            "effect": "mask",
            "reason": "Support sees masked data.",
            "mask": {"fields": {"email": "redact"}},
        },
    ],
}
BROKEN: dict[str, Any] = {**POLICY, "rules": [{**POLICY["rules"][0], "effect": "permit"}]}
GUARDRAIL: dict[str, Any] = {
    "schema": 1,
    "rules": [
        {"id": "no-agents", "when": {"subject.type": "agent"}, "effect": "deny", "reason": "No agents."}
    ],
}


def body(document: object) -> bytes:
    return json.dumps(document).encode()


@dataclass(frozen=True)
class Said:
    """What a run printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The JSON on standard output."""
        return json.loads(self.out)


class Shell:
    """Calls commands in this process, in a directory of its own, with nothing of POLICY* around it."""

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.environment = dict(environment or {})

    def write(self, name: str, document: object) -> str:
        """Write a file (JSON, unless bytes are given) and return its path."""
        path = self.directory / name
        path.write_bytes(document if isinstance(document, bytes) else body(document))
        return str(path)

    def __call__(self, *arguments: str, stdin: bytes | None = None, **environment: str) -> Said:
        result = CliRunner().invoke(
            policyctl, arguments, input=stdin, env=_clean({**self.environment, **environment})
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    def process(
        self, *arguments: str, stdin: bytes = b"", program: str | Path = PROGRAM, **environment: str
    ) -> Said:
        """Run the installed program in a process of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("POLICY")}
        done = subprocess.run(
            (program, *arguments),
            input=stdin,
            capture_output=True,
            timeout=60,
            cwd=self.directory,
            env={**kept, **self.environment, **environment},
            check=False,
        )
        return Said(
            done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )


def _clean(environment: Mapping[str, str]) -> dict[str, str | None]:
    return {**{name: None for name in os.environ if name.startswith("POLICY")}, **environment}
