from __future__ import annotations

import hashlib

import pytest

from policy_middleware.model.errors import DocumentError, PolicyError, RevisionConflict
from policy_middleware.stores import (
    MemoryStore,
    Store,
    UnknownRevision,
    find_revision,
    publish_document,
    roll_back,
)
from tests.stores.documents import BAD, allowing, denying


def test_json_text_is_stored_byte_for_byte_so_that_sha256sum_is_the_revision() -> None:
    store = MemoryStore()
    text = '{ "schema":1,\n  "default": "deny", "rules": [] }\n'
    stored = publish_document(store, "acme", text)
    assert store.read(["acme"]).bodies["acme"] == text.encode()
    assert stored.revision == hashlib.sha256(text.encode()).hexdigest()


def test_python_data_is_stored_in_canonical_form() -> None:
    store = MemoryStore()
    publish_document(store, "acme", {"rules": [], "default": "deny", "schema": 1})
    assert (
        store.read(["acme"]).bodies["acme"] == b'{\n  "schema": 1,\n  "default": "deny",\n  "rules": []\n}\n'
    )


@pytest.mark.parametrize("document", [BAD, {"schema": 1, "rules": []}, "[1]"])
def test_a_document_that_is_not_valid_is_never_stored(document: object) -> None:
    store = MemoryStore()
    with pytest.raises(DocumentError):
        publish_document(store, "acme", document)  # type: ignore[arg-type]  # one of them is no document at all
    assert store.names() == []


@pytest.mark.parametrize("name", ["", "_other", "../etc", "a b"])
def test_names_that_are_no_tenant_are_refused(name: str) -> None:
    with pytest.raises(PolicyError, match="cannot name a policy document"):
        publish_document(MemoryStore(), name, allowing())


def test_a_rollback_puts_the_old_bytes_in_force_and_says_so_in_the_history(store: Store) -> None:
    first = publish_document(store, "acme", allowing("first"))
    publish_document(store, "acme", denying("second"))
    roll_back(store, "acme", first.revision[:6], author="bea")
    assert store.read(["acme"]).bodies["acme"] == allowing("first")
    newest = store.history("acme")[0]
    assert (newest.via, newest.author, newest.revision) == ("rollback", "bea", first.revision)
    assert newest.note == f"back to {first.revision[:12]}"


def test_a_rollback_is_compare_and_set_too() -> None:
    store = MemoryStore()
    first = publish_document(store, "acme", allowing("first"))
    publish_document(store, "acme", denying("second"))
    with pytest.raises(RevisionConflict):
        roll_back(store, "acme", first.revision, expected_revision=first.revision)


def test_a_recorded_revision_that_is_not_valid_today_cannot_be_put_in_force() -> None:
    store = MemoryStore()
    store.record("acme", BAD)
    with pytest.raises(DocumentError):
        roll_back(store, "acme", store.history("acme")[0].revision)
    assert store.names() == []


def test_a_revision_is_found_by_its_first_digits_only_when_they_name_one() -> None:
    store = MemoryStore()
    bodies = {hashlib.sha256(body).hexdigest(): body for body in (allowing(str(n)) for n in range(2000))}
    for body in bodies.values():
        store.record("acme", body)
    wanted = next(iter(bodies))
    assert find_revision(store, "acme", wanted[:12].upper()).body == bodies[wanted]
    shared = next(
        digits for digits in (known[:4] for known in bodies) if sum(k.startswith(digits) for k in bodies) > 1
    )
    with pytest.raises(UnknownRevision, match="more than one"):
        find_revision(store, "acme", shared)
    with pytest.raises(UnknownRevision, match="too short"):
        find_revision(store, "acme", wanted[:3])
    with pytest.raises(UnknownRevision, match="holds no revision"):
        find_revision(store, "acme", "zzzz")
