"""Which bodies are JSON that can be masked, by their Content-Type."""

from __future__ import annotations

import re
from typing import Final

from policy_middleware.model.errors import MaskError

_TCHARS: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # RFC 9110 section 5.6.2
_JSON: Final = re.compile(rf"application/(?:{_TCHARS}\+)?json", re.IGNORECASE)
_PARAMETER: Final = re.compile(rf'[ \t]*;[ \t]*(?:({_TCHARS})=(?:({_TCHARS})|"([^"\\]*)"))?')
_UTF8: Final = frozenset({"utf-8", "utf8"})


def check_json(content_type: str) -> None:
    """Raise MaskError unless `content_type` is `application/json` or `application/*+json` in UTF-8."""
    media_type = content_type.partition(";")[0]
    if _JSON.fullmatch(media_type.strip(" \t")) is None:
        raise MaskError("only JSON bodies can be masked (application/json or application/*+json)")
    position = len(media_type)
    charsets: list[str] = []
    for parameter in _PARAMETER.finditer(content_type, position):
        if parameter.start() != position:
            break
        position = parameter.end()
        if parameter[1] and parameter[1].lower() == "charset":
            charsets.append((parameter[2] or parameter[3] or "").lower())
    if content_type[position:].strip(" \t"):
        raise MaskError("the parameters of the Content-Type cannot be read")
    if len(charsets) > 1 or not _UTF8.issuperset(charsets):
        raise MaskError("only JSON in UTF-8 can be masked, and the Content-Type names another charset")
