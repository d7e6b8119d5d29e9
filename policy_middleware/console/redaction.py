"""A request as approvers may see it: what any mask rule of the tenant names is hidden.

Rules name places of responses, and requests are shaped differently. So the last name of every path counts
wherever it occurs: a rule for `customers[*].email` hides each `email`. Too much is hidden rather than too
little.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import parse_qsl, quote, urlencode

from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.masking import Masker
from policy_middleware.model.errors import MaskError
from policy_middleware.model.policy import FieldMask, MaskSpec

_LAST_NAME = re.compile(r"(?:^|[.\]])([^.*\[\]]+)(?:\[[^\]]*\])*$")
_JSON = "application/json"
WITHHELD = "(hidden: it could not be masked)"


def mask_of(policies: PolicySet) -> MaskSpec | None:
    """Return everything that mask rules in force for a tenant hide from anybody, None when there are none."""
    united: MaskSpec | None = None
    for document in policies.documents:
        for rule in document.document.rules:
            if rule.mask is not None and rule.enabled:
                united = rule.mask if united is None else united | rule.mask
    if united is None:
        return None
    return replace(united, fields=tuple(dict.fromkeys((*united.fields, *_anywhere(united.fields)))))


def redacted_query(query: str, mask: MaskSpec | None) -> str:
    """Return a raw query string with the values of masked names hidden."""
    if mask is None or not query:
        return query
    pairs = parse_qsl(query, keep_blank_values=True)
    if not pairs:
        return WITHHELD
    shown = []
    for name, value in pairs:
        try:
            masked = json.loads(_masked(json.dumps({name: value}), mask))
        except (MaskError, ValueError):
            return WITHHELD
        if name in masked:
            shown.append((name, str(masked[name])))
    return urlencode(shown, quote_via=quote, safe="*")


def redacted_json(text: str, mask: MaskSpec | None) -> str | None:
    """Return JSON indented, with masked places hidden; None when it is no JSON or could not be masked."""
    try:
        return json.dumps(
            json.loads(text if mask is None else _masked(text, mask)), indent=2, ensure_ascii=False
        )
    except (MaskError, ValueError, RecursionError):
        return None


def _masked(text: str, mask: MaskSpec) -> str:
    return Masker.from_spec(mask).mask(text.encode("utf-8", "replace"), _JSON).body.decode()


def _anywhere(fields: Iterable[FieldMask]) -> Iterable[FieldMask]:
    for field in fields:
        last = _LAST_NAME.search(field.path)
        if last is not None:
            yield replace(field, path=f"**.{last[1]}")
