"""Text in the charset its Content-Type names, and back.

Only charsets in which every byte sequence has one reading are taken. Stateful ones (UTF-7, ISO-2022, HZ)
spell the same text in many ways, and browsers read them differently or not at all.
"""

from __future__ import annotations

import codecs
from typing import Final

from policy_middleware.model.errors import MaskError

UTF8: Final = "utf-8"
_SINGLE_BYTE: Final = (
    "ascii",
    "iso8859-1",
    *(f"iso8859-{part}" for part in range(2, 17) if part != 12),
    *(f"cp125{page}" for page in range(9)),
    "cp874",
    "koi8-r",
    "koi8-u",
    "mac-roman",
)
_MULTI_BYTE: Final = ("big5", "euc_jp", "euc_kr", "gb18030", "gb2312", "gbk", "shift_jis", "cp932", "cp949")
_WIDE: Final = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
_TAKEN: Final = frozenset({UTF8, *_SINGLE_BYTE, *_MULTI_BYTE, *_WIDE})
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, UTF8),
)
"""Byte order marks, the longer first: that of UTF-32 begins with that of UTF-16."""


def charset_named(name: str | None) -> str:
    """Return the codec of a charset (UTF-8 for None); raises MaskError for one that is not taken."""
    if name is None:
        return UTF8
    try:
        codec = codecs.lookup(name.strip()).name
    except (LookupError, ValueError):
        codec = ""
    if codec not in _TAKEN:
        raise MaskError("the Content-Type names a charset in which text cannot be masked")
    return codec


def decoded(body: bytes, charset: str) -> tuple[str, str]:
    """Return the text of `body` and the codec to write it back with; a byte order mark stays in the text.

    Raises MaskError when the bytes are not of that charset, or begin with the mark of another one (readers
    believe the mark more than the header).
    """
    codec = _marked(body, charset)
    try:
        return body.decode(codec), codec
    except UnicodeDecodeError as error:
        position = error.start
    # Raised out here because a UnicodeDecodeError in the context would carry the whole body along.
    raise MaskError(f"the body is not valid {codec.upper()} at byte {position}")


def encoded(text: str, codec: str) -> bytes:
    """Return `text` in a codec; what only an operator can have written and it has no bytes for is `?`."""
    return text.encode(codec, "replace")


def _marked(body: bytes, charset: str) -> str:
    for mark, codec in _MARKS:
        if body.startswith(mark):
            if codec == charset or (charset in ("utf-16", "utf-32") and codec.startswith(charset)):
                return codec
            raise MaskError("the body begins with the byte order mark of another charset than declared")
    return {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(charset, charset)
