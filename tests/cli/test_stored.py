from __future__ import annotations

import pytest

from policy_middleware.model.documents import revision_of
from tests.cli.running import BROKEN, GUARDRAIL, POLICY, Shell, body
from tests.conftest import RedisPlace


def test_the_list_shows_every_document_with_its_author_and_whether_it_is_valid(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    redis_shell("publish", "acme", "-", "--author", "dana", stdin=body(POLICY))
    redis_shell("publish", "_global", "-", stdin=body(GUARDRAIL))
    clean_redis.client.set(clean_redis.keys.doc("globex"), body(BROKEN))
    rows = {row["document"]: row for row in redis_shell("list", "-o", "json").data}
    assert list(rows) == ["_global", "acme", "globex"]
    assert (rows["acme"]["rules"], rows["acme"]["default"], rows["acme"]["author"]) == (3, "deny", "dana")
    assert (rows["_global"]["rules"], rows["_global"]["default"]) == (1, None)
    assert rows["acme"]["problem"] is None
    assert rows["globex"]["problem"].startswith("$.rules[0].effect: ")
    assert (rows["globex"]["author"], rows["globex"]["via"]) == ("unknown", "SET")


def test_a_set_over_a_published_document_is_not_shown_as_the_publishers(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    redis_shell("publish", "acme", "-", "--author", "dana", stdin=body(POLICY))
    clean_redis.client.set(clean_redis.keys.doc("acme"), body(POLICY) + b"\n")
    (row,) = redis_shell("list", "-o", "json").data
    assert (row["author"], row["via"]) == ("unknown", "SET")


def test_a_key_that_is_no_text_is_listed_with_what_is_wrong(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    clean_redis.client.hset(clean_redis.keys.doc("acme"), "a", "b")
    said = redis_shell("list")
    assert said.code == 0
    assert "cannot be read; is it text that was written with SET?" in said.out


def test_an_empty_store_says_how_to_add_a_document(redis_shell: Shell) -> None:
    said = redis_shell("list")
    assert (said.code, said.out) == (0, "")
    assert said.err == "no documents; `policyctl publish NAME FILE` adds one\n"
    assert redis_shell("list", "-o", "json").data == []


def test_a_document_is_shown_byte_for_byte(redis_shell: Shell, clean_redis: RedisPlace) -> None:
    content = b'{"broken": "\x80\x1b[31m",\r\n'
    clean_redis.client.set(clean_redis.keys.doc("acme"), content)
    assert redis_shell.process("show", "acme").out == content.decode(errors="replace")


def test_an_earlier_revision_is_shown_by_its_first_digits(redis_shell: Shell) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    redis_shell("publish", "acme", "-", stdin=body({**POLICY, "default": "allow"}))
    said = redis_shell("show", "acme", "--revision", revision_of(body(POLICY))[:8])
    assert said.out.encode() == body(POLICY)


@pytest.mark.parametrize("arguments", [("show", "nobody"), ("show", "nobody", "--revision", "abcd")])
def test_what_is_not_there_cannot_be_shown(redis_shell: Shell, arguments: tuple[str, ...]) -> None:
    said = redis_shell(*arguments)
    assert (said.code, said.out) == (2, "")
    assert "'nobody'" in said.err


def test_the_history_is_newest_first_and_marks_what_is_stored(redis_shell: Shell) -> None:
    redis_shell("publish", "acme", "-", "-m", "first", stdin=body(POLICY))
    redis_shell("publish", "acme", "-", "-m", "second", stdin=body({**POLICY, "default": "allow"}))
    redis_shell("rollback", "acme", revision_of(body(POLICY)))
    entries = redis_shell("history", "acme", "-o", "json").data
    assert [entry["note"] for entry in entries] == [
        f"back to {revision_of(body(POLICY))[:12]}",
        "second",
        "first",
    ]
    assert [entry["stored"] for entry in entries] == [True, False, False]
    assert len(redis_shell("history", "acme", "-o", "json", "--limit", "2").data) == 2


def test_only_the_newest_entry_of_the_stored_revision_is_marked_for_people(redis_shell: Shell) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    assert redis_shell("history", "acme").out.count("stored now") == 1


def test_a_document_without_history_says_so(redis_shell: Shell) -> None:
    said = redis_shell("history", "nobody")
    assert (said.code, said.out) == (0, "")
    assert said.err == "no revision of 'nobody' was ever recorded\n"


def test_escape_sequences_of_authors_and_notes_do_not_reach_the_reader(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    clean_redis.client.xadd(
        clean_redis.keys.history("acme"),
        {"revision": "ab" * 32, "body": b"{}", "author": "\x1b]0;x\x07", "note": "a\x9bb", "via": "\x1b[2J"},
    )
    for output in ("table", "json"):
        said = redis_shell("history", "acme", "-o", output)
        assert not any(character in said.out for character in "\x1b\x07\x9b")
