"""Short ways to lint a document in tests."""

from __future__ import annotations

import json
from typing import Any

from policy_middleware.authoring.draft import KnownNames
from policy_middleware.authoring.findings import Code, LintFinding
from policy_middleware.authoring.lint import lint_document

NOW = 1_800_000_000.0
"""2027-01-15T08:00:00Z."""


def rule(id_: str, effect: str, when: Any, **more: Any) -> dict[str, Any]:
    """Return a rule about which there is nothing else to remark."""
    given: dict[str, Any] = {
        "id": id_,
        "when": when,
        "effect": effect,
        "reason": "This is not possible today.",
    }
    if effect == "mask":
        given["mask"] = {"fields": {"**.email": "redact"}}
    if effect == "require_approval":
        given["approval"] = {"approvers": {"role": "lead"}}
    return given | more


def document(*rules: Any, **more: Any) -> dict[str, Any]:
    return {"schema": 1, "default": "deny", "rules": list(rules)} | more


def lint(
    raw: Any, name: str = "acme", now: float = NOW, known: KnownNames | None = None
) -> list[LintFinding]:
    """Lint a document as its JSON text with two blanks per level."""
    return lint_document(json.dumps(raw, indent=2), name=name, now=now, known=known)


def codes(raw: Any, name: str = "acme") -> list[Code]:
    return [finding.code for finding in lint(raw, name)]


def only(raw: Any, code: Code, **options: Any) -> LintFinding:
    """Return the one finding of a kind."""
    [found] = [finding for finding in lint(raw, **options) if finding.code is code]
    return found
