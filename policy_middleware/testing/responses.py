"""Reading the response of any test client: Starlette's and httpx', Django's, Werkzeug's and Flask's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policy_middleware.responses import APPROVAL_ID_HEADER, DECISION_ID_HEADER, MASKED_HEADER, PROBLEM_JSON


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """What an assertion looks at; `detail` is what a problem document says."""

    status: int
    decision_id: str | None
    approval_id: str | None
    masked: str | None
    detail: str | None


def read_response(response: object) -> ReadResponse | None:
    """Return what there is to see of a response; None for what is none."""
    status, headers = getattr(response, "status_code", None), getattr(response, "headers", None)
    if not isinstance(status, int) or not hasattr(headers, "get"):
        return None
    fields: Any = headers
    return ReadResponse(
        status,
        fields.get(DECISION_ID_HEADER),
        fields.get(APPROVAL_ID_HEADER),
        fields.get(MASKED_HEADER),
        _detail(response) if str(fields.get("Content-Type", "")).startswith(PROBLEM_JSON) else None,
    )


def _detail(response: Any) -> str | None:
    # A response of Werkzeug has no `content`; Django and httpx keep the bytes of a whole body there.
    body = response.content if hasattr(response, "content") else response.get_data()
    try:
        document = json.loads(body)
    except ValueError:
        return None
    detail = document.get("detail") if isinstance(document, Mapping) else None
    return detail if isinstance(detail, str) else None
