from __future__ import annotations

import logging

import pytest

from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.model.documents import DEFAULT_MAX_DOCUMENT_BYTES, revision_of
from policy_middleware.stores.held import HeldDocument, after_reading, compiler
from tests.stores.documents import BAD, allowing, guardrail

compile_body = compiler(DEFAULT_MAX_DOCUMENT_BYTES)


def read(before: HeldDocument | None, name: str, body: bytes | None) -> HeldDocument:
    return after_reading(before, name, body, None, compile_body)


def test_a_good_document_is_in_force() -> None:
    held = read(None, "acme", allowing())
    assert held.revision == revision_of(allowing())
    assert not held.unusable


def test_unchanged_bytes_are_not_compiled_again() -> None:
    held = read(None, "acme", allowing())
    assert read(held, "acme", allowing()).compiled is held.compiled


def test_a_bad_document_leaves_the_last_good_one_in_force_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    good = read(None, "acme", allowing())
    rejected = read(good, "acme", BAD)
    again = read(rejected, "acme", BAD)
    assert rejected.compiled is good.compiled
    assert rejected.rejection is not None
    assert rejected.rejection.revision == revision_of(BAD)
    assert rejected.rejection.path == "$"
    assert again is rejected
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "stays in force" in errors[0].getMessage()


def test_the_json_path_of_the_first_problem_is_kept() -> None:
    rule = b'{"id": "a", "when": {"role": "x"}, "effect": "dney", "reason": "r"}'
    body = b'{"schema": 1, "default": "deny", "rules": [' + rule + b"]}"
    held = read(None, "acme", body)
    assert held.rejection is not None
    assert held.rejection.path == "$.rules[0].effect"


def test_going_back_to_the_good_bytes_ends_the_rejection_without_compiling() -> None:
    good = read(None, "acme", allowing())
    back = read(read(good, "acme", BAD), "acme", allowing())
    assert back.compiled is good.compiled
    assert back.rejection is None


def test_only_a_bad_document_is_unusable() -> None:
    assert read(None, "acme", BAD).unusable


def test_a_tenant_that_had_no_document_gets_nothing_weaker_in_place_of_its_bad_first_one() -> None:
    assert read(read(None, "acme", None), "acme", BAD).unusable


@pytest.mark.parametrize("name", ["_global", "_incident"])
def test_a_typo_in_the_first_version_of_a_guardrail_changes_nothing_for_a_running_process(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    held = read(read(None, name, None), name, BAD)
    assert not held.unusable
    assert held.compiled is None
    assert held.rejection is not None
    assert "goes on without it" in caplog.text
    assert read(held, name, guardrail()).revision == revision_of(guardrail())


@pytest.mark.parametrize("name", ["_global", "_incident"])
def test_a_process_that_starts_with_only_a_bad_guardrail_cannot_use_it(name: str) -> None:
    assert read(None, name, BAD).unusable


@pytest.mark.parametrize("name", ["acme", "_incident", "_default"])
def test_a_document_that_is_gone_is_no_longer_in_force(name: str) -> None:
    body = guardrail() if name == "_incident" else allowing()
    gone = read(read(None, name, body), name, None)
    assert gone.compiled is None
    assert gone.missing


def test_a_global_document_that_is_gone_keeps_its_last_good_copy_with_one_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = read(None, "_global", guardrail())
    gone = read(seen, "_global", None)
    still_gone = read(gone, "_global", None)
    assert still_gone.compiled is seen.compiled
    assert still_gone.missing
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1
    assert '{"rules": []}' in caplog.text


def test_a_document_that_cannot_be_read_is_rejected_with_the_reason() -> None:
    good = read(None, "acme", allowing())
    held = after_reading(good, "acme", None, "the file acme.json cannot be read: denied", compile_body)
    assert held.compiled is good.compiled
    assert str(held.rejection) == "$: the file acme.json cannot be read: denied"


def test_a_document_that_breaks_the_compiler_is_rejected_and_reloading_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(name: str, body: bytes, revision: str) -> CompiledDocument:
        raise RecursionError("too deep")

    held = after_reading(None, "acme", allowing(), None, broken)
    assert held.unusable
    assert "cannot be compiled" in str(held.rejection)


def test_a_document_larger_than_the_limit_is_rejected() -> None:
    held = after_reading(None, "acme", allowing("x" * 2000), None, compiler(1024))
    assert held.unusable
    assert "1024" in str(held.rejection)


def test_remarks_on_a_valid_document_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    read(None, "acme", b'[{"conditions": {"role": "x"}, "action": "deny", "reason": "no"}]')
    assert "bare list" in caplog.text
