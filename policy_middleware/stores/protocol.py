"""What a place for policy documents can do, whatever it is made of."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from policy_middleware.model.documents import revision_of

VIA_PUBLISH: Final = "publish"
VIA_ROLLBACK: Final = "rollback"
VIA_SET: Final = "SET"
VIA_DELETE: Final = "delete"
UNKNOWN_AUTHOR: Final = "unknown"
LOOKED_BACK: Final = 100
"""How many of the latest history entries are searched before a revision counts as unrecorded."""


class Unset(enum.Enum):
    """The type of `UNSET`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
"""No expectation about the revision a publish replaces (None expects that there is no document)."""

ExpectedRevision = str | None | Unset


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """One revision of a document: the bytes, their SHA-256 hex digest, and who put them there.

    `via` is `publish`, `rollback`, `SET` (written past this package) or `delete` (then there is no document
    from here on, and no byte of one); `published_at` is in seconds since the epoch: when it was written, or
    first seen for what was written past this package.
    """

    name: str
    revision: str
    body: bytes
    author: str | None
    note: str | None
    via: str
    published_at: float


@dataclass(frozen=True, slots=True)
class StoreReading:
    """The bytes of some documents at one moment (None: there is no such document).

    `marked` says that the store carries the marker of one that holds policies. `unreadable` tells why a
    document that exists cannot be read while the rest of the store can.
    """

    bodies: Mapping[str, bytes | None]
    marked: bool
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """What one process says about one document; times are seconds since the epoch."""

    process: str
    revision: str | None
    rejected_revision: str | None
    rejected_because: str | None
    at: float


class ChangeListener(Protocol):
    """Whoever holds documents in memory; called on the store's own thread, so nothing in here may block."""

    def synced(self) -> None:
        """From now on every change is told; whatever was read before may have changed unheard."""
        ...

    def alive(self) -> None:
        """No change has gone unheard up to this moment."""
        ...

    def changed(self, names: Collection[str] | None) -> None:
        """These documents may have changed; None: all of them, and the marker."""
        ...

    def lost(self, reason: str) -> None:
        """Changes are no longer heard, until the next `synced`."""
        ...


class Watch(Protocol):
    """A listener being told of changes."""

    def stop(self) -> None:
        """Stop telling and join the thread, if there is one."""
        ...

    def abandon(self) -> None:
        """Let go of what belongs to the parent process; called in a forked child instead of `stop`."""
        ...


class Store(Protocol):
    """Where documents live. Everything here may block, and raises StoreUnavailable when the place is gone."""

    @property
    def dead_after(self) -> float | None:
        """Seconds of silence after which a watch counts as lost; None when it cannot be lost."""
        ...

    def read(self, names: Sequence[str]) -> StoreReading:
        """Read documents in one go."""
        ...

    def names(self) -> list[str]:
        """Return the names of all documents, sorted."""
        ...

    def publish(
        self,
        name: str,
        body: bytes,
        *,
        author: str | None = None,
        note: str | None = None,
        expected_revision: ExpectedRevision = UNSET,
        via: str = VIA_PUBLISH,
    ) -> StoredRevision:
        """Replace a document, all or nothing, and add it to the history together with whatever it overwrites.

        Raises RevisionConflict when the stored revision is not the expected one. Publishing the bytes that
        are stored already changes nothing.
        """
        ...

    def delete(
        self, name: str, *, expected_revision: str, author: str | None = None, note: str | None = None
    ) -> StoredRevision:
        """Remove a document, all or nothing, and add that to the history together with what is removed.

        Raises RevisionConflict when the stored revision is not the expected one.
        """
        ...

    def history(self, name: str, limit: int | None = None) -> list[StoredRevision]:
        """Return the recorded revisions of a document, newest first."""
        ...

    def record(self, name: str, body: bytes) -> None:
        """Add a revision that took effect to the history, unless it is there: it was written past us."""
        ...

    def mark(self) -> None:
        """Write the marker of a store that holds policies, unless it is there; `publish` does so too."""
        ...

    def report(self, process: str, reports: Mapping[str, ProcessReport | None]) -> None:
        """Tell what this process made of documents, by name; None withdraws what it told.

        A store without a place for reports drops them.
        """
        ...

    def reports(self, name: str) -> list[ProcessReport]:
        """Return what the processes told of a document."""
        ...

    def watch(self, listener: ChangeListener) -> Watch:
        """Start telling a listener of changes."""
        ...

    def warnings(self) -> Iterable[str]:
        """Return remarks on how the place is set up, for the operator."""
        ...

    def after_fork(self) -> None:
        """Drop what must not be shared with the parent process; called in the child, on its only thread."""
        ...

    def close(self) -> None:
        """Release every connection."""
        ...


def deletion(name: str, author: str | None, note: str | None, now: float) -> StoredRevision:
    """Return the history's entry for a document that is removed at `now`."""
    return StoredRevision(name, revision_of(b""), b"", author, note, VIA_DELETE, now)
