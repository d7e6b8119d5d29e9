from __future__ import annotations

from pathlib import Path

from policy_middleware.authoring.format_reference import format_reference
from tests.docs.page import ROOT

PAGE: Path = ROOT / "docs" / "policy-format.md"


def test_the_page_of_the_format_is_the_one_the_model_gives() -> None:
    assert PAGE.read_text() == format_reference(), "policyctl schema --markdown > docs/policy-format.md"


def test_every_operator_and_effect_is_on_the_page() -> None:
    page = format_reference()
    for word in (
        "contains_all",
        "not_in",
        "cidr",
        "require_approval",
        "valid_until",
        "expires_in",
        "subject.roles",
    ):
        assert word in page
