"""The evidence: what the decision log says of all this, once the services have stopped."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

from examples.demo.stage import Stage, policyctl

INTEGRITY_BROKEN: Final = 7
"""The exit code of `policyctl log verify` for a log that is not as it was written."""

EFFECTS: Final = frozenset({"allow", "mask", "require_approval", "deny"})


def play(stage: Stage, copy: Path) -> None:
    """Sum the log up, prove it, and find one flipped bit in a `copy` of it."""
    transcript = stage.transcript
    transcript.quote(_beginning(stage.operate("log", "stats", "--top", "4").stdout))
    told = json.loads(policyctl(stage.server.url, "log", "stats", "-o", "json").stdout)
    effects, approved, lost = told["effects"], told["approvals"].get("approved", 0), told["lost"]
    transcript.expect(
        "the log knows every effect and every approval",
        effects.keys() >= EFFECTS and approved >= 2 * len(stage.services) and not lost,
        f"{told['decisions']} decisions by {told['writers']} writers: {', '.join(effects)}; "
        f"{approved} approvals; {lost or 'none'} lost",
    )

    proof = stage.operate("log", "verify")
    transcript.expect("the log is proved", proof.returncode == 0, _verdict(proof))

    data = bytearray(stage.operate("log", "export").stdout.encode())
    data[len(data) // 2] ^= 1
    copy.write_bytes(data)
    transcript.say("one bit of that copy is flipped")
    broken = stage.operate("log", "verify", str(copy))
    found = next(iter(broken.stdout.splitlines()), "nothing").replace(f"{copy.parent}/", "")
    transcript.expect("the flipped bit is found", broken.returncode == INTEGRITY_BROKEN, found)


def _beginning(statistics: str) -> str:
    """Return the summary and the first two tables: by tenant and by rule."""
    return "\n\n".join(statistics.split("\n\n")[:3])


def _verdict(said: subprocess.CompletedProcess[str]) -> str:
    return (said.stdout or said.stderr).strip().rpartition("\n")[2]
