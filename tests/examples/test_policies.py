"""The policies of the examples are what a reader may copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_middleware.model.documents import parse_document

EXAMPLES = Path(__file__).parents[2] / "examples"
POLICIES = sorted([*(EXAMPLES / "policies").glob("*.json"), *(EXAMPLES / "auth").glob("*.json")])


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_example_policies_are_valid_without_a_warning(path: Path) -> None:
    assert parse_document(path.read_bytes(), name=path.stem).warnings == ()
