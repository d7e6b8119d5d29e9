from __future__ import annotations

import re

import pytest

from tests.cli.running import POLICY, Shell, body


def test_a_file_that_is_not_there_is_a_usage_error_that_names_it(shell: Shell) -> None:
    said = shell("check", "missing.json")
    assert said.code == 2
    assert "missing.json cannot be read: No such file or directory" in said.err


def test_a_directory_stands_for_the_documents_in_it(shell: Shell) -> None:
    shell.write("acme.json", POLICY)
    shell.write("globex.json", POLICY)
    shell.write("notes.txt", b"not a policy")
    said = shell("check", str(shell.directory), "-o", "json")
    assert [finding["document"] for finding in said.data] == ["acme", "globex"]


def test_a_directory_without_documents_is_a_usage_error(shell: Shell) -> None:
    said = shell("check", str(shell.directory))
    assert said.code == 2
    assert "holds no .json file" in said.err


def test_a_directory_is_no_document_to_publish(shell: Shell) -> None:
    said = shell("publish", "acme", str(shell.directory))
    assert said.code == 2
    assert "Is a directory" in said.err


def test_a_document_without_end_is_refused_after_the_limit(shell: Shell) -> None:
    said = shell("check", "-t", "acme", "/dev/zero")
    assert said.code == 3
    assert "$: is longer than the 4194304 bytes that are accepted" in said.err


def test_the_limit_is_the_one_the_services_have(shell: Shell) -> None:
    path = shell.write("acme.json", {**POLICY, "description": "x" * 2000})
    said = shell("check", path, POLICY_MAX_DOCUMENT_BYTES="1024")
    assert said.code == 3
    assert "1024 bytes" in said.err


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe\x80", b"\xef\xbb\xbf", b"[" * 100_000, b"nonsense", b'{"a": 1, "a": 2}']
)
def test_what_is_no_policy_gets_a_sentence_and_no_traceback(shell: Shell, content: bytes) -> None:
    said = shell("check", "-t", "acme", "-", stdin=content)
    assert said.code == 3
    assert said.out == ""
    assert re.match(r"standard input: not valid as 'acme'\n  (line \d+: )?\$", said.err)


def test_a_context_may_be_written_in_place_or_come_from_a_file_or_standard_input(shell: Shell) -> None:
    policy = shell.write("acme.json", POLICY)
    context = {"tenant": "acme", "role": "reader", "action": "x"}
    path = shell.write("context.json", context)
    in_place = shell("eval", "--policy", policy, "-i", body(context).decode(), "-o", "json")
    from_file = shell("eval", "--policy", policy, "-i", path, "-o", "json")
    from_stdin = shell("eval", "--policy", policy, "-i", "-", "-o", "json", stdin=body(context))
    assert in_place.data == from_file.data == from_stdin.data
    assert in_place.code == from_file.code == from_stdin.code == 0


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        (b'{"role": ', "standard input: $"),
        (b"[1]", 'standard input is no JSON object such as {"role": "viewer", "action": "document.read"}'),
        (b'{"role": "a", "role": "b"}', "role"),
        (b"\xff", "standard input: $"),
        (b" " * 2_000_000, "is longer than"),
    ],
)
def test_a_context_that_cannot_be_read_is_a_usage_error(shell: Shell, context: bytes, sentence: str) -> None:
    said = shell("eval", "--policy", shell.write("acme.json", POLICY), "-t", "acme", "-i", "-", stdin=context)
    assert said.code == 2
    assert sentence in said.err
