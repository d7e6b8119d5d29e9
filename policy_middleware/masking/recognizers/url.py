"""Web addresses: with a scheme, or a host name under a well-known top-level domain."""

from __future__ import annotations

import re
from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

_TOP_LEVEL: Final = (
    "com|org|net|edu|gov|mil|int|info|biz|io|ai|app|dev|co|uk|de|fr|es|it|nl|se|no|fi|dk|pl|pt|ru|cn|jp|in|br"
    "|au|ca|us|me|tv|xyz|site|online|cloud|shop|store|tech|blog|news|ch|at|be|il|za|tr|kr|sg|nz|mx|ar|ie|cz|gr"
    "|hu|ro|ua|bg|hr|sk|si|lt|lv|ee|lu|eu|id|vn|th|ph|my|hk|tw|cl|pe|ly|gl|ws|cc|page|link|live|world|agency"
)
_SCHEMES: Final = (
    r"https?|ftps?|sftp|wss?|file|ssh|git|ldaps?|rediss?|postgres(?:ql)?|mysql|mongodb(?:\+srv)?|amqps?|s3"
)
_TAIL: Final = r"[^\s\"'<>`{}|\\^]"
# In one case throughout: "B.Com" is a degree. In capitals two letters need more: "AM.IN" is a company.
_ENDING: Final = r"\.(?:" + _TOP_LEVEL + r"|COM|ORG|NET|EDU|GOV|MIL|INFO|BIZ|[A-Z]{2})\b"
_HOST: Final = r"\b[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}" + _ENDING
_HOST_PRESENCE: Final = "[A-Za-z0-9_.-]" + _ENDING
_DOUBTFUL: Final = re.compile(rb"(?!WWW\.|.*\.(?:COM?|AC|ORG|NET|GOV)\.[A-Z]{2}\Z).*\.[A-Z]{2}\Z")
_HOST_ITSELF: Final = re.compile(rb"[A-Za-z0-9_.-]+")
_WITHIN_HOST: Final = b"@.-"
_CLOSING: Final = {b")": b"(", b"]": b"["}


def _without_punctuation(value: bytes) -> tuple[int, int] | None:
    """Leave the punctuation of the sentence around the address outside."""
    end = len(value)
    while end:
        last = value[end - 1 : end]
        opened = _CLOSING.get(last)
        if last in b".,;:!?*_" or (
            opened is not None and value.count(opened, 0, end) < value.count(last, 0, end)
        ):
            end -= 1
        else:
            break
    return (0, end) if end else None


def _host(value: bytes) -> tuple[int, int] | None:
    """Reject a name in capitals that is rather a company's."""
    host = _HOST_ITSELF.match(value)
    if host is None or _DOUBTFUL.match(host[0]) is not None:
        return None
    return _without_punctuation(value)


URL: Final = Recognizer(
    "URL",
    "A web address, with or without a scheme.",
    ("https://example.com/a?b=c#d", "www.example.org", "shop.example.co.uk/cart"),
    (
        Shape(
            # Also right behind a letter, as in "\\nhttps://" of a text escaped twice.
            r"(?i:(?:" + _SCHEMES + r")://)" + _TAIL,
            presence="://",
            judge=_without_punctuation,
            tail=_TAIL,
        ),
        Shape(
            _HOST + r"(?::\d{1,5})?[/?#]",
            presence=_HOST_PRESENCE,
            judge=_host,
            tail=_TAIL,
            not_after=_WITHIN_HOST,
        ),
        Shape(_HOST + r"(?::\d{1,5}\b)?", presence=_HOST_PRESENCE, judge=_host, not_after=_WITHIN_HOST),
    ),
)
