"""Processes that are killed in the middle of writing leave a log that can be proved, and go on with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

from policy_middleware.decision_log.verify_log import Verifier
from tests.decision_log.sealed import KEY
from tests.waiting import eventually

WRITING = """
    import itertools, sys
    from policy_middleware import PolicyEnforcer

    log = f"file://{sys.argv[1]}?max_size=200KB"
    odd = "\\ud800\\x1b[2J\\u2028\\x00"
    with PolicyEnforcer.from_url("memory://", decision_log=log) as enforcer:
        enforcer.publish("acme", {"schema": 1, "default": "allow", "rules": []})
        for number in itertools.count():
            note = odd + "y" * (1 << 20 if number % 50 == 0 else 30)
            enforcer.decide({"tenant": "acme", "user": "ann", "action": "read", "resource.note": note})
            if number % 300 == 0:
                enforcer.decision_log.flush()
"""


def test_a_log_whose_processes_were_killed_is_proved_chain_by_chain(tmp_path: Path) -> None:
    log = tmp_path / "decisions.jsonl"
    environment = {**os.environ, "POLICY_DECISION_LOG_KEY": KEY.hex()}

    def written() -> int:
        return sum(path.stat().st_size for path in tmp_path.iterdir())

    for _ in range(3):
        before = written()
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITING), str(log)], env=environment
        )
        try:
            eventually(lambda start=before: written() > start + 300_000, timeout=60)  # type: ignore[misc]  # a default
        finally:
            process.kill()
            process.wait(20)
    verifier = Verifier([KEY])
    lines = 0
    for path in tmp_path.iterdir():
        with path.open("rb") as file:
            verifier.read(file, path.name)
        for line in path.read_text("ascii").splitlines():
            lines += 1
            json.loads(line)
    result = verifier.finish()
    assert result.intact, result.findings
    assert result.records == lines
    assert sum("as they were written" in sentence for sentence in result.proved) == 3
    assert sum("its tail" in sentence for sentence in result.unproved) == 3
