"""Putting policies in force for a stretch of a test, in place of whatever the stores hold."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar, cast

from policy_middleware.approvals import MemoryApprovals
from policy_middleware.approvals import overriding as queues
from policy_middleware.counters import MemoryCounters
from policy_middleware.counters import overriding as counters
from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.model.documents import RawDocument, canonical_json, parse_document, revision_of
from policy_middleware.model.errors import SettingsError
from policy_middleware.model.vocabulary import RESERVED_DOCUMENTS, is_document_name, is_tenant_id
from policy_middleware.stores import overriding as stores
from policy_middleware.stores.held import HeldDocument
from policy_middleware.stores.in_force import (
    SHARED_DOCUMENTS,
    MissingPolicyRules,
    OnMissingPolicy,
    policies_of_tenant,
)
from policy_middleware.testing.decorating import decorated

Target = TypeVar("Target", bound=Callable[..., Any] | type)

Policies = RawDocument | Mapping[str, RawDocument | None]
"""One document for every tenant, or documents by name; None says that there is no such document."""


def override_policies(policies: Policies) -> PolicyOverride:
    """Put policies in force for a block, a function or each test of a class.

    They hold at once for every enforcer of the process, in every thread and framework, also for those made
    inside the block. Until it ends they are all there is: no store is read, written or connected to, and
    requests that need approval are parked in memory. One document holds for every tenant. A mapping names
    tenants or `_global`, `_incident` and `_default`; a tenant without a document is treated as the enforcer's
    `on_missing_policy` says. An inner override is laid over the outer one, name by name.

    Raises DocumentError at once for a document that is not valid, SettingsError for what cannot be its name.
    """
    if not _is_by_name(policies):
        return PolicyOverride(_Documents(_body("override", policies), {}))
    by_name = cast("Mapping[str, RawDocument | None]", policies)
    for name in by_name:
        if not is_document_name(name):
            raise SettingsError(f"override_policies: {name!r} is neither a tenant id nor a reserved name")
    return PolicyOverride(
        _Documents(None, {name: raw if raw is None else _body(name, raw) for name, raw in by_name.items()})
    )


@dataclass(frozen=True, slots=True)
class _Documents:
    """The documents of one override, as bytes: the one for every tenant, and those with a name."""

    every: bytes | None
    named: Mapping[str, bytes | None]

    def speak_of(self, name: str) -> bool:
        """True when they say what a document is, if only that there is none."""
        return name in self.named or (self.every is not None and name not in RESERVED_DOCUMENTS)

    def body(self, name: str) -> bytes | None:
        """Return the bytes of a document they speak of."""
        return self.named.get(name, self.every)


class PolicyOverride:
    """What `override_policies` returns: a context manager and a decorator, for any number of uses."""

    def __init__(self, documents: _Documents) -> None:
        self._documents = documents
        self._entered: list[_Layer] = []

    def __enter__(self) -> Self:
        layer = _Layer(self._documents)
        self._entered.append(layer)
        _put_in_force(lambda layers: (*layers, layer))
        return self

    def __exit__(self, *exc_info: object) -> None:
        layer = self._entered.pop()
        _put_in_force(lambda layers: tuple(one for one in layers if one is not layer))

    def __call__(self, target: Target) -> Target:
        """Decorate a function, synchronous or not, a generator of either kind, or a test class."""
        return decorated(target, self)


class _Layer:
    """One entering of an override; known by its identity, so that overrides may end in any order."""

    def __init__(self, documents: _Documents) -> None:
        self.documents: Final = documents


class _Layers:
    """All overrides that are entered, innermost last, and what follows from them for each tenant."""

    def __init__(self, layers: tuple[_Layer, ...]) -> None:
        self.layers: Final = layers
        self._sets: dict[tuple[str, OnMissingPolicy], PolicySet] = {}

    def policies(self, tenant: str, on_missing_policy: OnMissingPolicy) -> PolicySet | None:
        """Return what decides a tenant's requests; None for what is no tenant id."""
        key = (tenant, on_missing_policy)
        found = self._sets.get(key)
        if found is None and is_tenant_id(tenant):
            shared = {name: self._held(name) for name in SHARED_DOCUMENTS}
            rules = MissingPolicyRules(on_missing_policy)
            found = policies_of_tenant(self._held(tenant), shared, marked=True, rules=rules)
            self._sets[key] = found
        return found

    def _held(self, name: str) -> HeldDocument:
        for layer in reversed(self.layers):
            if layer.documents.speak_of(name):
                body = layer.documents.body(name)
                break
        else:
            body = None
        if body is None:
            return HeldDocument(name, missing=True)
        return HeldDocument(name, CompiledDocument(parse_document(body, name=name), revision_of(body)))


_entering: Final = threading.Lock()


def _put_in_force(change: Callable[[tuple[_Layer, ...]], tuple[_Layer, ...]]) -> None:
    with _entering:
        before = stores.in_force.layers if isinstance(stores.in_force, _Layers) else ()
        layers = change(before)
        if not layers:
            stores.in_force = queues.in_use = counters.in_use = None
            return
        # One queue until the outermost override ends: what is parked in it can be run in an inner one.
        queues.in_use = queues.in_use or MemoryApprovals()
        counters.in_use = counters.in_use or MemoryCounters()
        stores.in_force = _Layers(layers)


def _is_by_name(policies: object) -> bool:
    """True for a mapping of documents; the members of a document itself are never all documents."""
    return (
        isinstance(policies, Mapping)
        and "rules" not in policies
        and all(
            value is None or isinstance(value, (Mapping, list, bytes, str)) for value in policies.values()
        )
        and not ("default" in policies and isinstance(policies["default"], str))
    )


def _body(name: str, raw: RawDocument) -> bytes:
    """Return a document's bytes once it is known to be valid."""
    if isinstance(raw, (bytes, str)):
        body = raw.encode() if isinstance(raw, str) else raw
        parse_document(body, name=name)
        return body
    return canonical_json(raw, name=name)
