"""What one process holds of one document, and what reading it anew makes of that. No I/O, no locks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.model.documents import parse_document, revision_of
from policy_middleware.model.errors import DocumentError, short_revision
from policy_middleware.model.vocabulary import GLOBAL, GUARDRAILS
from policy_middleware.stores.admission import Admit, admit_all

logger = logging.getLogger("policy_middleware.stores")

Compile = Callable[[str, bytes, str], CompiledDocument]
"""Makes a document of its name, bytes and revision; raises DocumentError."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why the bytes in the store did not take effect: their revision, a JSON path and a plain sentence."""

    revision: str | None
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """The last good copy of a document (None: none was ever good), and what is wrong in the store right now.

    `missing` says that the store holds no such document; a `_global` that went missing keeps its copy.
    """

    name: str
    compiled: CompiledDocument | None = None
    rejection: Rejection | None = None
    missing: bool = False

    @property
    def revision(self) -> str | None:
        """The revision in force."""
        return None if self.compiled is None else self.compiled.revision

    @property
    def unusable(self) -> bool:
        """True when there is a document but no version of it can be used: requests must be refused."""
        return self.compiled is None and not self.missing


def compiler(max_bytes: int, admit: Admit = admit_all) -> Compile:
    """Return what turns stored bytes into a compiled document of at most `max_bytes` that `admit` admits."""

    def compile_document(name: str, body: bytes, revision: str) -> CompiledDocument:
        document = parse_document(body, name=name, max_bytes=max_bytes)
        admit(document)
        for warning in document.warnings:
            logger.warning("policy document %r revision %s: %s", name, short_revision(revision), warning)
        return CompiledDocument(document, revision)

    return compile_document


def after_reading(
    before: HeldDocument | None, name: str, body: bytes | None, unreadable: str | None, compile_body: Compile
) -> HeldDocument:
    """Return what to hold of a document after its bytes were read; logs whatever an operator has to know."""
    if unreadable is not None:
        return _rejected(before, name, Rejection(None, "$", unreadable))
    if body is None:
        return _gone(before, name)
    revision = revision_of(body)
    if before is not None and before.compiled is not None and before.compiled.revision == revision:
        if before.rejection is not None or before.missing:
            logger.info("policy document %r is back at revision %s", name, short_revision(revision))
        return HeldDocument(name, before.compiled)
    if before is not None and before.rejection is not None and before.rejection.revision == revision:
        return before
    try:
        compiled = compile_body(name, body, revision)
    except DocumentError as error:
        problem = error.problems[0]
        return _rejected(before, name, Rejection(revision, problem.path, problem.message))
    except (
        Exception
    ) as error:  # a document that breaks the compiler must not stop the reloading of all others
        logger.exception("policy document %r cannot be compiled", name)
        return _rejected(before, name, Rejection(revision, "$", f"cannot be compiled: {error!r}"))
    logger.info("policy document %r revision %s is in force", name, short_revision(revision))
    return HeldDocument(name, compiled)


def _gone(before: HeldDocument | None, name: str) -> HeldDocument:
    if name == GLOBAL and before is not None and before.compiled is not None:
        if not before.missing:
            logger.error(
                "policy document %r is gone from the store; its last good revision %s stays in force. "
                'Put it back, or store {"rules": []} to switch it off.',
                name,
                short_revision(before.revision),
            )
        return replace(before, missing=True, rejection=None)
    if before is not None and before.compiled is not None:
        logger.warning("policy document %r is gone from the store and no longer in force", name)
    return HeldDocument(name, missing=True)


def _rejected(before: HeldDocument | None, name: str, rejection: Rejection) -> HeldDocument:
    if before is not None and before.rejection == rejection:
        return before
    kept = None if before is None else before.compiled
    # A guardrail known to be absent stays absent: a typo in it must not refuse every request of every tenant.
    # A tenant's own document says that somebody meant to have one, so nothing weaker may stand in for it.
    absent = kept is None and before is not None and before.missing and name in GUARDRAILS
    consequence: Final = (
        f"revision {short_revision(kept.revision)} stays in force"
        if kept is not None
        else "the store goes on without it"
        if absent
        else "requests that need it are refused"
    )
    logger.error(
        "policy document %r revision %s is not valid and does not take effect; %s. %s",
        name,
        short_revision(rejection.revision),
        consequence,
        rejection,
    )
    return HeldDocument(name, kept, rejection, missing=absent)
