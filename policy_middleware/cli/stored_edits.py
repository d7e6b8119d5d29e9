"""Edits of a stored document that are made again on what somebody else stored in the meantime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from policy_middleware.masking import mask_admission
from policy_middleware.model.documents import revision_of
from policy_middleware.model.errors import RevisionConflict, StoreUnavailable
from policy_middleware.settings import EnforcerSettings
from policy_middleware.stores.protocol import Store, StoredRevision
from policy_middleware.stores.publishing import publish_document

ATTEMPTS: Final = 10

Edit = Callable[[bytes | None], bytes | None]
"""From what is stored to what is to be stored (None: nothing); it may be called more than once."""


def stored_body(store: Store, name: str) -> bytes | None:
    """Return what is stored, None where nothing is; raises StoreUnavailable for what cannot be read."""
    reading = store.read([name])
    if name in reading.unreadable:
        raise StoreUnavailable(f"document {name!r}: {reading.unreadable[name]}")
    return reading.bodies[name]


def edit_stored(
    store: Store, name: str, edit: Edit, *, author: str, note: str | None
) -> tuple[bytes | None, StoredRevision]:
    """Replace a document by what `edit` makes of it; return what was replaced, and what replaced it.

    Each attempt is a compare-and-set, so nothing that others store is lost. Raises RevisionConflict when they
    keep being faster.
    """
    limit = EnforcerSettings.load({}).max_document_bytes
    attempt = 1
    while True:
        before = stored_body(store, name)
        expected = None if before is None else revision_of(before)
        after = edit(before)
        try:
            if after is None and expected is not None:
                return before, store.delete(name, expected_revision=expected, author=author, note=note)
            return before, publish_document(
                store,
                name,
                after or b"",
                author=author,
                note=note,
                expected_revision=expected,
                max_bytes=limit,
                admit=mask_admission(None),
            )
        except RevisionConflict:
            if attempt == ATTEMPTS:
                raise
            attempt += 1
