"""A request as approvers may see it: what any mask rule of the tenant hides from somebody is hidden here.

Rules name places of responses, and requests are shaped differently. So the last name of every path counts
wherever it occurs: a rule for `customers[*].email` hides each `email`. Too much is hidden rather than too
little, and what cannot be masked is not shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from policy_middleware.approvals import ApprovalTask
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.masking import Masker
from policy_middleware.model.errors import PolicyError
from policy_middleware.model.field_paths import parse_field_path
from policy_middleware.model.policy import FieldMask, MaskOperator, MaskSpec, Operation

WITHHELD: Final = "(hidden: it could not be masked)"
LONGEST_READ: Final = 64 * 1024
"""Bytes of a body that is looked at; a longer one is too long to be shown in any case."""

_GONE: Final = frozenset({MaskOperator.DROP, MaskOperator.NULLIFY})
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"


class Redaction:
    """Everything that mask rules in force for a tenant hide from anybody; nothing where there are none."""

    def __init__(self, policies: PolicySet) -> None:
        self._spec = _united(policies)

    @property
    def hides(self) -> bool:
        """True when some rule asks for something to be hidden."""
        return self._spec is not None

    def text(self, text: str) -> str:
        """Return a text in which what is recognised is hidden; names of places say nothing about it."""
        if self._spec is None or not self._spec.entities:
            return text
        try:
            return Masker.from_spec(self._spec).mask_text(text).text
        except PolicyError:
            return WITHHELD

    path = text

    def task(self, task: ApprovalTask) -> ApprovalTask:
        """Return a task as it may be shown: resource and comments are texts that people and clients wrote.

        Who asked is shown as it is, for nobody could decide without knowing that.
        """
        if self._spec is None:
            return task
        votes = tuple(
            vote if vote.comment is None else replace(vote, comment=self.text(vote.comment))
            for vote in task.votes
        )
        return replace(
            task, resource=None if task.resource is None else self.text(task.resource), votes=votes
        )

    def query(self, query: str) -> str:
        """Return a raw query string, or a form, with the values of masked names hidden."""
        if self._spec is None or not query:
            return query
        shown = []
        try:
            for name, value in parse_qsl(query, keep_blank_values=True):
                masked = json.loads(self._masked(json.dumps({name: value})))
                if name in masked:
                    shown.append((name, "" if masked[name] is None else str(masked[name])))
        except (PolicyError, ValueError):
            return WITHHELD
        return urlencode(shown, quote_via=quote, safe="*/:@,[]") or WITHHELD

    def body(self, body: bytes, content_type: str | None, longest: int) -> str | None:
        """Return a body with masked places hidden, None for one that is not shown.

        That is any but JSON, a form and text in UTF-8, and what is longer than `longest` characters.
        """
        if not body or not longest or len(body) > LONGEST_READ:
            return None
        kind = _kind(content_type)
        try:
            text = body.decode()
            if kind == _JSON:
                text = json.dumps(json.loads(self._masked(text)), ensure_ascii=False, separators=(",", ":"))
            elif kind == _FORM:
                text = self.query(text)
            elif not kind.startswith("text/"):
                return None
            elif self._spec is not None:
                # Text has no places with names; what could stand under one is not known.
                text = Masker.from_spec(self._spec).mask_text(text).text if self._spec.entities else WITHHELD
        except (PolicyError, ValueError, RecursionError):
            return WITHHELD
        return text if len(text) <= longest else None

    def _masked(self, text: str) -> str:
        if self._spec is None:
            return text
        masked = Masker.from_spec(self._spec).mask_json_text(text).text
        return text if masked is None else masked


def redaction_of(enforcer: PolicyEnforcer, tenant: str) -> Redaction:
    """Return what is hidden for a tenant; may load its documents.

    Raises StoreUnavailable: without them nothing could be hidden, so nothing is to be shown or stored.
    """
    return Redaction(enforcer.snapshots.current(tenant) or enforcer.snapshots.load(tenant))


def laid_out(text: str, content_type: str | None) -> str:
    """Return a body that `Redaction.body` gave as people read it: JSON indented, a form one field a line."""
    kind = _kind(content_type)
    if kind == _JSON and text != WITHHELD:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    if kind == _FORM and text != WITHHELD:
        return "\n".join(f"{name} = {value}" for name, value in parse_qsl(text, keep_blank_values=True))
    return text


def _kind(content_type: str | None) -> str:
    kind = (content_type or "").partition(";")[0].strip().lower()
    return _JSON if kind.endswith("+json") else kind


def _united(policies: PolicySet) -> MaskSpec | None:
    """Return one mask of all that rules hide, by operators that need no key and leave nothing to read."""
    united = MaskSpec()
    for document in policies.documents:
        for rule in document.document.rules:
            if rule.mask is not None and rule.enabled:
                united = united | rule.mask
    fields = tuple(dict.fromkeys(hidden for field in united.fields for hidden in _hidden(field)))
    entities = tuple(replace(entity, operation=Operation(MaskOperator.REDACT)) for entity in united.entities)
    return MaskSpec(fields, entities) if fields or entities else None


def _hidden(field: FieldMask) -> Iterator[FieldMask]:
    if field.operator is MaskOperator.KEEP:
        return
    operation = Operation(field.operator if field.operator in _GONE else MaskOperator.REDACT)
    yield FieldMask(field.path, operation)
    names = [step for step in parse_field_path(field.path) if isinstance(step, str)]
    if names:
        yield FieldMask(f"$..[{json.dumps(names[-1])}]", operation)
