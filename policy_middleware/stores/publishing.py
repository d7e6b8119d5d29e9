"""Putting a document in force: validated first, then written all or nothing."""

from __future__ import annotations

from typing import Final

from policy_middleware.model.documents import (
    DEFAULT_MAX_DOCUMENT_BYTES,
    RawDocument,
    canonical_json,
    parse_document,
)
from policy_middleware.model.errors import PolicyError, short_revision
from policy_middleware.model.vocabulary import is_document_name
from policy_middleware.stores.admission import Admit, admit_all
from policy_middleware.stores.protocol import (
    UNSET,
    VIA_PUBLISH,
    VIA_ROLLBACK,
    ExpectedRevision,
    Store,
    StoredRevision,
)

SHORTEST_REVISION: Final = 4
"""Digits of a revision that are enough to name it, when they name one only."""


class UnknownRevision(PolicyError, LookupError):
    """No recorded revision of a document has the name given, or more than one has."""


def publish_document(
    store: Store,
    name: str,
    document: RawDocument,
    *,
    author: str | None = None,
    note: str | None = None,
    expected_revision: ExpectedRevision = UNSET,
    max_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES,
    admit: Admit = admit_all,
) -> StoredRevision:
    """Validate a document and replace the stored one.

    JSON text is stored byte for byte as it is given, so that `sha256sum` of the file is the revision; Python
    data is stored in canonical form. Raises DocumentError, RevisionConflict or StoreUnavailable; then nothing
    has changed.
    """
    _check_name(name)
    if isinstance(document, (bytes, str)):
        body = document.encode() if isinstance(document, str) else document
    else:
        body = canonical_json(document, name=name, max_bytes=max_bytes)
    admit(parse_document(body, name=name, max_bytes=max_bytes))
    return store.publish(
        name, body, author=author, note=note, expected_revision=expected_revision, via=VIA_PUBLISH
    )


def roll_back(
    store: Store,
    name: str,
    revision: str,
    *,
    author: str | None = None,
    note: str | None = None,
    expected_revision: ExpectedRevision = UNSET,
    max_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES,
    admit: Admit = admit_all,
) -> StoredRevision:
    """Put a recorded revision in force again; its first digits are enough when they are unambiguous.

    Raises UnknownRevision, what `publish_document` raises, and DocumentError for a revision that is not valid
    today.
    """
    _check_name(name)
    earlier = find_revision(store, name, revision)
    admit(parse_document(earlier.body, name=name, max_bytes=max_bytes))
    return store.publish(
        name,
        earlier.body,
        author=author,
        note=note if note is not None else f"back to {short_revision(earlier.revision)}",
        expected_revision=expected_revision,
        via=VIA_ROLLBACK,
    )


def find_revision(store: Store, name: str, revision: str) -> StoredRevision:
    """Return the newest history entry of a revision given by its first digits; raises UnknownRevision."""
    wanted = revision.lower()
    if len(wanted) < SHORTEST_REVISION:
        raise UnknownRevision(
            f"{revision!r} is too short; give at least {SHORTEST_REVISION} digits of a revision"
        )
    found = {
        entry.revision: entry for entry in reversed(store.history(name)) if entry.revision.startswith(wanted)
    }
    if not found:
        raise UnknownRevision(f"the history of {name!r} holds no revision {revision!r}")
    if len(found) > 1:
        named = ", ".join(short_revision(known) for known in found)
        raise UnknownRevision(f"{revision!r} names more than one revision of {name!r}: {named}")
    return next(iter(found.values()))


def _check_name(name: str) -> None:
    if not is_document_name(name):
        raise PolicyError(
            f"{name!r} cannot name a policy document: it is neither a tenant id (1-128 characters of "
            "A-Za-z0-9._:@- not starting with '_') nor _global, _incident or _default"
        )
