"""What is wrong inside one value of a document, by paths from that value."""

from __future__ import annotations

from typing import TypeAlias

from policy_middleware.model.json_reading import Path

Finding: TypeAlias = tuple[Path, str]
"""A path from the value that is being read, and a sentence."""


class FindingsError(ValueError):
    """Everything wrong inside one value of a document."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("; ".join(message for _, message in findings))
        self.findings = findings
