from __future__ import annotations

import json
import os
from pathlib import Path

from policy_middleware.model.documents import canonical_json, parse_document, revision_of
from tests.cli.running import BROKEN, GUARDRAIL, POLICY, Shell, body
from tests.conftest import RedisPlace

LOOSER = {**POLICY, "default": "allow"}
FEWER = {**POLICY, "rules": POLICY["rules"][1:]}


# init


def test_init_prepares_the_store_and_writes_a_document_that_can_be_published(store_shell: Shell) -> None:
    said = store_shell("init", "acme", "--to", str(store_shell.directory))
    path = store_shell.directory / "acme.json"
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"{path}: written\n")
    assert "prepared as a store of policies" in said.out
    assert store_shell("list", "-o", "json").data == []
    assert store_shell("check", "--strict", str(path)).err == ""
    assert store_shell("publish", str(path)).code == 0


def test_init_sets_the_marker_that_tells_a_store_from_an_emptied_one(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    redis_shell("init", "acme", "--to", str(redis_shell.directory))
    assert clean_redis.client.get(clean_redis.keys.meta()) == b"1"


def test_init_writes_the_schema_that_the_document_names(redis_shell: Shell) -> None:
    redis_shell("init", "acme", "--to", str(redis_shell.directory))
    named = json.loads((redis_shell.directory / "acme.json").read_bytes())["$schema"]
    assert json.loads((redis_shell.directory / named).read_bytes()) == redis_shell("schema").data


def test_init_leaves_files_alone_that_are_there(redis_shell: Shell) -> None:
    path = redis_shell.write("acme.json", b"mine")
    said = redis_shell("init", "acme", "--to", str(redis_shell.directory))
    assert said.code == 0
    assert f"{path}: there already, left as it is\n" in said.out
    assert Path(path).read_bytes() == b"mine"


def test_init_without_a_name_writes_an_example(redis_shell: Shell) -> None:
    redis_shell("init", "--to", str(redis_shell.directory))
    assert parse_document((redis_shell.directory / "example.json").read_bytes(), name="example").rules


def test_init_never_writes_a_draft_into_the_store(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    said = shell("init", "acme", "--store", f"file://{tmp_path}", "--to", str(tmp_path))
    assert said.code == 2
    assert "where a file is in force at once" in said.err
    assert os.listdir(tmp_path) == []


def test_init_makes_the_directory_of_a_file_store(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    said = shell("init", "acme", "--store", f"file://{tmp_path}/new", "--to", str(tmp_path / "drafts"))
    assert said.code == 0
    assert (tmp_path / "drafts" / "acme.json").exists()
    assert shell("list", "--store", f"file://{tmp_path}/new").code == 0


def test_init_refuses_what_is_no_tenant(redis_shell: Shell) -> None:
    assert redis_shell("init", "_global", "--to", str(redis_shell.directory)).code == 2


def test_init_without_a_store_says_so(shell: Shell) -> None:
    said = shell("init", "acme", "--to", str(shell.directory), "--store", "redis://127.0.0.1:1")
    assert said.code == 5


# fmt


def test_fmt_lays_files_out_and_check_tells_which_it_would(shell: Shell) -> None:
    path, other = (
        shell.write("acme.json", POLICY),
        shell.write("_global.json", canonical_json(GUARDRAIL, name="_global")),
    )
    would = shell("fmt", "--check", path, other)
    assert (would.code, would.err) == (6, f"{path}: would be laid out anew\n")
    assert Path(path).read_bytes() == body(POLICY)
    done = shell("fmt", str(shell.directory))
    assert (done.code, done.out) == (0, f"{path}: laid out anew\n")
    assert Path(path).read_bytes() == canonical_json(POLICY, name="acme")
    assert shell("fmt", "--check", str(shell.directory)).code == 0


def test_fmt_prints_what_it_reads_from_standard_input(shell: Shell) -> None:
    assert shell("fmt", "-", stdin=body(POLICY)).out == canonical_json(POLICY, name="acme").decode()
    assert shell("fmt", "--check", "-", stdin=body(POLICY)).code == 6


def test_fmt_touches_nothing_when_one_file_is_not_valid(shell: Shell) -> None:
    good, bad = shell.write("acme.json", POLICY), shell.write("globex.json", BROKEN)
    assert shell("fmt", good, bad).code == 3
    assert Path(good).read_bytes() == body(POLICY)


def test_fmt_leaves_a_bare_list_to_migrate(shell: Shell) -> None:
    said = shell("fmt", shell.write("acme.json", [POLICY["rules"][0]]))
    assert said.code == 2
    assert "policyctl migrate" in said.err


def test_a_file_keeps_its_permissions_and_a_link_stays_a_link(shell: Shell) -> None:
    path = Path(shell.write("acme.json", POLICY))
    path.chmod(0o640)
    link = path.with_name("globex.json")
    link.symlink_to(path)
    shell("fmt", str(link))
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_bytes() == canonical_json(POLICY, name="acme")


# pull


def test_pull_writes_what_is_stored_byte_for_byte(store_shell: Shell) -> None:
    store_shell("publish", "acme", "-", stdin=b" " + body(POLICY))
    store_shell("publish", "_global", "-", stdin=body(GUARDRAIL))
    directory = store_shell.directory / "pulled"
    said = store_shell("pull", "--to", str(directory))
    assert said.code == 0
    assert (directory / "acme.json").read_bytes() == b" " + body(POLICY)
    assert sorted(os.listdir(directory)) == ["_global.json", "acme.json"]
    again = store_shell("pull", "--to", str(directory), "-o", "json").data
    assert [(one["document"], one["done"]) for one in again] == [
        ("_global", "unchanged"),
        ("acme", "unchanged"),
    ]


def test_pull_keeps_a_file_that_says_something_else(store_shell: Shell) -> None:
    store_shell("publish", "acme", "-", stdin=body(POLICY))
    store_shell("publish", "globex", "-", stdin=body(POLICY))
    path = Path(store_shell.write("acme.json", LOOSER))
    said = store_shell("pull", "--to", str(store_shell.directory))
    assert said.code == 6
    assert said.err == f"{path}: says something else than what is stored; --force replaces it\n"
    assert os.listdir(store_shell.directory) == ["acme.json"]
    assert store_shell("pull", "acme", "--force", "--to", str(store_shell.directory)).code == 0
    assert path.read_bytes() == body(POLICY)


def test_pull_fetches_nonsense_as_it_is(redis_shell: Shell, clean_redis: RedisPlace) -> None:
    clean_redis.client.set(clean_redis.keys.doc("acme"), b"\xffnonsense")
    redis_shell("pull", "acme", "--to", str(redis_shell.directory))
    assert (redis_shell.directory / "acme.json").read_bytes() == b"\xffnonsense"


def test_pull_of_nothing_says_so(store_shell: Shell) -> None:
    assert store_shell("pull").err == "no documents; `policyctl publish NAME FILE` adds one\n"
    said = store_shell("pull", "acme")
    assert said.code == 2
    assert "there is no document 'acme'" in said.err


# diff


def test_diff_tells_what_publishing_a_file_would_change(store_shell: Shell) -> None:
    store_shell("publish", "acme", "-", stdin=body(POLICY))
    path = store_shell.write("acme.json", FEWER)
    said = store_shell("diff", path)
    assert (said.code, said.err) == (6, "")
    assert said.out == (
        "- Rule 'readers' (allow) is gone. Access can only become narrower.\n"
        "Together: access can only become narrower.\n"
    )
    assert store_shell("publish", path).code == 0
    same = store_shell("diff", path)
    assert (same.code, same.out) == (0, "acme: no difference\n")


def test_diff_looks_through_the_layout(store_shell: Shell) -> None:
    store_shell("publish", "acme", "-", stdin=body(POLICY))
    said = store_shell("diff", "acme", "-", stdin=canonical_json(POLICY, name="acme"))
    assert (said.code, said.out) == (0, "acme: no difference; only the layout differs\n")


def test_diff_compares_revisions(store_shell: Shell) -> None:
    store_shell("publish", "acme", "-", stdin=body(POLICY))
    store_shell("publish", "acme", "-", stdin=body(LOOSER))
    first, second = revision_of(body(POLICY)), revision_of(body(LOOSER))
    said = store_shell("diff", "acme", "--from", first[:8], "--to", "stored", "-o", "json")
    assert said.code == 6
    assert (said.data["before"], said.data["after"], said.data["access"]) == (first, second, "wider")
    back = store_shell("diff", "acme", "--from", second[:8], "--to", first[:8])
    assert "The default becomes deny; it was allow. Access can only become narrower." in back.out


def test_diff_where_nothing_is_stored_yet(store_shell: Shell) -> None:
    said = store_shell("diff", store_shell.write("acme.json", POLICY))
    assert said.code == 6
    assert "The document 'acme' is new, with 3 rules." in said.out


def test_diff_with_nonsense_in_the_store_says_what_is_wrong_with_it(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    clean_redis.client.set(clean_redis.keys.doc("acme"), b"nonsense")
    said = redis_shell("diff", redis_shell.write("acme.json", POLICY))
    assert said.code == 6
    assert said.err.startswith(
        "acme: what is stored is not valid and cannot be compared rule by rule: $: is not JSON"
    )


def test_diff_refuses_a_file_that_is_not_valid(store_shell: Shell) -> None:
    assert store_shell("diff", store_shell.write("acme.json", BROKEN)).code == 3
