"""Trying masks, listing recognizers and decrypting from a shell."""

from __future__ import annotations

import pytest

from policy_middleware.masking import pattern_admission
from policy_middleware.masking.recognition import RECOGNIZERS
from tests.cli.running import POLICY, Shell

SECRET = "ab" * 32
PAGE = {"email": "jo@example.com", "note": "card 4111 1111 1111 1111"}
PATTERN = {"patterns": {"TICKET": {"pattern": "T-[0-9]{4}", "operator": "redact"}}}
TIMED = {**POLICY, "rules": [{**POLICY["rules"][2], "mask": PATTERN}]}


def test_a_file_is_shown_before_and_after_with_every_match_named(shell: Shell) -> None:
    said = shell("mask", "try", shell.write("page.json", PAGE))
    assert said.code == 0
    before, after = said.out.split("\nafter\n")
    assert "jo@example.com[EMAIL_ADDRESS]" in before
    assert "4111 1111 1111 1111[CREDIT_CARD]" in before
    assert "jo@" not in after
    assert "<CREDIT_CARD>[CREDIT_CARD]" in after
    assert "2 masked: CREDIT_CARD 1, EMAIL_ADDRESS 1" in said.out + said.err


def test_standard_input_is_read_and_json_is_written(shell: Shell) -> None:
    said = shell("mask", "try", "-", "--entities", "EMAIL_ADDRESS", "-o", "json", stdin=b"to jo@example.com")
    assert said.code == 0
    assert "to <EMAIL_ADDRESS>" in said.out


def test_the_mask_of_a_rule_is_tried(shell: Shell) -> None:
    page, policy = shell.write("page.json", PAGE), shell.write("acme.json", POLICY)
    said = shell("mask", "try", page, "--policy", policy, "--rule", "support")
    assert said.code == 0
    assert "[REDACTED]" in said.out
    unknown = shell("mask", "try", page, "--policy", policy, "--rule", "nobody")
    assert unknown.code == 2
    assert "support" in unknown.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--rule", "support"),
        ("--field", "email"),
        ("--policy", "page.json", "--entities", "EMAIL_ADDRESS"),
        ("--entities", "SHOE_SIZE"),
        ("--entities", "EMAIL_ADDRESS=blur"),
    ],
)
def test_what_cannot_be_tried_is_told_without_a_trace(shell: Shell, arguments: tuple[str, ...]) -> None:
    said = shell("mask", "try", shell.write("page.json", PAGE), *arguments)
    assert said.code == 2
    assert "Traceback" not in said.err
    assert said.err


def test_every_recognizer_is_listed_with_an_example(shell: Shell) -> None:
    listed = {one["entity"]: one for one in shell("mask", "recognizers", "-o", "json").data}
    assert listed.keys() == RECOGNIZERS.keys()
    assert all(one["examples"] and one["description"] for one in listed.values())
    assert "CREDIT_CARD" in shell("mask", "recognizers").out


def test_what_was_encrypted_for_a_tenant_is_decrypted_for_it_alone(shell: Shell) -> None:
    page = shell.write("page.json", PAGE)
    tried = shell(
        *("mask", "try", page, "--tenant", "acme", "--entities", "EMAIL_ADDRESS=encrypt", "-o", "json"),
        POLICY_MASK_SECRET=SECRET,
    )
    written = shell.write("tried.json", tried.out.encode())
    assert "jo@" not in tried.data["masked"]
    told = shell("mask", "decrypt", written, "--tenant", "acme", POLICY_MASK_SECRET=SECRET)
    assert told.code == 0
    assert told.out.count("jo@example.com") > tried.out.count("jo@example.com")
    other = shell("mask", "decrypt", written, "--tenant", "globex", POLICY_MASK_SECRET=SECRET)
    assert "0 decrypted" in other.err
    assert shell("mask", "decrypt", written, "--tenant", "acme").code == 2
    assert shell("mask", "decrypt", written, POLICY_MASK_SECRET=SECRET).code == 2


def test_check_and_publish_time_the_patterns_of_a_policy(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = shell.write("acme.json", TIMED), f"file://{shell.directory}/store"
    (shell.directory / "store").mkdir()
    assert shell("check", path).code == 0
    monkeypatch.setattr(pattern_admission, "probe_milliseconds", lambda recognizer: 51.0)
    checked = shell("check", path)
    assert (checked.code, checked.out) == (3, "")
    assert "TICKET" in checked.err
    published = shell("publish", "acme", path, "--store", store)
    assert published.code == 3
    assert list((shell.directory / "store").glob("*.json")) == []
